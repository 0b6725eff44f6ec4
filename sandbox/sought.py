"""Where the values stand that code looked for and did not find, inside the child.

    where("print(df[df['Album'] == 'hard woman'])", tables)
    -> [Sought("hard woman", "Album", "Title", ("'Hard Woman'",), False, "df['Album'] == 'hard woman'", …)]

When no row meets a condition, its value is most often spelt otherwise in the data, or in another column.
"""

import ast
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from sandbox.display import cut_middle
from sandbox.profiles import kind_of
from sandbox.records import ExecutionError, Sought
from sandbox.tables import Table

# Of a table that is searched; and values to which one that is spelt much otherwise is compared.
MOST_ROWS, MOST_COLUMNS, MOST_VALUES, MOST_COMPARED = 200_000, 60, 20_000, 2_000
MOST_CONDITIONS, MOST_SHOWN, SHOWN_CHARS = 6, 3, 60
SHORTEST = 3  # letters of a value that is looked for within others
ALIKE = 0.85  # difflib's ratio, of one letter in seven that is wrong
# What is printed when nothing was found, and what may as well be a true answer.
_NOTHING = re.compile(r"\s*(?:\[\]|\(\)|nan|<NA>|NaT|None|Series\(\[\].*|Empty DataFrame.*)?\s*", re.S)
_NONE_OF_IT = re.compile(r"\s*(?:0|0\.0|False)\s*")
_CASES = ("lower", "upper", "title", "capitalize")
_PARTS = ("contains", "startswith", "endswith", "match")


@dataclass(frozen=True)
class Condition:
    """`df['a'] == 'b'` or `df['a'].str.contains('b')` in code.

    Attributes:
        table: The source of `df`; `source` is that of the whole.
        part: Whether the value is to be a part of the column's.
        impossible: Whether it finds nothing whatever the column holds: `df['a'].str.lower() == 'B'`.
    """

    table: str
    column: str
    value: str
    source: str
    part: bool
    impossible: bool


@dataclass(frozen=True)
class Place:
    """The column that holds a value, as it stands there; no values where none does."""

    column: str
    values: list
    spelt: bool  # in the very column where it was looked for, in another way or among other words


def of_step(
    code: str, stdout: str, error: ExecutionError | None, tables: Sequence[Table]
) -> tuple[Sought, ...]:
    """What a step did not find, if that is why it failed or printed nothing."""
    failed = error is not None and error.kind in ("IndexError", "KeyError", "ValueError")
    if failed or (not error and _NOTHING.fullmatch(stdout)):
        return tuple(where(code, tables))
    if not error and _NONE_OF_IT.fullmatch(stdout):
        # That there is none may be so: only a value that is there, spelt otherwise, tells against it.
        return tuple(found for found in where(code, tables) if found.spelt)
    return ()


def where(code: str, tables: Sequence[Table]) -> Iterator[Sought]:
    """For each condition whose value its column does not hold, where the data does, if anywhere."""
    for condition in list(_conditions(code))[:MOST_CONDITIONS]:
        frames = (table.frame for table in tables if list(table.frame.columns).count(condition.column) == 1)
        frame = next((frame for frame in frames if len(frame) <= MOST_ROWS), None)
        if frame is not None and (place := _place(frame, condition)):
            yield Sought(
                condition.value,
                condition.column,
                place.column,
                tuple(map(_shown, place.values[:MOST_SHOWN])),
                place.spelt,
                condition.source,
                _instead(condition, place, frame) if place.values else "",
            )


def _conditions(code: str) -> Iterator[Condition]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[ast.Constant(value=str(value))]):
                part = False
            case ast.Call(
                func=ast.Attribute(value=left, attr=name), args=[ast.Constant(value=str(value)), *_]
            ):
                part = True
                if name not in _PARTS:
                    continue
            case _:
                continue
        methods = set()
        while isinstance(left, ast.Call | ast.Attribute):  # .str.lower()
            methods.add(left.attr if isinstance(left, ast.Attribute) else "")
            left = left.func if isinstance(left, ast.Call) else left.value
        match left:
            case ast.Subscript(value=table, slice=ast.Constant(value=str(column))) if value.strip():
                sources = [ast.get_source_segment(code, one) or "" for one in (table, node)]
                changed = (getattr(value, case)() for case in _CASES if case in methods)
                impossible = any(one != value for one in changed)
                yield Condition(sources[0], column, value, sources[1], part, impossible)


def _place(frame: pd.DataFrame, condition: Condition) -> Place | None:
    """Where the value is; None where the column holds it as the condition has it."""
    column, value = frame[condition.column], condition.value
    here, kind = _values(column), kind_of(column)
    if kind == "number":
        if same := [one for one in here if _is_number(value, one)]:
            return Place(condition.column, same[:1], True)
    elif not condition.impossible and any(
        value == one or (condition.part and isinstance(one, str) and value in one) for one in here
    ):
        return None
    own = {condition.column: here} if kind == "text" else {}
    texts = own | {name: _values(frame[name]) for name in _others(frame, condition.column)}
    wanted = _folded(value)
    for name, values in texts.items():
        if same := [one for one in values if _folded(one) == wanted]:
            return Place(name, same, name == condition.column)
    for name, values in texts.items() if len(wanted) >= SHORTEST else ():
        if within := [one for one in values if wanted in _folded(one)]:
            words = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
            return Place(name, within, name == condition.column and bool(words.search(_folded(within[0]))))
    folded = {_folded(one): one for values in own.values() for one in values[:MOST_COMPARED]}
    near = difflib.get_close_matches(wanted, folded, n=1, cutoff=ALIKE)
    return Place(condition.column, [folded[near[0]]], True) if near else Place("", [], False)


def _others(frame: pd.DataFrame, column: str) -> Iterator[str]:
    """The other columns of text."""
    names = list(frame.columns[:MOST_COLUMNS])
    for name in names:
        unlike = name != column and isinstance(name, str) and names.count(name) == 1
        if unlike and kind_of(frame[name]) == "text":
            yield name


def _values(column: pd.Series) -> list:
    try:
        return list(column.dropna().unique()[:MOST_VALUES])
    except TypeError:  # cells that hold lists
        return []


def _instead(condition: Condition, place: Place, frame: pd.DataFrame) -> str:
    """The condition as it finds something."""
    column, first = f"{condition.table}[{place.column!r}]", place.values[0]
    if kind_of(frame[place.column]) == "number":
        return f"{column} == {_shown(first)}"
    whole = place.spelt or _folded(first) == _folded(condition.value)
    if len(place.values) == 1 and whole:
        return f"{column} == {first!r}"
    return f"{column}.str.contains({condition.value!r}, case=False, regex=False)"


def _shown(value: object) -> str:
    """As code would have it."""
    if isinstance(value, str):
        return repr(cut_middle(value, SHOWN_CHARS))
    return str(int(value)) if float(value).is_integer() else str(value)


def _folded(value: object) -> str:
    return " ".join(str(value).casefold().split())


def _is_number(text: str, value: object) -> bool:
    try:
        return float(text) == float(value)
    except (TypeError, ValueError):
        return False
