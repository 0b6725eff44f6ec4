"""Runs one step's code in a namespace, as a notebook cell, and tells what went wrong in it."""

import ast
import linecache
import traceback
from collections.abc import Callable
from typing import Any

from sandbox.display import cut_middle, value_text
from sandbox.records import ExecutionError

MESSAGE_CHARS = 500
TRACEBACK_CHARS = 2_000


def run(
    code: str, filename: str, namespace: dict[str, Any], seen: Callable[[object], None] = id
) -> ExecutionError | None:
    """Runs `code`, prints its last expression's value, and returns its error, None if none.

    Args:
        code: Python source.
        filename: A name such as "<step 3>", other than that of any step before.
        namespace: The variables, changed in place.
        seen: Called with the value that is printed at the end.
    """
    # Tracebacks and `inspect.getsource` look the code's lines up there.
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    try:
        _execute(code, filename, namespace, seen)
    except BaseException as error:
        return describe(error, code, filename)
    return None


def _execute(code: str, filename: str, namespace: dict[str, Any], seen: Callable[[object], None]) -> None:
    tree = ast.parse(code, filename)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, filename, "exec"), namespace)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), filename, "eval"), namespace)
        seen(value)
        if text := value_text(value):
            print(text)


def describe(error: BaseException, code: str, filename: str) -> ExecutionError:
    """Returns the error of a step with its place in the step's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    lineno = next((frame.lineno for frame in reversed(frames) if frame.filename == filename), 0)
    message = _message(error)
    if isinstance(error, SyntaxError) and error.filename == filename:
        lineno, message = error.lineno, error.msg
    kind = type(error).__name__
    lines = code.splitlines()
    return ExecutionError(
        kind=kind,
        message=cut_middle(message, MESSAGE_CHARS),
        line=lines[lineno - 1].strip() if lineno and lineno <= len(lines) else "",
        lineno=lineno or 0,
        traceback=_traceback(frames, kind, message),
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _traceback(frames: traceback.StackSummary, kind: str, message: str) -> str:
    own = traceback.StackSummary.from_list(f for f in frames if f.filename.startswith("<step "))
    return cut_middle("".join(own.format()) + f"{kind}: {message}", TRACEBACK_CHARS, "\n…\n")
