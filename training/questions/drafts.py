"""What families of questions are made of: a draft with its gold, and the draws that many of them share.

A family is a function that draws one question from a table, with its phrasings above it:

    @family("How many {rows} are there {where}?", ...)
    def count_where(view, rng):
        condition = equals(view, rng)
        ...
        return Draft(answer, sql, slots)

Its answer is computed with pandas; the SQL is the same question put to DuckDB, over the file as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

import numpy as np
import pandas as pd

from training.questions import wording
from training.questions.views import View, literal

T = TypeVar("T")
Answer = bool | int | float | str | list


class Unfit(Exception):
    """The table, or what was drawn from it, gives no question of the family with one clear answer."""


@dataclass(frozen=True)
class Draft:
    """A question before it has words.

    Attributes:
        answer: The gold, computed with pandas; its Python type tells the answer's type.
        sql: A query that gives the answer as one column, a list in its order; "" where there is none.
        slots: What the phrasings' names stand for.
        computed: Whether a float came from arithmetic, so that it may need rounding.
    """

    answer: Answer
    sql: str
    slots: dict[str, str]
    computed: bool = False


@dataclass(frozen=True)
class Family:
    """A kind of question, and the ways to put it."""

    name: str
    phrasings: tuple[str, ...]
    draw: Callable[[View, Random], Draft]


@dataclass(frozen=True)
class Condition:
    """Which rows a question is about: a mask over the frame, the same in SQL, and in words."""

    mask: pd.Series
    sql: str
    text: str
    column: str


FAMILIES: dict[str, Family] = {}


def family(*phrasings: str) -> Callable[[Callable[[View, Random], Draft]], Callable[[View, Random], Draft]]:
    """Registers a function as the family of its name."""

    def register(draw: Callable[[View, Random], Draft]) -> Callable[[View, Random], Draft]:
        name = draw.__name__.replace("_", " ")
        FAMILIES[name] = Family(name, phrasings, draw)
        return draw

    return register


# Draws


def pick(options: Sequence[T], rng: Random, *, besides: Sequence[T] = ()) -> T:
    """One of the options that is none of `besides`.

    Raises:
        Unfit: there is none.
    """
    left = [option for option in options if option not in besides]
    need(left)
    return rng.choice(left)


def need(condition: object) -> None:
    """Raises Unfit unless the condition holds."""
    if not condition:
        raise Unfit


def coin(rng: Random) -> bool:
    return rng.random() < 0.5


def say(view: View, column: str, rng: Random) -> str:
    return wording.say_column(column, list(view.frame.columns), rng)


def rows_slots(view: View, rng: Random) -> dict[str, str]:
    row, rows = wording.nouns(view.roles.keys, rng)
    return {"row": row, "rows": rows}


def complete(view: View, columns: Sequence[str]) -> list[str]:
    """Those without missing values: of the others it is not clear whether the missing ones count."""
    return [column for column in columns if not view.frame[column].isna().any()]


def equals(view: View, rng: Random, column: str = "", value: object = None) -> Condition:
    """Rows of one group, or with a flag that is set or not."""
    column = column or pick((*view.roles.groups, *view.roles.flags), rng)
    cells, said = view.frame[column], say(view, column, rng)
    if value is None:
        value = pick(sorted(cells.dropna().unique().tolist()), rng)
    sql = f"{view.sql(column)} = {literal(value)}"
    return Condition(cells == value, sql, wording.where_equal(said, value, rng), column)


def compares(view: View, rng: Random) -> Condition:
    """Rows with a number beyond a round limit; some but not all of them."""
    column = pick(view.roles.measures, rng)
    cells, said = view.frame[column], say(view, column, rng)
    limit = round_limit(cells, rng)
    shown = limit_text(view, column, limit, rng)
    words, operator = rng.choice(
        [(wording.ABOVE, ">"), (wording.BELOW, "<"), (("at least",), ">="), (("at most",), "<=")]
    )
    mask = {">": cells > limit, "<": cells < limit, ">=": cells >= limit, "<=": cells <= limit}[operator]
    need(0 < mask.sum() < len(mask))
    word = rng.choice(words)
    text = wording.where_compared(said, word, shown, rng)
    return Condition(mask, f"{view.sql(column)} {operator} {limit}", text, column)


def call_both(view: View, group: str, values: Sequence[str], rng: Random) -> tuple[str, ...]:
    """Groups by their values, with the column's name where a value alone could be something else."""
    others = [name for name in view.frame.columns if name != group and view.frame[name].dtype == "str"]
    is_long = all(len(value) > 3 for value in values)
    if is_long and not view.frame[others].isin(list(values)).any().any() and rng.random() < 0.7:
        return tuple(values)
    said = say(view, group, rng)
    if coin(rng):
        return tuple(f"{said} {value}" for value in values)
    return tuple(f"{said} '{value}'" for value in values)


def any_condition(view: View, rng: Random) -> Condition:
    """By group or by number."""
    if view.roles.groups + view.roles.flags and (coin(rng) or not view.roles.measures):
        return equals(view, rng)
    return compares(view, rng)


def round_limit(cells: pd.Series, rng: Random) -> float:
    """A number of at most two figures somewhere between the values."""
    value = float(cells.quantile(rng.uniform(0.1, 0.9)))
    need(value)
    return rounded(value)


def rounded(value: float) -> float:
    """The value to two figures.

    Raises:
        Unfit: no one would write it out.
    """
    need(np.isfinite(value) and abs(value) < 1e13)
    limit = float(f"{value:.2g}")
    need("e" not in str(limit))
    return int(limit) if limit.is_integer() else limit


def limit_text(view: View, column: str, limit: float, rng: Random) -> str:
    """A limit as one writes it, now and then with the unit that the column's text has."""
    unit, plain = view.roles.amounts.get(column), wording.number(limit)
    if not unit or limit < 0 or coin(rng):
        return plain
    if unit == "percent":
        return f"{plain}%"
    cells = next(file[column] for file in view.files.values() if column in file)
    return f"{cells.dropna().iloc[0][0]}{plain}"


def labels(view: View) -> list[str]:
    """Columns of whole numbers that name something, such as a class or a year, each for several rows."""
    whole = [
        name
        for name in view.frame.columns
        if view.frame[name].dtype.kind in "iu" and name not in (*view.roles.measures, *view.roles.flags)
    ]
    return [name for name in complete(view, whole) if 3 <= view.frame[name].nunique() <= len(view.frame) / 3]


_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


def many_of(rng: Random) -> tuple[int, str]:
    """How many a list is to have, and how that is written."""
    count = rng.choice((2, 3, 3, 4, 5, 5, 6))
    return count, rng.choice((str(count), str(count), _NUMBERS[count]))


def top_or_bottom(word: str) -> str:
    """What goes with `extreme`'s word."""
    return "top" if word in wording.HIGHEST else "bottom"


# Queries that many families share


def sql_count(view: View, where: str) -> str:
    return f"select count(*) from {view.source} where {where}"


def sql_any(view: View, where: str) -> str:
    return f"select count(*) > 0 from {view.source} where {where}"


def sql_top(view: View, column: str, measure: str, order: str, count: int = 1, where: str = "true") -> str:
    """A column of the first rows by a measure."""
    m = view.sql(measure)
    rows = f"{view.source} where {m} is not null and {where}"
    return f"select {view.sql(column)} from {rows} order by {m} {order} limit {count}"


def sql_common(view: View, value: str, count: int = 1, order: str = "desc", where: str = "true") -> str:
    """The most common values of an expression."""
    rows = f"{view.source} where {value} is not null and {where}"
    return f"select {value} from {rows} group by 1 order by count(*) {order} limit {count}"


# Statistics


@dataclass(frozen=True)
class Statistic:
    """What is done with a group's numbers: its name, and the functions of pandas and of DuckDB."""

    word: str
    pandas: str
    sql: str
    computed: bool = True


_MEAN = (Statistic("average", "mean", "avg"), Statistic("mean", "mean", "avg"))
_SUM = (Statistic("total", "sum", "sum"),)
_OTHERS = (
    Statistic("median", "median", "median"),
    Statistic("highest", "max", "max", computed=False),
    Statistic("maximum", "max", "max", computed=False),
    Statistic("lowest", "min", "min", computed=False),
    Statistic("minimum", "min", "min", computed=False),
)
_NOT_ADDITIVE = (
    "pct", "perc", "%", "rate", "share", "avg", "average", "mean", "median", "score", "rating", "index",
    "ratio", "per_", "per ", "age", "temp", "prob", "rank", "chance", "elo", "pvi", "margin", "grade",
    "diff", "speed", "height", "weight", "length", "width", "depth", "price", "win", "estimate", "level",
    "year", "fraction", "norm", "stars", "odds", "error", "bias", "quotient", "std", "gini", "pressure",
    "open", "high", "low", "close", "approve", "favor", "oppose", "unsure", "support", "undecided", "bpm",
    "frequency", "concentration", "co2", "expectancy", "income", "health", "p25", "p75", "change",
    "minutes_in", "magnitude", "lean", "serving", "terms", "gdp", "growth", "proportion", "spi",
)  # fmt: skip
_BOUNDS = ("lo", "hi", "lower", "upper")


def statistic(view: View, column: str, rng: Random, *, extremes: bool = True) -> Statistic:
    """One that makes sense for the column; a sum only where the column's name does not speak against it."""
    choices = [*_MEAN] * 2 + ([*_OTHERS] if extremes else [_OTHERS[0]])
    return rng.choice(choices + [*_SUM] * 4 if is_additive(view, column) else choices)


def is_additive(view: View, column: str) -> bool:
    """Whether a total of the column makes sense, as far as its name and its values tell."""
    name, cells = column.casefold(), view.frame[column].dropna()
    if name in _BOUNDS or any(word in name for word in _NOT_ADDITIVE) or (cells < 0).any():
        return False
    return bool((cells % 1 == 0).all() or cells.max() > 1)  # others are fractions, whatever they are called


def by_group(
    view: View, group: str, measure: str, how: Statistic, condition: Condition | None = None
) -> tuple[pd.Series, str]:
    """The statistic of each group in the groups' order, and the SQL of two columns, group `g` and value `v`.

    Args:
        condition: Which rows count.

    Raises:
        Unfit: a group has no number.
    """
    frame = view.frame if condition is None else view.frame[condition.mask]
    values = frame.groupby(group)[measure]
    need((values.count() > 0).all())
    g, m = view.sql(group), view.sql(measure)
    rows = f"{view.source} where {g} is not null and {condition.sql if condition else 'true'}"
    sql = f"select {g} as g, {how.sql}({m}) as v from {rows} group by 1"
    return values.agg(how.pandas), sql


def ranked(values: pd.Series, *, descending: bool, first: int) -> list:
    """The labels of the first values by rank.

    Raises:
        Unfit: two of them, or the last and the one after it, are as good as equal; or there are too few.
    """
    values = values.dropna().sort_values(ascending=not descending, kind="stable")
    need(len(values) > first)
    head = values.iloc[: first + 1].to_numpy(float)
    need((np.abs(np.diff(head)) > 1e-9 * np.maximum(np.abs(head[1:]), 1e-9)).all())
    return list(values.index[:first])


def low_and_high(values: pd.Series) -> tuple[str, str]:
    """The labels of two values.

    Raises:
        Unfit: the values are as good as equal.
    """
    (high,) = ranked(values, descending=True, first=1)
    return values.index[values.index != high].item(), high


def extreme(rng: Random, values: pd.Series) -> tuple[bool, str, str]:
    """Highest or lowest of the values: whether descending, the word, and SQL's."""
    descending = rng.random() < 0.65
    words = wording.HIGHEST if descending else wording.LOWEST
    # Of -5 and -1 it is clear which is the higher one, but not which is the larger.
    word = words[0] if (values < 0).any() else rng.choice(words)
    return descending, word, "desc" if descending else "asc"


def in_order(values: Sequence[str]) -> list[str]:
    """Alphabetically.

    Raises:
        Unfit: capitals would make another order.
    """
    need(sorted(values) == sorted(values, key=str.casefold))
    return sorted(values)
