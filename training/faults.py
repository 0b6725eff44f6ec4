"""Realistic faults in code that is right, so that a model can learn to read errors and mend them.

    faulty("print((df['a'] > 1).any())", tables, random.Random(0))
    -> {"print closed early": "print(df['a'] > 1).any())", …}

A fault changes one thing, as small models do: a column's name that is almost right, comparisons joined by &
without parentheses, a parenthesis that closes `print` too early. Only code is changed here; whether it fails
for real, and what the model is then told, is the sandbox's and the episode's to say (`rollouts.play`).
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable, Iterator, Sequence

from agent.prompts import number_columns
from sandbox import ColumnProfile, TableProfile

_CLOSERS = ("any", "all", "sum", "mean", "min", "max", "count", "tolist", "idxmax", "idxmin", "nunique")
_NUMERIC = {"mean", "median", "std", "nlargest", "nsmallest", "corr", "round"}


def almost_right_column(code: str, tables: Sequence[TableProfile], chance: random.Random) -> Iterator[str]:
    """A column's name as one remembers it: without its unit, in other case, a space for an underscore."""
    real = {column.name for column in _columns(tables)}
    for name in _used(code, real):
        slips = [slip for slip in _slips(name) if slip and slip not in real]
        if slips:
            yield _requoted(code, name, chance.choice(slips))


def _slips(name: str) -> list[str]:
    """What a column's name is mistaken for, each once."""
    words = name.split()
    slips = [
        re.sub(r"\s*[(\[].*?[)\]]\s*$", "", name),
        name.replace("_", " "),
        name.replace(" ", "_"),
        name.lower(),
        name.title(),
        name[:-1] if name.endswith("s") else f"{name}s" if name[-1:].isalpha() else "",
        " ".join(words[:-1]) if len(words) > 1 else "",
        re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name),
    ]
    return [slip for slip in dict.fromkeys(slips) if slip != name]


def precedence(code: str, tables: Sequence[TableProfile], chance: random.Random) -> Iterator[str]:
    """`(a > 1) & (b < 2)` without its parentheses."""
    for node in _nodes(code, ast.BinOp):
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            sides, sign = (node.left, node.right), " & " if isinstance(node.op, ast.BitAnd) else " | "
            if any(isinstance(side, ast.Compare) for side in sides):
                yield _replaced(code, node, sign.join(_segment(code, side) for side in sides))


def print_closed_early(code: str, tables: Sequence[TableProfile], chance: random.Random) -> Iterator[str]:
    """`print((a == b).any())` as `print(a == b).any())`, and `print(x.sum())` as `print(x).sum()`."""
    for node in _nodes(code, ast.Call):
        if not (isinstance(node.func, ast.Name) and node.func.id == "print" and len(node.args) == 1):
            continue
        last = node.args[0]
        if isinstance(last, ast.Call) and isinstance(last.func, ast.Attribute) and last.func.attr in _CLOSERS:
            inner = _segment(code, last.func.value)
            tail = _segment(code, last)[len(_segment(code, last.func.value)) :].lstrip(")")
            extra = ")" if isinstance(last.func.value, ast.Compare | ast.BinOp) else ""
            yield _replaced(code, node, f"print({inner}){tail[tail.index('.') :]}{extra}")


def number_of_text(code: str, tables: Sequence[TableProfile], chance: random.Random) -> Iterator[str]:
    """A number's method on a column of text: the mean of a category."""
    texts = [column.name for column in _columns(tables) if column.kind == "text"]
    numbers = {column.name for column in _columns(tables) if column.kind == "number"}
    for node in _nodes(code, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in _NUMERIC and texts:
            for name in _used(_segment(code, node), numbers):
                changed = _requoted(_segment(code, node), name, chance.choice(texts))
                yield _replaced(code, node, changed)


def text_for_number(code: str, tables: Sequence[TableProfile], chance: random.Random) -> Iterator[str]:
    """An amount as text, where its numbers stand in another column: `df['Price'].mean()`."""
    numbers = number_columns(tables)
    for name in _used(code, set(numbers.values())):
        yield _requoted(code, name, name.removesuffix(" (number)"))


def not_converted(code: str, tables: Sequence[TableProfile], chance: random.Random) -> Iterator[str]:
    """A date or an amount left as text: without `pd.to_datetime`, `pd.to_numeric`, `.astype(float)`."""
    for node in _nodes(code, ast.Call):
        function = node.func
        if not isinstance(function, ast.Attribute):
            continue
        if function.attr in ("to_datetime", "to_numeric") and node.args:
            yield _replaced(code, node, _segment(code, node.args[0]))
        elif function.attr == "astype":
            yield _replaced(code, node, _segment(code, _unconverted(function.value)))


def _unconverted(node: ast.expr) -> ast.expr:
    """The column behind `.str.replace(…)` and its like."""
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Attribute) and node.attr not in ("str", "replace", "strip", "extract"):
            break
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def wrong_dtype(code: str, tables: Sequence[TableProfile], chance: random.Random) -> Iterator[str]:
    """A number compared as text, or text as a number: `df['Year'] > '1990'`."""
    for node in _nodes(code, ast.Compare):
        value = node.comparators[0]
        if len(node.comparators) > 1 or not isinstance(value, ast.Constant) or isinstance(value.value, bool):
            continue
        if isinstance(value.value, int | float):
            yield _replaced(code, value, repr(str(value.value)))
        elif isinstance(value.value, str) and re.fullmatch(r"\d+(\.\d+)?", value.value):
            yield _replaced(code, value, value.value)


def missing_import(code: str, tables: Sequence[TableProfile], chance: random.Random) -> Iterator[str]:
    """Without a line that imports something."""
    lines = code.split("\n")
    for number, line in enumerate(lines):
        if re.match(r"\s*(?:import|from)\s+\w", line) and len(lines) > 1:
            yield "\n".join([*lines[:number], *lines[number + 1 :]])


def wrong_case(code: str, tables: Sequence[TableProfile], chance: random.Random) -> Iterator[str]:
    """A value in another case than the column has it: nothing is found."""
    real = {column.name for column in _columns(tables)}
    for node in _nodes(code, ast.Compare):
        value = node.comparators[0]
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value not in real:
            others = {value.value.lower(), value.value.upper(), value.value.title()} - {value.value}
            if others:
                yield _replaced(code, value, repr(chance.choice(sorted(others))))


Fault = Callable[[str, Sequence[TableProfile], random.Random], Iterator[str]]
KINDS: dict[str, Fault] = {
    make.__name__.replace("_", " "): make
    for make in (
        almost_right_column,
        precedence,
        print_closed_early,
        number_of_text,
        text_for_number,
        not_converted,
        wrong_dtype,
        missing_import,
        wrong_case,
    )
}


def faulty(
    code: str, tables: Sequence[TableProfile], chance: random.Random, kinds: Sequence[str] = tuple(KINDS)
) -> dict[str, str]:
    """One faulty version of the code for each kind of fault that it has room for.

    Args:
        code: Code that is right.
        tables: The profiles of the tables that it runs on.
        chance: Chooses where and how.
    """
    made = {}
    for kind in kinds:
        versions = [version for version in KINDS[kind](code, tables, chance) if version != code]
        if versions:
            made[kind] = chance.choice(versions)
    return made


# Reading and changing code, its layout kept


def _nodes(code: str, kind: type) -> Iterator:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return
    yield from (node for node in ast.walk(tree) if isinstance(node, kind))


def _columns(tables: Sequence[TableProfile]) -> list[ColumnProfile]:
    return [column for table in tables for column in table.columns]


def _used(code: str, names: set[str]) -> list[str]:
    """Which of the names stand in the code as texts, in the order of their first use."""
    texts = [node.value for node in _nodes(code, ast.Constant) if isinstance(node.value, str)]
    return [text for text in dict.fromkeys(texts) if text in names]


def _requoted(code: str, name: str, other: str) -> str:
    """The code with another text for one of its texts."""
    return re.sub(rf"(['\"]){re.escape(name)}\1", lambda _: repr(other), code)


def _segment(code: str, node: ast.AST) -> str:
    """The node's text, without parentheses around it."""
    return ast.get_source_segment(code, node) or ""


def _replaced(code: str, node: ast.AST, text: str) -> str:
    """The code with another text for a node's; columns of a syntax tree are counted in bytes."""
    lines = code.encode().split(b"\n")
    before = [*lines[: node.lineno - 1], lines[node.lineno - 1][: node.col_offset]]
    after = [lines[node.end_lineno - 1][node.end_col_offset :], *lines[node.end_lineno :]]
    return (b"\n".join(before) + text.encode() + b"\n".join(after)).decode()
