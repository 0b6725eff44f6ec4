"""Does the code itself say the answer, in place of computing it?

    states("Oslo", "Which city?", ['print("Oslo" if len(df) else "")'])      -> True
    states("Oslo", "Which city?", ['print(df.loc[df.pop.idxmax(), "city"])'])  -> False

`agent.provenance` follows data and masks what a `print` states literally. That is right for a person's
notebook, where a literal may be chosen by a test on data. A policy that is rewarded for right answers would
soon route its guesses through such a test, so the reward asks one question more: is the answer written in
the code, at a place from where it can come out as it is? What selects data is no such place: subscripts,
comparisons, arguments of a table's methods. A word of the question may be repeated. Some honest answers are
refused (`n = 5`, and the answer is 5); a guess that is spelled out of pieces by arithmetic is not seen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from agent import answers

# Numbers that honest arithmetic is full of.
_COMMON = {0, 1, 10, 100, 1000}
_SELECTING = {"range", "round", "open", "inspect_source"}
_MODULES = {"pd", "np", "pandas", "numpy", "os", "sys"}
# Methods of tables and texts whose arguments become values; those of all others select.
_PASSING = {"append", "apply", "assign", "extend", "fillna", "format", "get", "insert", "join", "map", "mask",
            "replace", "setdefault", "update", "where"}  # fmt: skip
# With these, code can say anything without its being seen.
_OPAQUE_NAMES = {"exec", "eval", "compile", "chr", "bytes", "bytearray", "globals", "locals", "__import__"}
_OPAQUE_ATTRIBUTES = {"stdout", "stderr", "write", "writelines", "fromhex", "b64decode", "__dict__"}
_SELECT_LIST = re.compile(r"\bselect\b(.*?)(?:\bfrom\b|$)", re.I | re.S)
_SQL_CONSTANT = re.compile(r"'([^']*)'|\b(\d+(?:\.\d+)?)\b")


def states(answer: str, question: str, codes: Sequence[str]) -> bool:
    """Whether the codes, or the words they put together, hold every value of the answer.

    Args:
        codes: The steps up to the one whose output holds the answer. One that does not parse states nothing;
            one that is nested too deeply to look through might state anything.

    A yes or no is never stated in this sense: it is too short to tell a guess from a result.
    """
    if answers.parse(answer, "boolean") is not None:
        return False
    trees = [tree for code in codes if (tree := _parsed(code))]
    if any(_is_opaque(node) for tree in trees for node in ast.walk(tree)):
        return True
    try:
        constants = [constant for tree in trees for constant in _free_constants(tree)]
    except RecursionError:
        return True
    items = [item for item in _values(answer) if not answers.find(item, question)]
    return bool(items) and all(_is_stated(item, constants) for item in items)


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _values(answer: str) -> list[str]:
    fields = answers.closed_form(answer)
    if fields:
        return list(fields.values())
    value = answers.parse(answer, "list[category]")
    return [str(item) for item in value] if isinstance(value, tuple) else [answer]


def _is_opaque(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _OPAQUE_NAMES
    return isinstance(node, ast.Attribute) and node.attr in _OPAQUE_ATTRIBUTES


def _is_stated(item: str, constants: list[str]) -> bool:
    if any(answers.find(item, constant) for constant in constants):
        return True
    word = re.sub(r"\s", "", item).casefold()
    joined = re.sub(r"\s", "", "".join(constants)).casefold()
    return len(word) >= 3 and word in joined


def _free_constants(node: ast.AST) -> Iterator[str]:
    """Texts and numbers of the code that can reach the output as they are, in their order, as text."""
    match node:
        case ast.Constant(value=str() as text):
            yield text
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if number not in _COMMON:
                yield str(number)
        case ast.Compare():
            return
        case ast.Subscript(value=value):
            yield from _free_constants(value)
        case ast.Call(func=ast.Name("sql"), args=[ast.Constant(value=str() as query), *_]):
            for selected in _SELECT_LIST.findall(query):
                yield from ("".join(constant) for constant in _SQL_CONSTANT.findall(selected))
        case ast.Call(func=function) if _selects(function):
            yield from _free_constants(function)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _free_constants(child)


def _selects(function: ast.expr) -> bool:
    """Whether a call's arguments say which data is meant, rather than being passed on."""
    match function:
        case ast.Name(name):
            return name in _SELECTING
        case ast.Attribute(value=ast.Name(owner)) if owner in _MODULES:
            return False
        case ast.Attribute(attr=method):
            return method not in _PASSING
    return False
