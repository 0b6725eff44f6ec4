"""Masks in real output what prints state literally.

mask("Best: Oslo", [["Best:", " ", DATA]], anywhere=False)   -> ("      Oslo", [])
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# What a print says, piece by piece: text that stands in the code; DATA; UNKNOWN, as a function's parameter;
# or the texts of the code that something was made of without data.
DATA, UNKNOWN = True, False
Part = str | bool | tuple[str, ...]

_NUMBER, _PUNCTUATION = r"\d+(?:\.\d+)?", r"[^\w\n]"


def mask(stdout: str, prints: list[list[Part]], anywhere: bool) -> tuple[str, list[str]]:
    """`stdout` with what the prints state replaced by spaces, and the stated texts not found as expected.

    Args:
        prints: For each print its pieces in order, end of line left out.
        anywhere: Whether lines may be put together by several prints.
    """
    spans: list[tuple[int, int]] = []
    unseen: list[str] = []
    for parts in prints:
        for pattern, texts in _segments(parts, anywhere):
            found = [match.span() for match in pattern.finditer(stdout)]
            spans += found
            unseen += [] if found else texts
    for start, end in spans:
        blank = re.sub(r"[^\n]", " ", stdout[start:end])
        stdout = stdout[:start] + blank + stdout[end:]
    return stdout, unseen


def _segments(parts: list[Part], anywhere: bool) -> Iterator[tuple[re.Pattern, list[str]]]:
    """The stretches of a print between data, each as a pattern, with the literal texts in it."""
    stretches: list[list[str | tuple[str, ...]]] = [[]]
    for part in parts:
        if isinstance(part, bool):
            stretches.append([])
        else:
            stretches[-1].append(part)
    for index, stretch in enumerate(stretches):
        texts = [part for part in stretch if isinstance(part, str)]
        if all(isinstance(part, str) and not re.search(r"\w", part) for part in stretch):
            continue
        start = "" if anywhere or index else "^"
        end = "" if anywhere or index < len(stretches) - 1 else "$"
        pattern = "".join(_pattern(part, part is stretch[-1]) for part in stretch)
        yield re.compile(start + pattern + end, re.M | re.I), texts


def _pattern(part: str | tuple[str, ...], last: bool) -> str:
    """For what was made without data: its words in any order, and numbers, as many as there are `last`."""
    if isinstance(part, str):
        return re.escape(part)
    # Longest first and without a second try, so that no text can make the search slow.
    words = [re.escape(word) for word in sorted(part, key=len, reverse=True) if word.strip()]
    return f"(?>{'|'.join([*words, _NUMBER, _PUNCTUATION])})*" + ("" if last else "?")
