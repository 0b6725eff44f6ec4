"""A first look at tables, inside the child: how each column's values are spread, and what to beware of."""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import pandas as pd

from sandbox.profiles import cell_text, kind_of
from sandbox.records import ColumnLook, TableLook
from sandbox.tables import Table

T = TypeVar("T")
BINS = 12
MOST_COMPARED = 20_000_000  # cells of a table in which rows that repeat others are looked for
MOST_FREQUENT = 6
LOOKED_COLUMNS = 200
MOST_WARNINGS = 6
# A column with so many numbers in it is one of numbers; text in it is what somebody forgot.
MOSTLY = 0.7
# Totals stand at the end, or else at the very beginning.
EDGE_ROWS = 5
TOTAL = re.compile(
    r"(?i)\W*(?:grand |sub|over)?(?:totals?|sum|all|gesamt|summe|insgesamt|totale|totaux|overall)\W*"
)


def look(table: Table) -> TableLook:
    """What there is to see at first; of a very wide table the first columns alone."""
    frame = table.frame.iloc[:, :LOOKED_COLUMNS]
    columns = tuple(_column(str(name), frame.iloc[:, i]) for i, name in enumerate(frame.columns))
    return TableLook(table.name, columns, tuple(_warnings(frame))[:MOST_WARNINGS])


def _safely(found: Callable[..., T], *given: object, otherwise: T) -> T:
    """What is found, or something else where cells are of a kind that nobody foresaw, or memory ends."""
    try:
        return found(*given)
    except Exception:
        return otherwise


def _column(name: str, column: pd.Series) -> ColumnLook:
    kind, present = kind_of(column), column.dropna()
    if kind in ("number", "date") and len(present):
        return ColumnLook(name, _safely(_spread, present, otherwise=()))
    if kind in ("text", "boolean") and len(present):
        counts = _countable(present).value_counts().head(MOST_FREQUENT)
        return ColumnLook(name, tuple(int(count) for count in counts))
    return ColumnLook(name, ())


def _spread(present: pd.Series) -> tuple[int, ...]:
    """How many values are in each of BINS equal parts of their range."""
    values = pd.to_datetime(present).astype("int64") if kind_of(present) == "date" else present
    values = values.to_numpy(dtype="float64", na_value=np.nan)
    values = values[np.isfinite(values)]
    if not len(values):
        return ()
    # Not by np.histogram, which refuses values that differ by less than its bins can tell.
    values = values / (np.abs(values).max() or 1.0)
    low, span = values.min(), np.ptp(values)
    if not span:
        return (len(values),)
    bins = np.clip((values - low) / span * BINS, 0, BINS - 1).astype(int)
    return tuple(map(int, np.bincount(bins, minlength=BINS)))


def _countable(present: pd.Series) -> pd.Series:
    return present if present.dtype != object else present.astype(str)


# What to beware of


def _warnings(frame: pd.DataFrame) -> Iterator[str]:
    if frame.size <= MOST_COMPARED and (repeated := _safely(_repeated, frame, otherwise=0)):
        what = "row repeats another" if repeated == 1 else "rows repeat others"
        yield f"{repeated:,} {what} in every cell."
    yield from _safely(lambda: [*_totals(frame)], otherwise=[])
    for number, name in enumerate(frame.columns):
        column = frame.iloc[:, number]
        present = column.dropna()
        if not len(present):
            yield f"“{name}” is empty."
            continue
        if len(frame) > 1 and len(present) == len(frame) and _safely(_is_constant, present, otherwise=False):
            yield f"“{name}” is “{cell_text(present.iloc[0])}” in every row."
        if kind_of(column) == "text" and (odd := _safely(_odd_text, present, otherwise="")):
            yield f"“{name}” holds numbers, and also {odd}."


def _is_constant(present: pd.Series) -> bool:
    return _countable(present).nunique() == 1


def _repeated(frame: pd.DataFrame) -> int:
    try:
        return int(frame.duplicated().sum())
    except TypeError:  # cells that hold lists
        return int(frame.astype(str).duplicated().sum())


def _odd_text(present: pd.Series) -> str:
    """Of a column of mostly numbers the text in it, quoted; "" for others."""
    values = pd.to_numeric(present, errors="coerce")
    if not MOSTLY <= values.notna().mean() < 1:
        return ""
    others = _countable(present[values.isna()]).value_counts()
    shown = ", ".join(f"“{cell_text(text)}”" for text in others.index[:2])
    return shown + (" and other text" if len(others) > 2 else "")


def _totals(frame: pd.DataFrame) -> Iterator[str]:
    """A row that sums others up, and would be counted twice."""
    numbers = frame.select_dtypes("number", exclude="timedelta")
    if len(frame) < 3 or not len(numbers.columns):
        return
    for place in [*range(len(frame) - 1, max(len(frame) - 1 - EDGE_ROWS, 0), -1), 0]:
        cells = [str(cell) for cell in frame.iloc[place] if isinstance(cell, str)]
        label = next((cell for cell in cells if TOTAL.fullmatch(cell)), None)
        if label is None:
            continue
        others = numbers.drop(index=frame.index[place]).sum()
        own = numbers.iloc[place]
        if any(np.isclose(own, others, rtol=1e-3) & (own != 0)):
            yield f"The row “{cell_text(label)}” sums up the others: leave it out where you add up."
            return
