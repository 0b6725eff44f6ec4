"""A table as questions see it: its values, what each column is good for, and how SQL reaches a column.

view = read_view(Path("sales.csv"))
view.roles.measures                  # numbers that can be averaged
view.sql("unit_price")               # the column in SQL, text such as "$1,234.50" already a number
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from agent import answers
from sandbox.records import InputError, Limits
from sandbox.tables import read_all

FEWEST_ROWS, MOST_ROWS, MOST_COLUMNS = 8, 50_000, 50
LONGEST_NAME, LONGEST_VALUE, MOST_GROUPS = 40, 60, 60

# What stands for a row, or numbers it, is not to be averaged.
_LABEL = re.compile(
    r"(?:^|[\W_])(?<!per[\W_])(?:"
    r"id|ids|index|idx|i?year|season|cycle|decade|date|week|day|month|quarter|hour|order|rank|seed|round"
    r"|no|number(?![\W_]+\w)|code|zip|fips|fp|ce|icpsr|cik|lat|latitude|lon|lng|longitude|phone|district|cd"
    r"|congress|slot|row|billing|cluster|version|set|episode|president|subject|zone"
    r")(?:$|[\W_])|ID$",
    re.I,
)
_YEAR = re.compile(r"(?:^|[\W_])i?year(?:$|[\W_])|^season$", re.I)
_NO_KEY = re.compile(
    r"url|link|file|image|photo|hash|uuid|source|(?:^|[\W_])(?:id|code|note|text)s?(?:$|[\W_])", re.I
)
_UNPLAIN = re.compile(r"[,;\[\]{}<>=^*\\\"\n\r\t|�]|^[\s'(]|['\s]$|\s\s|https?:")
_NULLS = {"nan", "none", "null", "na", "n/a", "-", "--", "?"}
_CURRENCY = re.compile(r"[$€£]\s?-?\d[\d,]*(?:\.\d+)?")
_PERCENT = re.compile(r"-?\d+(?:\.\d+)?\s?%")
# Text dates whose day cannot be taken for the month: pandas and DuckDB write formats alike.
_DATE_FORMATS = (
    "%m/%d/%Y",
    "%m/%d/%y",
    "%d/%m/%Y",
    "%B %d, %Y",
    "%b %d, %Y",
    "%d-%b-%y",
    "%Y/%m/%d",
    "%Y-%m-%d",
)


@dataclass(frozen=True)
class Roles:
    """Names of columns by what can be asked of them; a column may have several roles.

    Attributes:
        keys: Text, another one in every row: what a row is called.
        groups: Text with few values, each clean and none like another but for case.
        flags: 0 and 1, or False and True.
        measures: Numbers that can be averaged and ranked.
        years: Whole numbers that are years.
        dates: Dates, or text that is one.
        texts: Text of several words.
        amounts: The measures that the file holds as text: "currency" or "percent" by name.
    """

    keys: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    years: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    amounts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class View:
    """One table, or two that share a key, to ask about.

    Attributes:
        paths: The files that a question needs.
        frame: The values as they are meant: amounts as numbers, dates as dates; two tables joined.
        roles: What the columns are good for; where a question must be about some, only those have roles.
        files: The tables as the sandbox reads them, by their names in `source`.
        source: What SQL selects from.
        expressions: SQL of the columns that `frame` holds in another form than the file.
        kind: "plain", or what is special: "currency", "percent", "joined" or "duplicates".
    """

    paths: tuple[Path, ...]
    frame: pd.DataFrame
    roles: Roles
    files: Mapping[str, pd.DataFrame]
    source: str = "t"
    expressions: Mapping[str, str] = field(default_factory=dict)
    kind: str = "plain"

    def sql(self, column: str) -> str:
        return self.expressions.get(column) or identifier(column)


def identifier(column: str) -> str:
    """A column's name in SQL."""
    return '"' + column.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A value in SQL."""
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def read_view(path: Path) -> View | None:
    """The file's table as the sandbox reads it; None if it holds several, or none to ask about."""
    try:
        tables = read_all([path], Limits())
    except InputError:
        return None
    if len(tables) != 1:
        return None
    file = tables[0].frame
    if not (FEWEST_ROWS <= len(file) <= MOST_ROWS and 2 <= len(file.columns) <= MOST_COLUMNS):
        return None
    if sum(map(sayable, file.columns)) <= len(file.columns) / 2:
        return None  # its first row is hardly a header
    return view_of(path, file)


def view_of(path: Path, file: pd.DataFrame) -> View:
    """The view of one file's table, text that stands for numbers or dates read as such."""
    frame, expressions, amounts = file.copy(), {}, {}
    for column in filter(sayable, file.columns):
        meant = _meant(file[column], column)
        if meant:
            frame[column], expressions[column], kind = meant
            if kind:
                amounts[column] = kind
    return View((path,), frame, _roles(frame, amounts), {"t": file}, expressions=expressions)


def sayable(column: str) -> bool:
    """Whether a question can call the column by its name."""
    return len(column) <= LONGEST_NAME and bool(
        re.search(r"[^\W\d_]", column) and not re.search(r"^unnamed|[\n\"'{}�|]", column, re.I)
    )


def plain(text: str) -> bool:
    """Whether the text is unmistakable as a value in a question, an answer and a list of answers."""
    return (
        0 < len(text) <= LONGEST_VALUE
        and not _UNPLAIN.search(text)
        and text.casefold() not in _NULLS
        and answers.parse(text, "boolean") is None
        and answers.parse(text, "number") is None
    )


def is_text(column: pd.Series) -> bool:
    """Whether every value that is there is text."""
    return column.dtype.kind in "OTU" and column.dropna().map(lambda value: isinstance(value, str)).all()


# Text that is meant as something else


def _meant(column: pd.Series, name: str) -> tuple[pd.Series, str, str] | None:
    cells = column.dropna()
    if not is_text(column) or len(cells) < FEWEST_ROWS:
        return None
    for kind, pattern in (("currency", _CURRENCY), ("percent", _PERCENT)):
        if cells.str.fullmatch(pattern.pattern).all():
            return as_number(column), number_sql(name), kind
    for form in _DATE_FORMATS:
        if (dates := _dates(column, form)) is not None and not _is_two_handed(column, form):
            return dates, f"strptime({identifier(name)}, '{form}')", ""
    return None


def as_number(column: pd.Series) -> pd.Series:
    """Amounts written as text, "$1,234.50" or "12.5%", as numbers; a percentage stays in percent."""
    return pd.to_numeric(column.str.replace(r"[^0-9.-]", "", regex=True))


def number_sql(name: str) -> str:
    """What `as_number` does, in SQL."""
    return f"cast(regexp_replace({identifier(name)}, '[^0-9.-]', '', 'g') as double)"


def _dates(column: pd.Series, form: str) -> pd.Series | None:
    try:
        return pd.to_datetime(column, format=form)
    except ValueError:
        return None


def _is_two_handed(column: pd.Series, form: str) -> bool:
    """Whether day and month could also stand the other way round."""
    other = form.translate(str.maketrans("md", "dm"))
    return "/%" in form and form[1] in "md" and _dates(column, other) is not None


# Roles


def _roles(frame: pd.DataFrame, amounts: Mapping[str, str]) -> Roles:
    names = [name for name in frame.columns if sayable(name) and name not in _repeated(frame.columns)]

    def having(is_so: Callable[[pd.Series, str], bool]) -> tuple[str, ...]:
        return tuple(name for name in names if is_so(frame[name], name))

    return Roles(
        keys=having(_is_key),
        groups=having(_is_group),
        flags=having(_is_flag),
        measures=having(_is_measure),
        years=having(_is_year),
        dates=having(_is_date),
        texts=having(_is_prose),
        amounts={name: kind for name, kind in amounts.items() if _is_measure(frame[name], name)},
    )


def _repeated(columns: Sequence[str]) -> set[str]:
    """Columns whose name the file has twice, so that it tells none: pandas calls the second `name.1`."""
    bases = {name: re.sub(r"\.\d+$", "", name) for name in columns}
    twice = {base for name, base in bases.items() if name != base and base in bases}
    return {name for name, base in bases.items() if base in twice}


def _is_key(column: pd.Series, name: str) -> bool:
    if column.isna().any() or not is_text(column) or _NO_KEY.search(name) or _has_header(column, name):
        return False
    return _differ(column) and column.map(plain).mean() > 0.7


def _is_group(column: pd.Series, name: str) -> bool:
    values = pd.Series(column.dropna().unique())
    if not 2 <= len(values) <= min(MOST_GROUPS, len(column) // 2) or not is_text(column):
        return False
    if _NO_KEY.search(name) or _has_header(values, name):
        return False
    return bool(values.map(plain).all()) and _differ(values)


def _has_header(values: pd.Series, name: str) -> bool:
    """Whether the column's name is among its values, as where pages of a table were put together."""
    return bool((values.str.casefold() == name.casefold()).any())


def _differ(values: pd.Series) -> bool:
    """Whether no two texts are the same but for case and the space around."""
    return not values.str.strip().str.casefold().duplicated().any()


def _is_flag(column: pd.Series, name: str) -> bool:
    if column.dtype.kind not in "biuf" or column.isna().any() or _LABEL.search(name):
        return False
    return set(column.unique()) == {0, 1}


def _is_measure(column: pd.Series, name: str) -> bool:
    if column.dtype.kind not in "iuf" or _LABEL.search(name):
        return False
    cells = column.dropna()
    if len(cells) < FEWEST_ROWS or cells.nunique() < 6 or not cells.abs().max() < 1e13:
        return False
    if cells.between(1900, 2050).all() and (cells % 1 == 0).all():  # years, by whatever name
        return False
    return not (cells.dtype.kind in "iu" and cells.is_unique and (cells.diff().dropna() == 1).all())


def _is_year(column: pd.Series, name: str) -> bool:
    if column.dtype.kind not in "iu" or not _YEAR.search(name):
        return False
    return column.between(1700, 2100).all() and column.nunique() >= 3


def _is_date(column: pd.Series, _: str) -> bool:
    if column.dtype.kind != "M" or column.nunique() < 5:
        return False
    return bool(column.dropna().dt.year.between(1700, 2100).all())


def _is_prose(column: pd.Series, name: str) -> bool:
    if not is_text(column) or _NO_KEY.search(name) or column.nunique() < 10:
        return False
    return column.dropna().str.count(" ").mean() >= 0.7
