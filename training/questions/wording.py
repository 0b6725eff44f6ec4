"""How people say things: names of columns, what a row is, and the looseness of real questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

ROUNDING = {
    1: ("Round to one decimal.", "Round to 1 decimal place.", "One decimal is enough (rounded)."),
    2: ("Round to two decimals.", "Round to 2 decimal places.", "Two decimals, please (rounded)."),
    3: ("Round to three decimals.", "Round to 3 decimal places.", "Give it rounded to three decimals."),
}
ABOVE = ("above", "over", "greater than", "more than", "higher than")
BELOW = ("below", "under", "less than", "lower than")
HIGHEST = ("highest", "largest", "greatest", "biggest")
LOWEST = ("lowest", "smallest")

_COLUMNS = ("group", "key", "column", "other")  # slots that phrasings also use in the plural
_ROWS = (("row", "rows"), ("record", "records"), ("entry", "entries"))
# A column that is called so names what its rows are.
_NOUNS = {
    "airline", "airport", "artist", "band", "book", "boxer", "brand", "candidate", "car", "character",
    "city", "club", "college", "company", "country", "county", "department", "district", "driver",
    "employee", "episode", "fighter", "film", "game", "governor", "guest", "library", "major", "member",
    "metro", "movie", "nation", "office", "party", "passenger", "person", "planet", "player", "pollster",
    "president", "product", "program", "restaurant", "school", "senator", "show", "song", "species",
    "sport", "state", "station", "student", "subject", "team", "title", "tournament", "university",
}  # fmt: skip
_ABBREVIATIONS = {
    "avg": "average", "pct": "percent", "perct": "percent", "num": "number of", "temp": "temperature",
    "pop": "population", "est": "estimated", "prev": "previous", "prob": "probability", "wtd": "weighted",
    "yr": "year", "yrs": "years", "amt": "amount", "abb": "abbreviation", "min": "minimum", "max": "maximum",
}  # fmt: skip
# What people call a column by alone, where no other column has it in its name.
_HEADS = {
    "age", "amount", "budget", "category", "city", "color", "company", "conference", "cost", "country",
    "deaths", "district", "duration", "earnings", "fare", "gender", "genre", "gross", "height", "income",
    "length", "murders", "office", "outcome", "party", "passengers", "points", "population", "position",
    "precipitation", "price", "profit", "race", "rating", "reason", "region", "revenue", "salary", "sales",
    "score", "servings", "speed", "state", "status", "stance", "team", "temperature", "turnout", "type",
    "volume", "votes", "wage", "weight", "wins",
}  # fmt: skip
_UNCOUNTED = {"weather", "music", "income", "population", "education", "precipitation", "revenue", "turnout"}
_SHORT = {"of", "per", "in", "to", "by", "no", "us", "on", "at", "up", "age", "tv", "gdp", "or", "and", "the"}


def say_column(column: str, columns: Sequence[str], rng: Random) -> str:
    """A column as a person would call it: its name, in quotes or not, its words, or the last of these alone.

    Nothing is said that could be another of the columns.
    """
    words, head = spelled(column), headed(column, columns)
    is_clear = words and sum(spelled(other) == words for other in columns) == 1
    if head and rng.random() < 0.4:
        return head
    if is_clear and words != column and rng.random() < 0.65:
        return words
    awkward = re.search(r"[^\w\s()%$#/.-]", column) or len(column.split()) > 4
    return f"'{column}'" if awkward or rng.random() < 0.12 else column


def spelled(column: str) -> str:
    """`Weight_kg (max)` as `weight kg`, `numTickets` as `number of tickets`; "" where that reads badly."""
    bare = re.sub(r"\s*\([^)]*\)\s*$", "", column)
    bare = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", bare)
    words = re.sub(r"[_.\-\s]+", " ", bare).strip().split(" ")
    words = [word if word.isupper() and len(word) > 1 else word.lower() for word in words]
    if not all(_reads_well(word) for word in words):
        return ""
    return " ".join(_ABBREVIATIONS.get(word, word) for word in words)


def headed(column: str, columns: Sequence[str]) -> str:
    """`income` for `median_household_income`; "" where another column has the word, or it says too little."""
    *qualifiers, head = spelled(column).split(" ")
    others = " ".join(other for other in columns if other != column).casefold()
    return head if qualifiers and head in _HEADS and head.removesuffix("s") not in others else ""


def _reads_well(word: str) -> bool:
    if word in _SHORT or word in _ABBREVIATIONS or re.fullmatch(r"(?:19|20)\d\d", word):
        return True
    return len(word) > 2 and word.isalpha() and bool(re.search(r"[aeiouy]", word, re.I))


def nouns(keys: Sequence[str], rng: Random) -> tuple[str, str]:
    """What one row and several are called: by the column that names them, if its name is a noun."""
    for key in keys:
        last = (spelled(key) or " ").split(" ")[-1]
        if last in _NOUNS and rng.random() < 0.7:
            return last, plural(last)
    return rng.choice(_ROWS)


def plural(noun: str) -> str:
    if noun in ("species", "person"):
        return {"species": "species", "person": "people"}[noun]
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search(r"(?:s|x|ch|sh)$", noun) else "s")


def several(said: str) -> str:
    """What several of a column's values are called: `parties` for `party`, `538 Grade values`."""
    first, _, last = said.rpartition(" ")
    if last == "species":
        return said
    if last in _UNCOUNTED:
        return f"{said} values"
    if said.islower() and len(last) > 3 and _reads_well(last) and not re.search(r"(?:s|ed|ing|ly)$", last):
        return f"{first} {plural(last)}".strip()
    return f"{said} values"


def where_equal(said: str, value: object, rng: Random) -> str:
    """Rows in which a column has a value, to follow "rows"."""
    if not isinstance(value, str):
        return rng.choice(
            (f"where {said} is {value}", f"with {said} equal to {value}", f"whose {said} is {value}")
        )
    shown = rng.choice((value, f"'{value}'"))
    return rng.choice((f"where {said} is {shown}", f"with {shown} as {said}", f"whose {said} is {shown}"))


def where_compared(said: str, word: str, limit: str, rng: Random) -> str:
    """Rows in which a column is above or below a limit, to follow "rows"."""
    texts = [f"{start} {said} is {word} {limit}" for start in ("where", "whose")]
    if " than" not in word or word in ("more than", "less than"):
        is_amount = re.fullmatch(r"[a-z]+[^isu\W]s", said)  # "with over 5 votes"
        texts += [f"with {word} {limit} {said}" if is_amount else f"with {said} {word} {limit}"]
    return rng.choice(texts)


def number(value: float) -> str:
    """A number as one types it."""
    return str(int(value)) if float(value).is_integer() else str(value)


def filled(phrasing: str, slots: dict[str, str]) -> str:
    """The phrasing with its slots filled in; {columns} is several of {column}, "a" before a vowel is "an"."""
    columns = {name: slots[name] for name in _COLUMNS if name in slots}
    slots = slots | {f"{name}s": several(said) for name, said in columns.items()}
    if any(slots.get("row", "-") in said.casefold() for said in columns.values()):
        slots |= {"row": "row", "rows": "rows"}  # not "the country of the country"

    def article(match: re.Match) -> str:
        return f"{match[1]}n {{" if re.match(r"'?[aeio]\w", slots[match[2]], re.I) else f"{match[1]} {{"

    return re.sub(r"\b([Aa]) \{(?=(\w+))", article, phrasing).format(**slots)


def listed(values: Sequence[str]) -> str:
    """`a, b and c`"""
    return f"{', '.join(values[:-1])} and {values[-1]}" if len(values) > 1 else values[0]


def loosened(question: str, rng: Random) -> str:
    """Now and then as people type who are in a hurry, or polite."""
    chance = rng.random()
    if chance < 0.07 and question[1:2].islower():
        return question[0].lower() + question[1:].rstrip("?.")
    if chance < 0.10 and question[1:2].islower():
        return question[0].lower() + question[1:]
    if chance < 0.12:
        return f"Quick question: {question}"
    if chance < 0.14 and question.endswith("?"):
        return f"{question} Thanks!"
    return question


def with_rounding(question: str, decimals: int, rng: Random) -> str:
    end = "" if question[-1] in ".?!" else "."
    return f"{question}{end} {rng.choice(ROUNDING[decimals])}"
