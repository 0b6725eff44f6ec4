"""What code did that ran without an error and was most likely not meant: a model is told of it, too.

silent_slip(session.run("print('Rex' in df['Name'])"), [], tables)      # "`in` looks at …"
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Collection, Sequence

from agent.prompts import clip_characters, number_columns
from sandbox import Execution, Sought, TableProfile

CONTAINS = "Use df[column].str.contains(text, case=False, regex=False)"


def silent_slip(execution: Execution, before: Sequence[Execution], tables: Sequence[TableProfile]) -> str:
    """What a step that ran without error most likely did not mean; "" if nothing is known against it."""
    if told := not_found(execution.sought):
        return told
    if re.match(r"Series\(\[\]|Empty DataFrame", execution.stdout):
        return "No row meets the condition. Look at the values that the column really has."
    names = {"df", *(table.name for table in tables)}
    tree = parsed(execution.code) or ast.Module([], [])
    if with_numbers := number_columns(tables):
        assigned = set().union(_assigned(tree), *(_assigned(parsed(one.code)) for one in before))
        for name in sorted((_computed_with(tree) - assigned) & with_numbers.keys()):
            return f"{name!r} is text, and was treated as text. Its numbers are in {with_numbers[name]!r}."
    if told := _asked_of_every_column(tree, names):
        return told
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.In | ast.NotIn):
            continue
        if _is_column(node.comparators[0], names):
            return f"`in` looks at a column's row labels, not at its values. {CONTAINS}.any()"
    return ""


def _asked_of_every_column(tree: ast.AST, tables: set[str]) -> str:
    """What to write instead of `df[df['a'] > 1].any()`, which is one answer for each column."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Subscript(
                        value=ast.Name(id=name), slice=ast.Compare() | ast.BinOp() as condition
                    ),
                    attr="any" | "all" as asked,
                ),
                args=[],
                keywords=[],
            ) if name in tables:
                told = clip_characters(f"print(({ast.unparse(condition)}).{asked}())", _TOLD_CHARACTERS)
                return f"This is .{asked}() of each column. Of the condition it is: {told}"
    return ""


_MOST_TOLD, _TOLD_CHARACTERS = 2, 200


def not_found(sought: Sequence[Sought]) -> str:
    """What conditions looked for in vain, where it is, and what to write instead; "" if nothing."""
    told = []
    for one in sought[:_MOST_TOLD]:
        if not one.values:
            told.append(f"No row meets the condition: no column has {one.value!r}.")
            continue
        values = clip_characters(", ".join(one.values), _TOLD_CHARACTERS)
        where = "it has" if one.spelt else f"{one.other!r} has"
        told.append(
            f"{one.column!r} has no {one.value!r}, {where} {values}. "
            f"Instead of {clip_characters(one.written, _TOLD_CHARACTERS)} write "
            f"{clip_characters(one.instead, _TOLD_CHARACTERS)}."
        )
    return " ".join(told)


# What text gives a result for, but seldom one that was meant: the sum of '$1' and '$2' is '$1$2'.
_OF_NUMBERS = {"max", "min", "sum", "idxmax", "idxmin", "cumsum", "cummax", "cummin", "rank"}

# What makes something else of text: numbers, counts, yes or no.
_NO_LONGER_TEXT = {"str", "astype", "map", "apply", "transform", "eq", "ne", "isin", "isna", "notna"}
_NO_LONGER_TEXT |= {"isnull", "notnull", "duplicated", "value_counts", "nunique", "count", "size"}


def _computed_with(tree: ast.AST) -> set[str]:
    """The columns whose values are ordered or added up: `'a'` in `df.groupby('b')['a'].sum().idxmax()`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr == "sort_values":
            keys = itertools.chain.from_iterable(map(ast.walk, [*node.args, *node.keywords]))
            found |= {key.value for key in keys if isinstance(key, ast.Constant)}
        elif isinstance(node.func, ast.Attribute) and node.func.attr in _OF_NUMBERS:
            found.add(_selected(node.func.value))
        elif isinstance(node.func, ast.Name) and node.func.id in ("max", "min", "sorted") and node.args:
            found.add(_selected(node.args[0]))
    return found


def _selected(node: ast.expr) -> str:
    """The column that `df[…].groupby('b')['a'].sum()` works on; "" if it is none, or is converted."""
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Attribute) and node.attr in _NO_LONGER_TEXT:
            return ""
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Subscript) and isinstance(key := _key(node), ast.Constant):
        return key.value if isinstance(key.value, str) else ""
    return ""


def _key(node: ast.Subscript) -> ast.expr:
    """The column in `df['a']` and in `df.loc[rows, 'a']`."""
    return node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice


def _assigned(tree: ast.AST | None) -> set[str]:
    """The columns that code sets: `df['a'] = …`."""
    targets = (
        target
        for node in ast.walk(tree or ast.Module([], []))
        if isinstance(node, ast.Assign)
        for target in node.targets
    )
    keys = (_key(target) for target in targets if isinstance(target, ast.Subscript))
    return {key.value for key in keys if isinstance(key, ast.Constant)}


def _is_column(node: ast.expr, tables: set[str]) -> bool:
    """Whether an expression such as `df['a'].str.lower()` or `df[df['b'] > 1]['a']` is a table's column."""
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Attribute) and node.attr not in ("str", "lower", "upper", "strip", "astype"):
            return False
        node = node.func if isinstance(node, ast.Call) else node.value
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Constant):
        return False
    table = node.value
    while isinstance(table, ast.Subscript) and not isinstance(table.slice, ast.Constant):
        table = table.value
    return isinstance(table, ast.Name) and table.id in tables


_SHOWING = ("head", "tail", "sample", "to_string")


def only_looks(code: str, tables: Collection[str]) -> bool:
    """Whether code only shows rows or columns of a table: `print(df[["a", "b"]].head().to_string())`.

    Args:
        tables: Their names in Python, those left out to which other code has given something else.
    """
    tree = parsed(code)
    if not tree or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return False
    node = tree.body[0].value
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "print" and len(node.args) == 1:
        node = node.args[0]
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SHOWING:
        node = node.func.value
    if isinstance(node, ast.Subscript):
        names = node.slice.elts if isinstance(node.slice, ast.List) else [node.slice]
        node = node.value if all(isinstance(name, ast.Constant) for name in names) else node
    return isinstance(node, ast.Name) and node.id in tables


def bound(code: str) -> set[str]:
    """The names to which code gives something."""
    tree = parsed(code)
    names = (node for node in ast.walk(tree or ast.Module([], [])) if isinstance(node, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def parsed(code: str) -> ast.Module | None:
    """The syntax tree; None of what is no Python."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError):
        return None
