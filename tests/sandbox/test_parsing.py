"""Code that is right is parsed whoever else parses at the same time."""

import ast
import gc
import sys

import pytest

import sandbox  # noqa: F401 (mends ast.parse)
from sandbox import parsing

CODE = "print(((df['Species'] == 'dog') & (df['Born'] > 2004)).sum())\n" * 5


def parsed_in_between(parse, times):
    """The code's tree, while the garbage collector has somebody else parse, deeper in the stack."""
    left = [times]

    def deeper(depth):
        return deeper(depth - 1) if depth else compile("1 + 1", "other", "eval", ast.PyCF_ONLY_AST)

    def collecting(phase, _):
        if phase == "start" and left[0]:
            left[0] -= 1
            deeper(20)

    before = gc.get_threshold()
    gc.callbacks.append(collecting)
    gc.set_threshold(30)
    try:
        return parse(CODE)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(collecting)


@pytest.mark.skipif(sys.version_info >= (3, 11, 8), reason="this Python has no such error")
def test_unmended_it_fails():
    with pytest.raises(SystemError, match="recursion depth mismatch"):
        parsed_in_between(ast.parse.__wrapped__, 5)


def test_it_is_parsed_whoever_parses_in_between():
    tree = parsed_in_between(ast.parse, 5)
    assert ast.dump(tree) == ast.dump(ast.parse(CODE)) and len(tree.body) == 5


def test_mending_twice_changes_nothing_more():
    mended = ast.parse
    parsing.mend()
    assert ast.parse is mended


def test_errors_of_the_code_stay_as_they_are():
    with pytest.raises(SyntaxError, match="never closed"):
        ast.parse("print((1)")


@pytest.mark.parametrize(
    ("message", "attempts"),
    [
        ("AST constructor recursion depth mismatch (before=1, after=2)", parsing.ATTEMPTS),
        ("something else", 1),
    ],
)
def test_it_gives_up_in_the_end_and_on_another_error_at_once(monkeypatch, message, attempts):
    calls = []

    def failing(code):
        calls.append(code)
        raise SystemError(message)

    with monkeypatch.context() as patched:  # pytest parses too, to show what failed
        patched.setattr(ast, "parse", failing)
        patched.setattr(sys, "version_info", (3, 11, 7))
        parsing.mend()
        mended = ast.parse
    with pytest.raises(SystemError, match=message[:15]):
        mended("1")
    assert calls == ["1"] * attempts
