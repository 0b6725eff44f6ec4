"""Takes out of a trajectory what its model chose and did not compute, so that no reward pays for it.

    verify(without_choices(trajectory, problem), problem).grounded

Two ways lead from a table to any answer one likes. A table's size with a number of the model's own gives a
number or a yes or no: `print(len(df) + 47)`, `print("Rex" if len(df) > 0 else "Mia")`. And from a printed
column a value can be picked by eye. `agent.provenance` takes both for computed, since an episode cannot
tell them from honest steps without refusing some of those, which a reward may do: it refuses a size beside a
number that the question has in words ("more than five rows"), and a value that one row shows with its index
(`df["a"].tail(1)`).
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Set
from dataclasses import replace

from agent import Trajectory, answers
from agent.literals import called
from training.problems import Problem
from training.verify import computed_outputs

# Calls that hand on what a table holds, all of it or rows by their place.
_SHOWING = {
    "copy", "display", "enumerate", "format", "head", "items", "iterrows", "itertuples", "join", "list",
    "print", "reset_index", "sample", "set_option", "str", "tail", "to_csv", "to_dict", "to_list",
    "to_markdown", "to_numpy", "to_string", "tolist", "tuple", "unique", "zip",
}  # fmt: skip
_ABOUT_SIZE = {"shape", "size", "empty"}
_CHOOSING = (ast.BinOp, ast.BoolOp, ast.Compare, ast.UnaryOp, ast.IfExp, ast.If, ast.While, ast.Match)
_ARITHMETIC = {"abs", "bool", "divmod", "max", "min", "pow", "sum"}
_PLAIN_QUERY = re.compile(r"\s*select\s+[^()']+\sfrom\s+\S+(?:\s+limit\s+\d+)?\s*;?\s*", re.I)


def without_choices(trajectory: Trajectory, problem: Problem) -> Trajectory:
    """The trajectory with other code for its steps, in which the data is read only to compute something.

    The table's size beside a number that the question does not name, or as a condition, no longer depends on
    the data. A step that only shows the data prints nothing, unless what it printed is the answer alone, or
    the answer is a list.
    """
    sizes = _Sizes({"df", "tables", *(table["name"] for table in trajectory.tables)}, problem.question)
    outputs = iter(computed_outputs(trajectory))
    turns = []
    for turn in trajectory.turns:
        if turn.execution is not None:
            output = next(outputs)
            may_look = output is None or _may_be_read_off(output.text, trajectory.answer, problem)
            code = _without_choices(turn.execution.code, sizes, may_look)
            turn = replace(turn, execution=replace(turn.execution, code=code))
        turns.append(turn)
    return replace(trajectory, turns=tuple(turns))


def _without_choices(code: str, sizes: _Sizes, may_look: bool) -> str:
    try:
        tree = ast.parse(code)
        if not may_look and _only_shows(tree, sizes.whole):
            tree.body = [node for node in tree.body if isinstance(node, ast.Assign)]
        return ast.unparse(ast.fix_missing_locations(sizes.visit(tree)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # nothing is known to be computed in it


def _may_be_read_off(text: str, answer: str, problem: Problem) -> bool:
    if problem.answer_type.startswith("list"):
        return True
    values = [answer, *answers.closed_form(answer).values(), *problem.choices.values()]
    return any(answers.same(value, text.strip()) for value in values)


def _only_shows(tree: ast.AST, shown: Set[str], calls: Set[str] = _SHOWING) -> bool:
    """Whether code hands on what is in the variables `shown`, or in names of its own, and no more."""
    names = {"pd", "sql"} | shown | calls | _stored(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Call() if called(node) not in calls and not _is_plain_query(node):
                return False
            case ast.Attribute(attr=name) if name in _ABOUT_SIZE:
                return False
            case ast.Subscript(slice=key) if not all(map(_is_place, ast.walk(key))):
                return False  # df[mask]
            case ast.Name(id=name) if name not in names:
                return False
        if isinstance(node, _CHOOSING) and not _is_place(node):
            return False
    return True


def _is_place(node: ast.AST) -> bool:
    """Whether it belongs to a column's name, a row's number or a slice, as in `df[["a", "b"]][-4:]`."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant)
    return isinstance(node, ast.Constant | ast.Slice | ast.List | ast.Tuple | ast.USub | ast.expr_context)


def _stored(tree: ast.AST) -> set[str]:
    """The names that code gives something to."""
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def _is_plain_query(call: ast.Call) -> bool:
    texts = [node.value for node in call.args if isinstance(node, ast.Constant)]
    return called(call) == "sql" and len(texts) == 1 and bool(_PLAIN_QUERY.fullmatch(str(texts[0])))


class _Sizes(ast.NodeTransformer):
    """Puts an expression without data in place of each that a table's size decides in the model's own way.

    The codes of a trajectory are visited in their order.

    Attributes:
        whole: The variables that hold tables or columns as they are.
        held: Those made up of sizes and numbers, each with these.
    """

    def __init__(self, tables: Set[str], question: str):
        self.question = question
        self.whole, self.held = set(tables), dict[str, list[ast.expr]]()

    def visit(self, node: ast.AST) -> ast.AST:
        return _either() if isinstance(node, ast.expr) and self._is_own(node) else super().visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        leaves, whole = self._leaves(node.value), self._is_whole(node.value)
        self.generic_visit(node)
        if leaves:
            self.held |= dict.fromkeys(names, leaves)
        if whole:
            self.whole |= names
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        if isinstance(node.target, ast.Name):
            whole = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
            if self._is_own(whole):
                return ast.Assign([node.target], _either())
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        return self._condition(node) if node.attr == "empty" else node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Store):
            self.held.pop(node.id, None)
            self.whole.discard(node.id)
        return node

    def visit_If(self, node: ast.If | ast.IfExp | ast.While) -> ast.AST:
        node.test = self._condition(node.test)
        return self.generic_visit(node)

    visit_IfExp = visit_While = visit_If

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        node.values = [self._condition(value) for value in node.values]
        return self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.Not):
            node.operand = self._condition(node.operand)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if called(node) == "bool":
            node.args = [self._condition(value) for value in node.args]
        return self.generic_visit(node)

    def _condition(self, test: ast.expr) -> ast.expr:
        """A size by itself is true of every table but an empty one."""
        leaves = self._leaves(test)
        return _either() if leaves and len(leaves) == 1 and self._is_size(leaves[0]) else test

    def _is_own(self, node: ast.expr) -> bool:
        """Whether sizes and numbers alone make it up, and a number among them that the question lacks."""
        leaves = self._leaves(node) or []
        numbers = [leaf.value for leaf in leaves if isinstance(leaf, ast.Constant)]
        own = not all(answers.find(str(number), self.question) for number in numbers)
        return own and len(numbers) < len(leaves)

    def _leaves(self, node: ast.expr) -> list[ast.expr] | None:
        """The sizes and numbers that make it up, None if anything else does."""
        if self._is_size(node):
            return [node]
        match node:
            case ast.Constant(int() | float()):
                return [node]
            case ast.Name(name, ast.Load()):
                return self.held.get(name)
            case ast.Call(ast.Name("round"), [part, *_]):
                parts = [part]
            case ast.Call(ast.Name(name), parts) if name in _ARITHMETIC:
                pass
            case ast.BinOp(part, ast.Mult(), ast.Constant(100)) | ast.BinOp(
                ast.Constant(100), ast.Mult(), part
            ):
                parts = [part]  # a share in percent
            case ast.BinOp() | ast.BoolOp() | ast.Compare() | ast.UnaryOp() | ast.Tuple() | ast.List():
                parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
            case _:
                return None
        found = [self._leaves(part) for part in parts]
        # Each once: a name that is added to itself again and again would hold ever more.
        return None if None in found else list(dict.fromkeys(itertools.chain.from_iterable(found)))

    def _is_size(self, node: ast.expr) -> bool:
        match node:
            case ast.Call(ast.Name("len"), [table]) | ast.Subscript(ast.Attribute(table, "shape")):
                pass
            case ast.Attribute(table, name) if name in _ABOUT_SIZE:
                pass
            case _:
                return False
        return self._is_whole(table)

    def _is_whole(self, node: ast.expr) -> bool:
        return _only_shows(node, self.whole, _SHOWING - {"unique"})


def _either() -> ast.expr:
    return ast.parse("True or False", mode="eval").body
