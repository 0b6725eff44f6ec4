"""Which part of a step's output was computed from the data, and which part did the code merely say?

`print("North")` puts North into real output without looking at a single row, and `df = pd.DataFrame({…})`
answers a question about a table that the model made up. Both would let a guess pass as evidence. So the
source of each step is followed, statement by statement, for what depends on the loaded data (a forward
taint analysis, kept across the steps of an episode), and text that a `print` states literally is masked
before an answer is looked for:

    provenance = Provenance(["df", "tables"])
    provenance.evidence('print("Best:", df.city.max())', "Best: Oslo")   -> "      Oslo"
    provenance.evidence('print("Oslo")', "Oslo")                         -> "    "

It guards against shortcuts, not against an adversary: what it cannot follow (`exec`, attributes set on a
class) counts as not computed, which costs an honest model one more step and never helps a guess.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import NamedTuple

SOURCES = {"sql", "duckdb", "inspect_source", "open"}
READERS = {"ExcelFile", "read_excel", "read_csv", "read_parquet", "read_json", "read_table", "read_text"}
_PRINTS = {"print", "display"}
_MUTATORS = {"append", "extend", "add", "update", "insert", "setdefault", "write"}


class _Flow(NamedTuple):
    """How the data decides whether a statement runs."""

    chosen: bool = False  # inside an `if` or `while` whose test depends on data
    repeated: bool = False  # inside a `for` over data


class Provenance:
    """Follows which names hold data. `evidence` is called once for each step that ran, in order."""

    def __init__(self, tables: Iterable[str]):
        self._data = {*tables, *SOURCES}
        self._constants: dict[str, object] = {}
        self._printers: set[str] = set()
        self._prints: list[list[str | bool]] = []

    def evidence(self, code: str, stdout: str) -> str:
        """`stdout` with everything that the code states literally replaced by spaces, lines kept.

        Empty when nothing that was printed depends on the data. Code that does not parse gives "".
        """
        self._prints = []
        try:
            body = ast.parse(code).body
            for statement in body:
                self._statement(statement, _Flow())
            if body and isinstance(body[-1], ast.Expr) and not _is_print(body[-1].value):
                self._prints.append([self._depends(body[-1].value)])  # shown as a notebook shows it
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ""
        if not any(part is True for parts in self._prints for part in parts):
            return ""
        return _mask(stdout, self._prints)

    # Statements: who holds data afterwards, and what is printed on the way.

    def _statement(self, node: ast.stmt, flow: _Flow) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                self._bind(targets, value, flow)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self._bind([target], value, flow)
            case ast.AugAssign(target=target, value=value):
                self._constants.pop(_root(target), None)
                if any(flow) or self._depends(value):
                    self._taint(target)
            case ast.Expr(value=value):
                self._expression(value, flow)
            case ast.For(target=target, iter=source, body=body, orelse=orelse):
                depends = self._depends(source)
                self._bind([target], source, flow)
                self._branches([body, orelse], flow._replace(repeated=flow.repeated or depends))
            case ast.While(test=test, body=body, orelse=orelse) | ast.If(test=test, body=body, orelse=orelse):
                chosen = flow.chosen or self._depends(test)
                self._branches([body, orelse], flow._replace(chosen=chosen))
            case ast.With(items=items, body=body):
                for item in items:
                    if item.optional_vars is not None:
                        self._bind([item.optional_vars], item.context_expr, flow)
                self._branches([body], flow)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                self._branches([body, *(h.body for h in handlers), orelse, final], flow)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                self._constants.pop(name, None)
                (self._data.add if self._depends(node) else self._data.discard)(name)
                if any(_is_print(child) for child in ast.walk(node)):
                    self._printers.add(name)

    def _branches(self, bodies: list[list[ast.stmt]], flow: _Flow) -> None:
        """Goes through each branch; a name holds data afterwards if any branch, or none, made it so."""
        before, after = set(self._data), set()
        for body in bodies:
            self._data = set(before)
            for statement in body:
                self._statement(statement, flow)
            after |= self._data
        self._data = after

    def _bind(self, targets: list[ast.expr], value: ast.expr, flow: _Flow) -> None:
        depends = any(flow) or self._depends(value)
        for target in targets:
            for name in _names(target):
                self._constants.pop(name, None)
                self._data.discard(name)
            if depends:
                self._taint(target)
            elif isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                self._constants[target.id] = value.value

    def _taint(self, target: ast.expr) -> None:
        for name in _names(target) or [_root(target)]:
            self._data.add(name)
            self._constants.pop(name, None)

    def _expression(self, value: ast.expr, flow: _Flow) -> None:
        if _is_print(value):
            self._prints.append([True] if flow.chosen else self._template(value))
            return
        for node in ast.walk(value):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
                if any(flow) or any(self._depends(argument) for argument in node.args):
                    self._taint(node.func.value)
            elif isinstance(node.func, ast.Name) and node.func.id in {*self._printers, *_PRINTS}:
                self._prints.append([flow.chosen or self._depends(value)])

    def _depends(self, node: ast.AST) -> bool:
        return any(
            (isinstance(child, ast.Name) and child.id in self._data)
            or (isinstance(child, ast.Attribute) and child.attr in READERS)
            for child in ast.walk(node)
        )

    # What a print says: text that stands in the code, True for data, False for what cannot be told.

    def _template(self, call: ast.Call) -> list[str | bool]:
        separator = next((k.value for k in call.keywords if k.arg == "sep"), ast.Constant(" "))
        parts: list[str | bool] = []
        for index, argument in enumerate(call.args):
            if index:
                parts.append(self._text(separator))
            pieces = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
            parts += [self._text(piece) for piece in pieces]
        return parts

    def _text(self, node: ast.expr) -> str | bool:
        if isinstance(node, ast.FormattedValue):
            node = node.value
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.Name) and node.id in self._constants:
            return str(self._constants[node.id])
        return self._depends(node)


def _is_print(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _PRINTS


def _names(target: ast.expr) -> list[str]:
    """The names that an assignment target binds: `a, (b, c)` gives a, b, c; `a[0]` none."""
    return [n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _root(node: ast.expr) -> str:
    """The variable behind `a[0].b`: a."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _mask(stdout: str, prints: list[list[str | bool]]) -> str:
    patterns = [
        re.compile("".join(f"({re.escape(part)})" if isinstance(part, str) else ".*" for part in line))
        for parts in prints
        for line in _lines(parts)
    ]
    return "\n".join(_mask_line(line, patterns) for line in stdout.split("\n"))


def _lines(parts: list[str | bool]) -> list[list[str | bool]]:
    """The template cut at its own line ends, as lists of parts; lines without literal text are left out."""
    lines: list[list[str | bool]] = [[]]
    for part in parts:
        first, *others = part.split("\n") if isinstance(part, str) else [part]
        lines[-1].append(first)
        lines += [[text] for text in others]
    return [line for line in lines if any(isinstance(part, str) and part.strip() for part in line)]


def _mask_line(line: str, patterns: list[re.Pattern]) -> str:
    for pattern in patterns:
        if match := pattern.fullmatch(line):
            for index in range(1, pattern.groups + 1):
                start, end = match.span(index)
                line = line[:start] + " " * (end - start) + line[end:]
            return line
    return line
