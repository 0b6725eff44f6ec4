"""Where the values stand that code looked for and did not find, inside the child.

    where("print(df[df['Album'] == 'hard woman'])", tables)
    -> [Sought("hard woman", "Album", "Title", ("'Hard Woman'",), False, "df['Album'] == 'hard woman'", …)]

When no row meets a condition, its value is most often spelt otherwise in the data, or in another column.
"""

import ast
import difflib
import re
from collections.abc import Iterator, Sequence

import pandas as pd

from sandbox.display import cut_middle
from sandbox.profiles import kind_of
from sandbox.records import ExecutionError, Sought
from sandbox.tables import Table

MOST_ROWS, MOST_COLUMNS, MOST_VALUES = 200_000, 60, 20_000  # of a table that is searched
MOST_CONDITIONS, MOST_SHOWN = 6, 3
SHORTEST = 3  # letters of a value that is looked for within others
ALIKE = 0.85
VALUE_CHARS = 60
# What is printed when nothing was found, and what may as well be a true answer.
_NOTHING = re.compile(r"\s*(?:\[\]|\(\)|nan|<NA>|NaT|None|Series\(\[\].*|Empty DataFrame.*)?\s*", re.S)
_NONE_OF_IT = re.compile(r"\s*(?:0|0\.0|False)\s*")


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
    for table_code, column, value, written in list(_conditions(code))[:MOST_CONDITIONS]:
        for table in tables:
            frame = table.frame
            if list(frame.columns).count(column) != 1 or len(frame) > MOST_ROWS:
                continue
            if found := _found(frame, column, value):
                other, values, spelt = found
                instead = _condition(table_code, other, value, values, spelt, frame)
                shown = tuple(_shown(one) for one in values[:MOST_SHOWN])
                yield Sought(value, column, other, shown, spelt, written, instead)
                break


def _conditions(code: str) -> Iterator[tuple[str, str, str, str]]:
    """Table, column and text of `df['a'] == 'b'` and `df['a'].str.contains('b')`, and its source."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
            left, right = node.left, node.comparators[0]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            if node.func.attr not in ("contains", "startswith", "endswith", "match"):
                continue
            left, right = node.func.value, node.args[0]
        else:
            continue
        while isinstance(left, ast.Call | ast.Attribute):  # .str.lower()
            left = left.func if isinstance(left, ast.Call) else left.value
        if not isinstance(left, ast.Subscript) or not isinstance(left.slice, ast.Constant):
            continue
        if isinstance(right, ast.Constant) and isinstance(right.value, str) and right.value.strip():
            table, written = (ast.get_source_segment(code, part) for part in (left.value, node))
            if table and written and isinstance(left.slice.value, str):
                yield table, left.slice.value, right.value, written


def _found(frame: pd.DataFrame, column: str, value: str) -> tuple[str, list, bool] | None:
    """The column that holds the value, as it stands there, and whether it is that column, spelt otherwise.

    None where the very value is in the column, or nowhere at all.
    """
    here = _values(frame[column])
    if kind_of(frame[column]) == "number":
        same = [one for one in here if _is_number(value, one)]
        if same:
            return column, same[:1], True
    elif value in set(here):
        return None
    if kind_of(frame[column]) == "text" and (same := [one for one in here if _fold(one) == _fold(value)]):
        return column, same, True
    others = [name for name in frame.columns[:MOST_COLUMNS] if name != column and isinstance(name, str)]
    others = [
        name for name in others if list(frame.columns).count(name) == 1 and kind_of(frame[name]) == "text"
    ]
    held = {name: _values(frame[name]) for name in others}
    for name, values in held.items():
        if same := [one for one in values if _fold(one) == _fold(value)]:
            return name, same, False
    if len(value.strip()) >= SHORTEST:
        texts = {column: here} if kind_of(frame[column]) == "text" else {}
        for name, values in (texts | held).items():
            if within := [one for one in values if _fold(value) in _fold(one)]:
                return name, within, False
    if kind_of(frame[column]) == "text":
        folded = {_fold(one): one for one in reversed(here)}
        if near := difflib.get_close_matches(_fold(value), folded, n=1, cutoff=ALIKE):
            return column, [folded[near[0]]], True
    return None


def _values(column: pd.Series) -> list:
    try:
        return list(column.dropna().unique()[:MOST_VALUES])
    except TypeError:  # cells that hold lists
        return []


def _shown(value: object) -> str:
    """As code would have it."""
    return repr(cut_middle(value, VALUE_CHARS)) if isinstance(value, str) else str(value)


def _fold(value: object) -> str:
    return " ".join(str(value).casefold().split())


def _is_number(text: str, value: object) -> bool:
    try:
        return float(text) == float(value)
    except (TypeError, ValueError):
        return False


def _condition(table: str, column: str, value: str, values: list, spelt: bool, frame: pd.DataFrame) -> str:
    """The condition as it finds something."""
    where = f"{table}[{column!r}]"
    if kind_of(frame[column]) == "number":
        number = float(values[0])
        return f"{where} == {int(number) if number.is_integer() else number}"
    if len(values) == 1 and (spelt or _fold(values[0]) == _fold(value)):
        return f"{where} == {values[0]!r}"
    return f"{where}.str.contains({value!r}, case=False, regex=False)"
