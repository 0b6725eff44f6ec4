"""Describes tables in short, inside the child: types, ranges, frequent values, first rows."""

import datetime

import pandas as pd

from sandbox.display import number_text
from sandbox.records import ColumnProfile, Preview, TableProfile
from sandbox.tables import Table

CELL_CHARS = 40
PREVIEW_CHARS = 200
SAMPLE_ROWS = 3
FEW_VALUES = 12
EXAMPLES = 3
KINDS = {
    "string": "text",
    "boolean": "boolean",
    "integer": "number",
    "floating": "number",
    "mixed-integer-float": "number",
    "decimal": "number",
    "date": "date",
    "datetime": "date",
    "datetime64": "date",
}


def profile(table: Table) -> TableProfile:
    """Returns the profile of a table."""
    frame = table.frame
    columns = tuple(_column(str(name), frame.iloc[:, i]) for i, name in enumerate(frame.columns))
    sample = _rows(frame, SAMPLE_ROWS, CELL_CHARS)
    return TableProfile(table.name, table.source, len(frame), columns, sample, table.note, table.load)


def preview(table: Table, rows: int) -> Preview:
    """Returns the first rows of a table as text."""
    names = tuple(str(name) for name in table.frame.columns)
    return Preview(names, _rows(table.frame, rows, PREVIEW_CHARS))


def _rows(frame: pd.DataFrame, count: int, chars: int) -> tuple[tuple[str, ...], ...]:
    head = frame.head(count)
    columns = [[cell_text(cell, chars) for cell in head.iloc[:, i]] for i in range(len(head.columns))]
    return tuple(zip(*columns, strict=True))


def _column(name: str, column: pd.Series) -> ColumnProfile:
    kind = kind_of(column)
    present = column.dropna()
    if column.dtype == object and not all(map(pd.api.types.is_hashable, present)):
        # Lists and dictionaries cannot be counted as they are; arrays would be, but compared each with each.
        present = present.astype(str)
    counts = present.value_counts()
    ordered = kind in ("number", "date") and len(present) > 0
    few = kind in ("text", "boolean") and len(counts) <= FEW_VALUES
    return ColumnProfile(
        name=name,
        dtype=str(column.dtype),
        kind=kind,
        missing=len(column) - len(present),
        distinct=len(counts),
        minimum=cell_text(present.min()) if ordered else None,
        maximum=cell_text(present.max()) if ordered else None,
        values=tuple(cell_text(value) for value in counts.index[: FEW_VALUES if few else EXAMPLES]),
    )


def kind_of(column: pd.Series) -> str:
    """The kind of a ColumnProfile."""
    dtype = column.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    if pd.api.types.is_numeric_dtype(dtype):
        return "number" if dtype.kind != "c" else "other"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date"
    return KINDS.get(pd.api.types.infer_dtype(column, skipna=True), "other")


def cell_text(value: object, chars: int = CELL_CHARS) -> str:
    """A cell as short text on one line, "" for a missing one."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        value = value.date()
    text = " ".join(str(value).split())
    return text if len(text) <= chars else text[: chars - 1] + "…"
