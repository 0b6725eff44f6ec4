"""Which texts and numbers of a piece of code can come out of it as they are, and do they give the answer?

    free_constants(ast.parse("print('Oslo' if len(df) else '')"), {})    -> "Oslo", ""
    free_constants(ast.parse("print(df[df.city == 'Oslo'].a.sum())"), {})  -> nothing
    states(["Oslo", ""], "Oslo", "Which city?")                          -> True

Code that answers a question from data has no need to spell the answer out. What selects data is no spelling
out: subscripts, comparisons, arguments of a table's methods. Some honest answers are refused (`n = 5`, and
the answer is 5), which costs a model one more step; a guess that is put together by arithmetic is not seen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterable, Iterator, Mapping

from agent import answers

# Stands for what cannot be followed: it may be any text.
ANYTHING = "\0"

READERS = {
    "ExcelFile", "open", "read_csv", "read_excel", "read_json", "read_parquet", "read_table", "read_text",
}  # fmt: skip
QUERIES = {"sql", "query", "execute"}
PRINTS = {"print", "display"}
# Numbers that honest arithmetic is full of.
_COMMON = {0, 1, 10, 100, 1000}
_SELECTING = {"range", "round", "inspect_source", *READERS}
# Methods of variables whose arguments become values; those of all others select.
_PASSING = {
    "add", "add_prefix", "add_suffix", "agg", "aggregate", "append", "apply", "applymap", "assign",
    "case_when", "cat", "center", "combine_first", "eval", "extend", "fill", "fillna", "format", "get",
    "insert", "join", "ljust", "map", "mask", "pipe", "put", "radd", "rename", "rename_axis", "replace",
    "rjust", "set_axis", "setdefault", "strftime", "transform", "translate", "update", "where",
}  # fmt: skip
_PASSING_KEYWORDS = {"fill_value", "labels", "margins_name", "na_rep", "name", "names", "other", "value"}
# With these, code can say anything without its being seen.
_OPAQUE_NAMES = {
    "exec", "eval", "compile", "chr", "bytes", "bytearray", "globals", "locals", "vars", "dir", "getattr",
    "setattr", "__import__", "__builtins__",
}  # fmt: skip
_OPAQUE_ATTRIBUTES = {"stdout", "stderr", "write", "writelines", "fromhex", "b64decode", "getsource", *PRINTS}
_SELECT_LIST = re.compile(r"\bselect\b(.*?)(?:\bfrom\b|$)|\b(?:values|unnest)\b(.*)", re.I | re.S)
_SQL_CONSTANT = re.compile(r"'([^']*)'|\b(\d+(?:\.\d+)?)\b")


def free_constants(node: ast.AST, held: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Texts, numbers and truth values of the code that can reach its output as they are, as text, in order.

    Args:
        held: For each variable what its value has of them. Other names are functions and modules.
    """
    match node:
        case ast.Name(id, ctx=ast.Load()):
            yield from (ANYTHING,) if id in _OPAQUE_NAMES | PRINTS else held.get(id, ())
        case ast.Constant(value):
            yield from _constant(value)
        case ast.Compare() | ast.MatchValue():
            return
        case ast.While(body=body, orelse=orelse):
            yield from _each([*body, *orelse], held)
        case ast.Subscript(value, place, ast.Store()):  # `t['Rex'] = 1` puts a text into the table
            yield from _each([value, place], held)
        case ast.Subscript(value):
            yield from free_constants(value, held)
        case ast.Attribute(value, name):
            opaque = name in _OPAQUE_ATTRIBUTES or name.startswith("__")
            yield from (ANYTHING,) if opaque else free_constants(value, held)
        case ast.keyword(value=ast.Constant(bool())):  # a switch, as in reverse=True
            return
        case ast.keyword(name, value):
            yield from (name,) if name else ()
            yield from free_constants(value, held)
        case ast.Call():
            yield from _call_constants(node, held)
        case _:
            yield from _each(ast.iter_child_nodes(node), held)


def _each(nodes: Iterable[ast.AST], held: Mapping[str, Iterable[str]]) -> Iterator[str]:
    for node in nodes:
        yield from free_constants(node, held)


def _constant(value: object) -> Iterator[str]:
    if isinstance(value, bytes):
        yield ANYTHING
    elif isinstance(value, str | bool) or isinstance(value, int | float) and value not in _COMMON:
        yield str(value)


def _call_constants(call: ast.Call, held: Mapping[str, Iterable[str]]) -> Iterator[str]:
    function, given = call.func, [*call.args, *call.keywords]
    if not isinstance(function, ast.Name) or function.id not in PRINTS:
        yield from free_constants(function, held)
    if called(call) in QUERIES:
        queries = " ".join(_each(given, held))
        for selected in _SELECT_LIST.findall(queries):
            yield from ("".join(constant) for constant in _SQL_CONSTANT.findall(" ".join(selected)))
    elif isinstance(function, ast.Name):
        yield from () if function.id in _SELECTING else _each(given, held)
    elif not isinstance(function, ast.Attribute) or _is_module(function.value, held):
        yield from () if called(call) in _SELECTING else _each(given, held)
    elif function.attr in _PASSING:
        # The truth value in fillna(False) says what is missing, not what is found.
        yield from _each([part for part in given if not _is_bool(part)], held)
    else:
        yield from _each([part for part in call.keywords if part.arg in _PASSING_KEYWORDS], held)


def called(call: ast.Call) -> str:
    """The last part of the called function's name: `read_csv` for `pd.read_csv(...)`; "" for none."""
    function = call.func
    return getattr(function, "attr", "") or getattr(function, "id", "")


def _is_module(node: ast.expr, variables: Container[str]) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id not in variables


def _is_bool(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bool)


def states(said: Iterable[str], answer: str, question: str) -> bool:
    """Whether every value of the answer is among what the code says, or in the words that this puts together.

    A value that the question names, or a yes or no, is not held against code that also says another such
    value: it chooses between them.
    """
    said = [text for text in said if text.strip()]
    if ANYTHING in said:
        return True
    values = [value for value in _values(answer) if not _has_alternative(value, said, question)]
    return bool(values) and all(_is_stated(value, said) for value in values)


def _values(answer: str) -> list[str]:
    fields = answers.closed_form(answer)
    if fields:
        return list(fields.values())
    value = answers.parse(answer, "list[category]")
    return [str(item) for item in value] if isinstance(value, tuple) else [answer]


def _has_alternative(value: str, said: list[str], question: str) -> bool:
    truth = answers.parse(value, "boolean")
    if truth is not None:
        return any(answers.parse(text, "boolean") is (not truth) for text in said)
    if not answers.find(value, question):
        return False
    named = (text.strip(" \n\t:=,.-") for text in said)
    return any(
        len(text) > 1 and answers.find(text, question) and not answers.find(value, text) for text in named
    )


def _is_stated(value: str, said: list[str]) -> bool:
    if any(answers.find(value, text) for text in said):
        return True
    word = re.sub(r"\s", "", value).casefold()
    joined = re.sub(r"\s", "", "".join(said)).casefold()
    return len(word) >= 3 and word in joined
