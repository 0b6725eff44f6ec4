"""Mends `ast.parse` in the Pythons where it fails for want of luck: 3.11 before .8 and 3.12 before .2.

They count how deep a tree is in one place for all threads. Whoever parses in between, another thread or
what the garbage collector calls, leaves the count wrong, and code that is right ends in "SystemError: AST
constructor recursion depth mismatch" (python/cpython#106905). Each call begins the count anew, so the same
one answers when it is made again. Libraries call `ast.parse` as we do, therefore it is mended in its place.
"""

import ast
import functools
import sys

FIXED = (3, 12, 2)
ATTEMPTS = 10


def mend() -> None:
    """Lets `ast.parse` try again after that error, in this process; does nothing where Python has no need."""
    if sys.version_info < FIXED and not hasattr(ast.parse, "__wrapped__"):
        ast.parse = _patient(ast.parse)


def _patient(parse):
    @functools.wraps(parse)
    def patient(*args, **kwargs):
        for _ in range(ATTEMPTS - 1):
            try:
                return parse(*args, **kwargs)
            except SystemError as error:
                if "recursion depth mismatch" not in str(error):
                    raise
        return parse(*args, **kwargs)

    return patient
