"""Typed answers: read a value from text, compare two, and find one in real output.

    parse("$1,204.50")                      -> Number(1204.5, decimals=2)
    same("['b', 'a']", "a, b")              -> True      (lists compare without order)
    find("1204.5", "total\\n1204.4999")      -> [Match(line=1, start=0, end=9)]

Five types, as in DataBench (SemEval-2025 Task 8): boolean, number, category, list[category] and
list[number]. A question does not say which it wants, so `find` tries every reading that the answer allows.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
from dataclasses import dataclass

ANSWER_TYPES = ("boolean", "number", "category", "list[category]", "list[number]")


@dataclass(frozen=True)
class Number:
    """A number as it was written: its value, decimals after the point, and whether a % followed."""

    value: float
    decimals: int = 0
    percent: bool = False


@dataclass(frozen=True)
class Match:
    """Where a value stands: 0-based line of the output, and its span in that line."""

    line: int
    start: int
    end: int


Value = bool | Number | str | tuple["Value", ...]

_TRUE, _FALSE = {"true", "yes"}, {"false", "no"}
_NUMBER = re.compile(
    r"(?<![\w.])[-−+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|(?<=\d)\.?)(?:[eE][-+]?\d{1,4})?(?![\w])\s?%?"
)
_SIGN = r"(?:[$€£¥₹]|USD|EUR|GBP)"
_CURRENCY = re.compile(rf"^([-−+]?)\s*{_SIGN}\s*(?=[-−+\d.])|(?<=\d)\s*{_SIGN}$")
_WORD = re.compile(r"\w+")
_LAST_WORD = re.compile(r"\b\w+(?=\W*$)")
_FIELD = re.compile(r"@([^@\[\]\n]+)\[(.*?)\]")
_MIDNIGHT = re.compile(r"(?<=\d{4}-\d\d-\d\d)[T ]00:00:00(?:\.0+)?$")


def parse(text: str, answer_type: str | None = None) -> Value | None:
    """Reads an answer; None when the text is empty or not of the wanted type.

    Args:
        answer_type: one of ANSWER_TYPES, or None to take the reading that the text suggests
            (a bracketed list, a boolean word, a number, else a category).
    """
    text = text.strip()
    if answer_type is None:
        answer_type = _suggested_type(text)
    if not text:
        return () if answer_type.startswith("list") else None
    if not answer_type.startswith("list") and _is_bracketed(text) and len(items := _items(text)) == 1:
        text = items[0]  # ['Oslo'] where one value is wanted
    match answer_type:
        case "boolean":
            return _boolean(text)
        case "number":
            return _number(text)
        case "category":
            return _unquoted(text)
        case "list[number]" | "list[category]":
            items = _items(text)
            if answer_type == "list[category]":
                return tuple(items)
            numbers = tuple(_number(item) for item in items)
            return None if None in numbers else numbers
    raise ValueError(f"unknown answer type {answer_type!r}; use one of {', '.join(ANSWER_TYPES)}")


def closed_form(text: str) -> dict[str, str]:
    """The fields of DABench's closed form by name: `@mean[3.5], @who[Oslo]`; {} where there are none."""
    return {name.strip(): value.strip() for name, value in _FIELD.findall(text)}


def same(answer: str, gold: str, answer_type: str | None = None, *, min_decimals: int = 1) -> bool:
    """Whether two answers mean the same value of the type (read from `gold` when None).

    Numbers agree when the one written with fewer decimals, but at least `min_decimals`, is the other
    rounded; categories without regard to case, quotes, spacing and a date's midnight; lists as multisets, an
    "and" before the last element taken for a comma or for part of a name.
    """
    if answer_type is None:
        answer_type = _suggested_type(gold.strip())
    if answer.strip() and answer.strip() == gold.strip():
        return True  # whatever it is, even a list with nan
    left, right = _readings(answer, answer_type), _readings(gold, answer_type)
    return any(_equal(one, other, min_decimals) for one, other in itertools.product(left, right))


def find(answer: str, output: str) -> list[Match]:
    """Where the answer's value stands in the output, [] if it does not.

    A single value gives one match, the last in the output; a list one match for each element (the same
    element twice needs two places). Text must stand between word boundaries; a number may be the output's
    number rounded to at least one decimal, or to within one part in a thousand. A boolean must be the last
    word of its line, and the output must not hold the other one: a printed column of them proves neither.
    """
    lines = output.split("\n")
    text = _unquoted(answer)
    if not text:
        return []
    if (value := _boolean(text)) is not None:
        return _find_boolean(value, lines)
    if (number := _number(text)) is not None:
        return _last(m for i, line in enumerate(lines) for m in _number_matches(number, i, line))
    if match := _last(_text_matches(text, lines)):  # also a list exactly as it was printed
        return match
    if fields := closed_form(text):
        return _find_all(list(fields.values()), lines)
    items = _items(text)
    if len(items) > 1 or _is_bracketed(text):
        return _find_all(items, lines)
    if (number := _number_with_unit(text)) is not None:
        return _last(m for i, line in enumerate(lines) for m in _number_matches(number, i, line))
    return []


# Reading


def _suggested_type(text: str) -> str:
    if _is_bracketed(text):
        items = _items(text)
        return "list[number]" if items and all(_number(i) for i in items) else "list[category]"
    if _boolean(text) is not None:
        return "boolean"
    return "number" if _number(text) is not None else "category"


def _boolean(text: str) -> bool | None:
    word = _unquoted(text).rstrip(".").casefold()
    return True if word in _TRUE else False if word in _FALSE else None


def _number(text: str) -> Number | None:
    """The number that the whole text is, currency sign and % included; None if there is more to it."""
    text = _CURRENCY.sub(r"\1", _unquoted(text).strip()).strip()
    match = _NUMBER.fullmatch(text)
    if not match or not re.search(r"\d", text):
        return None
    return _as_number(text)


def _as_number(written: str) -> Number | None:
    percent = written.endswith("%")
    digits = written.rstrip("% ").replace(",", "").replace("−", "-")
    value = float(digits)
    if not math.isfinite(value):
        return None
    mantissa, _, exponent = digits.lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) - (int(exponent) if exponent else 0)
    return Number(value, min(max(decimals, 0), 15), percent)


def _number_with_unit(text: str) -> Number | None:
    """`42 orders`, `3.5 years`: a number followed by words only."""
    match = re.fullmatch(r"(\S+)\s+([^\d,;]{1,30})", text)
    return _number(match[1]) if match else None


def _is_bracketed(text: str) -> bool:
    return len(text) >= 2 and text[0] + text[-1] in ("[]", "()", "{}")


def _readings(text: str, answer_type: str) -> list[Value]:
    """What the text can be read as: of names there are two ways, as in `Trinidad and Tobago`."""
    read = [parse(text, answer_type)]
    if answer_type == "list[category]":
        read.append(tuple(_items(text, split_at_and=False)))
    return [value for value in read if value is not None]


def _items(text: str, *, split_at_and: bool = True) -> list[str]:
    """The elements of a list as text: a Python list, or else split at commas, semicolons and a last "and"."""
    text = text.strip()
    if _is_bracketed(text):
        try:
            values = ast.literal_eval(text)
            values = [values] if isinstance(values, str) else values  # ('Rex') is no tuple
            return [str(value).strip() for value in values]
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            text = text[1:-1]
            if all(map(_number, text.split())):  # [1.5 2. ], as NumPy prints an array
                return text.split()
    # A comma before exactly three digits belongs to a number, unless semicolons separate.
    parts = re.split(r";|\n", text) if ";" in text else re.split(r",(?!\d{3}(?!\d))|\n", text)
    if split_at_and:
        parts[-1:] = re.split(r"^\s*and\s+|\s+and\s+", parts[-1])
    return [item for part in parts if (item := _unquoted(part.strip()))]


def _unquoted(text: str) -> str:
    text = text.strip()
    while len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"`":
        text = text[1:-1].strip()
    return text


# Comparing


def _equal(left: Value, right: Value, min_decimals: int) -> bool:
    if isinstance(left, tuple) and isinstance(right, tuple):
        rest = list(right)
        for item in left:
            place = next((i for i, other in enumerate(rest) if _equal(item, other, min_decimals)), None)
            if place is None:
                return False
            del rest[place]
        return not rest
    if isinstance(left, Number) and isinstance(right, Number):
        return _equal_numbers(left, right, min_decimals)
    if isinstance(left, str) and isinstance(right, str):
        if _folded(left) == _folded(right):
            return True
        numbers = _number(left), _number(right)
        return None not in numbers and _equal_numbers(*numbers, min_decimals)
    return type(left) is type(right) and left == right


def _equal_numbers(left: Number, right: Number, min_decimals: int) -> bool:
    """Equal, or one is the other rounded to as many decimals as it shows, and not rounded to nothing."""
    coarse, fine = sorted((left, right), key=lambda n: n.decimals)
    if math.isclose(coarse.value, fine.value, rel_tol=1e-9, abs_tol=1e-12):
        return True
    return coarse.decimals >= min_decimals and coarse.value != 0 and _rounds_to(fine.value, coarse)


def _rounds_to(value: float, shown: Number) -> bool:
    half = 0.5 * 10.0**-shown.decimals
    return abs(value - shown.value) <= half * (1 + 1e-9)


def _folded(text: str) -> str:
    return " ".join(_MIDNIGHT.sub("", _unquoted(text)).rstrip(".").casefold().split())


# Finding


def _last(matches) -> list[Match]:
    return list(matches)[-1:]


def _find_boolean(value: bool, lines: list[str]) -> list[Match]:
    contrary = re.compile(rf"\b{not value}\b")
    for number, line in enumerate(lines):
        if contrary.search(line) or any(_boolean_matches(not value, number, line)):
            return []
    return _last(
        match for number, line in enumerate(lines) for match in _boolean_matches(value, number, line)
    )


def _boolean_matches(value: bool, line_number: int, line: str, pattern: re.Pattern = _LAST_WORD):
    words = _TRUE if value else _FALSE
    for match in pattern.finditer(line):
        if match[0].casefold() in words:
            yield Match(line_number, *match.span())


def _number_matches(wanted: Number, line_number: int, line: str):
    for match in _NUMBER.finditer(line):
        found = _as_number(match[0]) if re.search(r"\d", match[0]) else None
        if found is not None and _grounds(found, wanted):
            end = match.end() - (len(match[0]) - len(match[0].rstrip()))
            yield Match(line_number, match.start(), end)


def _grounds(found: Number, wanted: Number) -> bool:
    """Whether the output's number is the one that is claimed, possibly rounded, or a share as percent."""
    scales = [1.0]
    if wanted.percent and not found.percent:
        scales.append(100.0)
    for scale in scales:
        value = found.value * scale
        if math.isclose(value, wanted.value, rel_tol=1e-9, abs_tol=1e-12):
            return True
        close = abs(value - wanted.value) <= 1e-3 * abs(wanted.value)
        if (wanted.decimals >= 1 or wanted.percent or close) and _rounds_to(value, wanted):
            return True
    return False


def _text_matches(text: str, lines: list[str]):
    words = _folded(text).split()
    if not words:
        return
    pattern = re.compile(
        r"(?<!\w)" + r"\s+".join(re.escape(word) for word in words) + r"(?!\w)", re.IGNORECASE
    )
    for number, line in enumerate(lines):
        for match in pattern.finditer(line):
            yield Match(number, *match.span())


def _find_all(items: list[str], lines: list[str]) -> list[Match]:
    """One place for each element, none used twice; [] if one is missing."""
    taken: list[Match] = []
    for item in items:
        if (number := _number(item)) is not None:
            places = (m for i, line in enumerate(lines) for m in _number_matches(number, i, line))
        elif (value := _boolean(item)) is not None:
            places = (m for i, line in enumerate(lines) for m in _boolean_matches(value, i, line, _WORD))
        else:
            places = _text_matches(item, lines)
        place = next((m for m in reversed(list(places)) if m not in taken), None)
        if place is None:
            return []
        taken.append(place)
    return taken
