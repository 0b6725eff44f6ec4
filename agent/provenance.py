"""Which part of a step's output was computed from the data, and which part did the code merely say?

`print("North")` puts North into real output without looking at a single row, and `df = pd.DataFrame({…})`
answers a question about a table that the model made up. Both would let a guess pass as evidence. So the
source of each step is followed, statement by statement, for what depends on the loaded data (a forward
taint analysis, kept across the steps of an episode). Text that a `print` states literally is masked in the
output, and an answer that the code spells out elsewhere is refused (`agent.literals`):

    provenance = Provenance({"sales": "sales.csv"})
    output = provenance.output(session.run('print("Best:", df.city.max())'))
    output.text                                 -> "      Oslo"
    output.find("Oslo", "Which city is best?")  -> [Match(line=0, start=6, end=10)]

It guards against shortcuts: what it cannot follow (`exec`, a file of the code's own) counts as not computed,
which costs an honest model one more step and never helps a guess. What it cannot tell from an honest result
is a guess behind a test on data that always holds, where the code names the other choice too, and a number
that is put together by arithmetic with data.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import NamedTuple

from agent import answers
from agent.literals import ANYTHING, PRINTS, QUERIES, READERS, called, free_constants, states
from agent.masks import DATA, UNKNOWN, Part, mask
from sandbox import Execution

# After these errors a fresh process has the tables, but none of the variables of earlier steps.
STATE_LOST = {"Timeout", "MemoryLimit", "DiskLimit", "Crashed", "Stopped"}
_MUTATORS = {"append", "extend", "add", "update", "insert", "setdefault", "write"}
_REBINDING = {"exec", "globals", "locals", "vars"}
_WRITES = re.compile(r"to_|write|copy|move|rename|replace|link")
_PLACEHOLDER = re.compile(r"%[-+ #0-9.]*[a-zA-Z]|\{[^{}]*\}")
_LONGEST_FOLD = 1000  # characters of `"=" * n` that are worked out


@dataclass(frozen=True)
class Output:
    """What a step printed: `text` with what the code states literally replaced by spaces, lines kept ("" when
    nothing depends on the data), and what else the code could have `said` in it."""

    text: str = ""
    said: tuple[str, ...] = ()

    def find(self, answer: str, question: str) -> list[answers.Match]:
        """Where the answer stands as something computed, [] if it does not; lines as in the step's stdout."""
        matches = answers.find(answer, self.text)
        return [] if matches and states(self.said, answer, question) else matches


def replay(tables: Mapping[str, str], executions: Iterable[Execution]) -> list[Output]:
    """The output of each step of an episode, found again from the stored executions alone."""
    provenance = Provenance(tables)
    return [provenance.output(execution) for execution in executions]


@dataclass(frozen=True)
class _Value:
    """What is known of a variable.

    Attributes:
        data: Whether it depends on the data.
        said: The free constants in it.
        parts: Its text, where it is one.
        prints: Whether it is a function that prints.
    """

    data: bool = False
    said: tuple[str, ...] = ()
    parts: tuple[Part, ...] | None = None
    prints: bool = False


class _Flow(NamedTuple):
    """How the data decides whether a statement runs."""

    chosen: bool = False  # inside an `if` or `while` whose test depends on data
    repeated: bool = False  # inside a `for` over data


def file_of(source: str) -> str:
    """The name of the file that a table's source names: "book.xlsx, sheet A" is from "book.xlsx"."""
    return re.sub(r", (?:sheet|table|part) .*$", "", source, flags=re.S)


class Provenance:
    """Follows which names hold data. `output` is called once for each step that ran, in order.

    Args:
        tables: The names of the session's tables, each with its source ("sales.csv", "book.xlsx, sheet A").
    """

    def __init__(self, tables: Mapping[str, str]):
        self._tables = dict(tables)
        self._prints: list[list[Part]] = []
        self._consumed: set[int] = set()  # constants of the tree that are masked where they are printed
        self._anywhere = False  # a print that does not end its line: text may stand anywhere in one
        self._start()

    def _start(self) -> None:
        self._names = {name: _Value(data=True) for name in ("df", "tables", *self._tables)}
        self._sources = {file_of(source) for source in self._tables.values()}
        self._lost = False  # code ran that could have changed any variable

    def output(self, execution: Execution) -> Output:
        """Follows the step and masks its stdout; an empty Output for a step that failed."""
        before, error = self._names, execution.error
        try:
            output = self._follow(ast.parse(execution.code), execution.stdout)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self._lost = self._lost or not error
            return Output()
        if error and error.kind in STATE_LOST:
            self._start()
        elif error:  # who knows how far it came
            self._names = _merged([before, self._names])
        return Output() if error else output

    def _follow(self, tree: ast.Module, stdout: str) -> Output:
        self._prints, self._consumed, self._anywhere = [], set(), False
        before, self._names = self._names, self._names.copy()
        for statement in tree.body:
            self._statement(statement, _Flow())
        if tree.body and isinstance(shown := tree.body[-1], ast.Expr) and not _is_print(shown.value):
            self._prints.append(self._parts(shown.value, self._consumed))  # shown as a notebook shows it
        # What the step's own assignments hold stands in its tree.
        held = {name: before.get(name, _Value()).said for name in self._names}
        said = self._said(_Unprinted(self._consumed).visit(tree), held)
        if self._lost or not any(part is DATA for parts in self._prints for part in parts):
            return Output()
        text, unseen = mask(stdout, self._prints, self._anywhere)
        return Output(text, (*said, *unseen))

    # Statements: what names hold afterwards, and what is printed on the way.

    def _statement(self, node: ast.stmt, flow: _Flow) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr | ast.withitem):
                self._expression(child, flow)
        match node:
            case ast.Assign(targets=targets, value=value):
                self._bind(targets, value, flow)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self._bind([target], value, flow)
            case ast.AugAssign(target=target, value=value):
                self._add(target, value, flow)
            case ast.For(target=target, iter=source, body=body, orelse=orelse):
                self._bind([target], source, flow, whole=False)
                repeated = flow.repeated or self._depends(source)
                self._branches([body, orelse], flow._replace(repeated=repeated))
            case ast.While(test=test, body=body, orelse=orelse) | ast.If(test=test, body=body, orelse=orelse):
                self._branches([body, orelse], self._choice(test, flow))
            case ast.Match(subject=subject, cases=cases):
                for name in (n for case in cases for n in _captured(case.pattern)):
                    self._bind([ast.Name(name, ast.Store())], subject, flow, whole=False)
                self._branches([[], *(case.body for case in cases)], self._choice(subject, flow))
            case ast.With(items=items, body=body):
                for item in items:
                    if item.optional_vars is not None:
                        self._bind([item.optional_vars], item.context_expr, flow, whole=False)
                self._branches([body], flow)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                self._branches([[*body, *orelse], *(handler.body for handler in handlers)], flow)
                self._branches([final], flow)
            case ast.FunctionDef():
                self._function(node)
            case ast.ClassDef(name=name):
                self._names[name] = replace(self._value(node), prints=_prints(node))

    def _choice(self, test: ast.expr, flow: _Flow) -> _Flow:
        return flow._replace(chosen=flow.chosen or self._depends(test))

    def _branches(self, bodies: list[list[ast.stmt]], flow: _Flow) -> None:
        """Goes through each branch; afterwards a name may hold what any of them gave it."""
        before, ends = self._names, []
        for body in bodies:
            self._names = before.copy()
            for statement in body:
                self._statement(statement, flow)
            ends.append(self._names)
        self._names = _merged(ends)

    def _function(self, node: ast.FunctionDef) -> None:
        """Reads a function's body where it is defined: what is global in it stays, its own names do not."""
        before, printed = self._names.copy(), len(self._prints)
        arguments = {n.arg for n in ast.walk(node.args) if isinstance(n, ast.arg)}
        self._names |= dict.fromkeys(arguments, _Value(data=True, parts=(UNKNOWN,)))
        for statement in node.body:
            self._statement(statement, _Flow())
        declared = {name for n in ast.walk(node) if isinstance(n, ast.Global) for name in n.names}
        changed = {name: value for name, value in self._names.items() if name in declared}
        own = arguments | set(_stored(node)) - declared
        self._names = {name: value for name, value in before.items() if name not in own} | changed
        value = replace(self._value(node), prints=_prints(node))
        self._names = {**before, **changed, node.name: value}
        # What it prints is proof only where it is called.
        self._prints[printed:] = [
            [UNKNOWN if part is DATA else part for part in parts] for parts in self._prints[printed:]
        ]

    def _bind(self, targets: Sequence[ast.expr], value: ast.expr, flow: _Flow, whole: bool = True) -> None:
        """Gives the targets the value, or (not `whole`) a part of it."""
        known = self._value(value)
        known = replace(known, data=known.data or any(flow))
        for target in targets:
            parts = tuple(self._parts(value, set())) if whole and isinstance(target, ast.Name) else None
            for name in _stored(target):
                self._names[name] = replace(known, parts=None if any(flow) else parts)
            if not isinstance(target, ast.Name):
                self._add(target, value, flow)

    def _add(self, target: ast.expr, value: ast.expr, flow: _Flow) -> None:
        """The target, or the variable behind it, holds the value beside what it held."""
        for name in _stored(target) or [_root(target)]:
            old = self._names.get(name, _Value())
            data = old.data or any(flow) or self._depends(value)
            said = (*old.said, *self._said(target), *self._said(value))
            self._names[name] = _Value(data, tuple(dict.fromkeys(said)))

    # Expressions: names that are bound within, changes made by methods, and prints.

    def _expression(self, node: ast.AST, flow: _Flow) -> None:
        match node:
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self._expression(test, flow)
                for branch in (body, orelse):
                    self._expression(branch, self._choice(test, flow))
                return
            case ast.comprehension(target=target, iter=source):
                self._bind([target], source, flow, whole=False)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                for generator in node.generators:
                    self._expression(generator, flow)
        for child in ast.iter_child_nodes(node):
            self._expression(child, flow)
        match node:
            case ast.NamedExpr(target=target, value=value):
                self._bind([target], value, flow)
            case ast.Call():
                self._call(node, flow)

    def _call(self, call: ast.Call, flow: _Flow) -> None:
        if _is_print(call):
            end = next((keyword.value for keyword in call.keywords if keyword.arg == "end"), None)
            self._anywhere |= end is not None
            self._prints.append([DATA] if flow.chosen else self._template(call))
        elif isinstance(call.func, ast.Name):
            self._lost |= call.func.id in _REBINDING
            if self._names.get(call.func.id, _Value()).prints:
                self._prints.append([DATA if flow.chosen or self._depends(call) else UNKNOWN])
        elif isinstance(call.func, ast.Attribute):
            self._method(call, flow)
        if _WRITES.match(called(call)) or called(call) == "open" and _opens_to_write(call):
            names = (self._names.get(n.id, _Value()) for n in ast.walk(call) if isinstance(n, ast.Name))
            texts = _texts(call).union(*(name.said for name in names))
            self._sources -= {PurePath(text).name for text in texts}

    def _method(self, call: ast.Call, flow: _Flow) -> None:
        root = _root(call.func)
        if root in self._names:
            old = self._names[root]
            given = [*call.args, *call.keywords]
            changed = call.func.attr in _MUTATORS and (any(flow) or any(map(self._depends, given)))
            said = dict.fromkeys((*old.said, *self._said(call)))
            self._names[root] = replace(old, data=old.data or changed, said=tuple(said), parts=None)

    # Values

    def _value(self, node: ast.AST) -> _Value:
        return _Value(self._depends(node), self._said(node))

    def _depends(self, node: ast.AST) -> bool:
        return any(
            (isinstance(child, ast.Name) and self._names.get(child.id, _Value()).data)
            or (isinstance(child, ast.Call) and self._reads(child))
            for child in ast.walk(node)
        )

    def _reads(self, call: ast.Call) -> bool:
        """Whether the call reads the session's files or queries its tables."""
        name = called(call)
        if name == "inspect_source":
            return True
        texts = self._said(call.args[0]) if call.args and name in READERS | QUERIES else ()
        if name in READERS:
            own = {PurePath(text).name for text in texts} <= self._sources
            return bool(texts) and own and not _opens_to_write(call)
        words = {word for text in texts for word in re.findall(r"\w+", text)}
        return any(self._names[word].data for word in words & self._names.keys()) or any(
            source in text for text in texts for source in self._sources
        )

    def _said(self, node: ast.AST, held: Mapping[str, Iterable[str]] | None = None) -> tuple[str, ...]:
        """What of the code's own can come out of the node; a file not of the session holds anything."""
        if held is None:
            held = {name: value.said for name, value in self._names.items()}
        calls = (child for child in ast.walk(node) if isinstance(child, ast.Call))
        foreign = any(called(call) in READERS and not self._reads(call) for call in calls)
        return tuple(dict.fromkeys((*[ANYTHING] * foreign, *free_constants(node, held))))

    # What a print says

    def _template(self, call: ast.Call) -> list[Part]:
        separator = next((k.value for k in call.keywords if k.arg == "sep"), ast.Constant(" "))
        parts: list[Part] = []
        for index, argument in enumerate(call.args):
            parts += self._parts(separator, self._consumed) if index else []
            parts += self._parts(argument, self._consumed)
        return parts

    def _parts(self, node: ast.expr, consumed: set[int]) -> list[Part]:
        """The pieces of an expression's text; the constants that are pieces are added to `consumed`."""
        match node:
            case ast.Constant(value=value):
                consumed.add(id(node))
                return [str(value)]
            case ast.FormattedValue(value=value) | ast.NamedExpr(value=value):
                return self._parts(value, consumed)
            case ast.Call(func=ast.Name("str"), args=[value]):
                return self._parts(value, consumed)
            case ast.JoinedStr(values=values):
                return [part for value in values for part in self._parts(value, consumed)]
            case ast.BinOp(ast.Constant(str() as text), ast.Mult(), ast.Constant(int() as times)) if (
                len(text) * times <= _LONGEST_FOLD
            ):
                return [text * times]
            case ast.BinOp(left, ast.Add(), right) if _is_text(left) or _is_text(right):
                return self._parts(left, consumed) + self._parts(right, consumed)
            case ast.BinOp(ast.Constant(str()) as text, ast.Mod(), values):
                consumed.add(id(text))
                return self._filled(text.value, [values])
            case ast.Call(ast.Attribute(ast.Constant(str()) as text, "format"), args, keywords):
                consumed.add(id(text))
                return self._filled(text.value, [*args, *keywords])
            case ast.Name(name) if (known := self._names.get(name)) and known.parts:
                return list(known.parts)
        return [DATA if self._depends(node) else self._said(node)]

    def _filled(self, text: str, values: list[ast.AST]) -> list[Part]:
        """`"{} of {}".format(…)` and `"%s of %s" % …`: the text between placeholders, and what fills them."""
        said = tuple(text for value in values for text in self._said(value))
        filling = DATA if any(map(self._depends, values)) else said
        first, *others = _PLACEHOLDER.split(text)
        return [first, *(part for other in others for part in (filling, other))]


class _Unprinted(ast.NodeTransformer):
    """Takes out of a tree the constants that are masked where they are printed."""

    def __init__(self, consumed: set[int]):
        self.consumed = consumed

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(None) if id(node) in self.consumed else node


def _merged(ends: Sequence[dict[str, _Value]]) -> dict[str, _Value]:
    """What the names hold where it is not known in which of these ways the code went."""
    names = dict.fromkeys(name for end in ends for name in end)
    return {name: _either([end[name] for end in ends if name in end]) for name in names}


def _either(values: list[_Value]) -> _Value:
    """What a name holds after branches that gave it these values."""
    parts = values[0].parts if all(value.parts == values[0].parts for value in values) else None
    said = tuple(dict.fromkeys(text for value in values for text in value.said))
    return _Value(any(v.data for v in values), said, parts, any(v.prints for v in values))


def _is_print(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PRINTS


def _prints(node: ast.AST) -> bool:
    return any(map(_is_print, ast.walk(node)))


def _is_text(node: ast.expr) -> bool:
    """Whether an expression is a text whatever its variables are."""
    match node:
        case ast.Constant(str()) | ast.JoinedStr() | ast.Call(ast.Name("str")):
            return True
        case ast.BinOp(left, ast.Add(), right):
            return _is_text(left) or _is_text(right)
    return False


def _stored(target: ast.AST) -> list[str]:
    """The names that an assignment target, or code, binds: `a, (b, c)` gives a, b, c; `a[0]` none."""
    return [n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _captured(pattern: ast.pattern) -> Iterator[str]:
    """The names that a pattern of `match` binds."""
    for node in ast.walk(pattern):
        name = getattr(node, "rest" if isinstance(node, ast.MatchMapping) else "name", None)
        if name:
            yield name


def _root(node: ast.expr) -> str:
    """The variable behind `a[0].b`: a."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _texts(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _opens_to_write(call: ast.Call) -> bool:
    given = [*call.args[1:], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return called(call) == "open" and any(not _texts(mode) <= {"r", "rb", "rt"} for mode in given)
