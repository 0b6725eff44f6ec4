"""Families that ask for a list of the first ones: rows, values, groups, and the most common."""

from __future__ import annotations

from random import Random

from training.questions import wording
from training.questions.drafts import (
    Condition,
    Draft,
    by_group,
    equals,
    extreme,
    family,
    in_order,
    need,
    pick,
    ranked,
    rows_slots,
    say,
    sql_common,
    sql_count,
    sql_top,
    statistic,
)
from training.questions.views import View

_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


def _many(rng: Random) -> tuple[int, str]:
    count = rng.choice((2, 3, 3, 4, 5, 5, 6))
    return count, rng.choice((str(count), str(count), _NUMBERS[count]))


def _most_of(word: str) -> str:
    """Top or bottom."""
    return "top" if word in wording.HIGHEST else "bottom"


@family(
    "List the {top} {many} {keys} by {measure}.",
    "Which {many} {rows} have the {extreme} {measure}? Give the {key}.",
    "Name the {many} {rows} with the {extreme} {measure} (their {key}).",
    "What are the {top} {many} {rows} in terms of {measure}? List the {key} of each.",
    "{top} {many} by {measure}, give me the {key}",
    "{top} {many} {keys} for {measure}?",
    "Identify the {many} {rows} with the {extreme} {measure} by {key}.",
    "Enumerate the {key} of the {many} {rows} with the {extreme} {measure}.",
)
def top_rows(view: View, rng: Random) -> Draft:
    return _column_of_top(view, rng, "key", pick(view.roles.keys, rng))


@family(
    "What are the {others} of the {many} {rows} with the {extreme} {measure}?",
    "List the {other} of the {many} {rows} with the {extreme} {measure}.",
    "For the {many} {rows} with the {extreme} {measure}, what is the {other} of each?",
    "Give the {other} of the {top} {many} {rows} by {measure}, in that order.",
    "{other} for the {top} {many} {rows} by {measure}?",
    "Sort by {measure} and show the {other} of the {many} {rows} with the {extreme} values.",
)
def values_of_top_rows(view: View, rng: Random) -> Draft:
    return _column_of_top(view, rng, "other", pick((*view.roles.measures, *view.roles.years), rng))


@family(
    "What is the {other} of each of the {many} {rows} with the {extreme} {measure}?",
    "List the {other} of the {many} {rows} with the {extreme} {measure}, repeats included.",
    "For the {top} {many} {rows} by {measure}, name the {other} of each.",
    "What are the {others} of the {many} {rows} with the {extreme} {measure}? Keep repeated ones.",
    "Give me the {other} of the {top} {many} {rows} by {measure}, one for each.",
    "{top} {many} {rows} by {measure}: list their {other}, one per {row}",
)
def groups_of_top_rows(view: View, rng: Random) -> Draft:
    return _column_of_top(view, rng, "other", pick(view.roles.groups, rng))


def _column_of_top(
    view: View, rng: Random, slot: str, column: str, condition: Condition | None = None
) -> Draft:
    measure = pick(view.roles.measures, rng, besides=[column])
    descending, word, order = extreme(rng, view.frame[measure])
    count, many = _many(rng)
    cells = view.frame[measure] if condition is None else view.frame.loc[condition.mask, measure]
    values = view.frame.loc[ranked(cells, descending=descending, first=count), column]
    need(values.notna().all())
    sql = sql_top(view, column, measure, order, count, condition.sql if condition else "true")
    slots = {"measure": say(view, measure, rng), slot: say(view, column, rng), "extreme": word}
    slots |= {"many": many, "top": _most_of(word)} | ({"where": condition.text} if condition else {})
    return Draft(values.tolist(), sql, rows_slots(view, rng) | slots)


@family(
    "What are the {top} {many} {measure} values?",
    "List the {many} {extreme} values of {measure}.",
    "What are the {many} {extreme} {measure} values in the dataset?",
    "Give me the {many} {extreme} {measure} figures.",
    "{many} {extreme} {measure} values?",
    "Enumerate the {many} {extreme} values found in {measure}.",
    "Sort {measure} and report the {many} {extreme} numbers.",
)
def top_values(view: View, rng: Random) -> Draft:
    return _top_values(view, rng, None)


@family(
    "What are the {many} {extreme} {measure} values among {rows} {where}?",
    "List the {many} {extreme} {measure} values of {rows} {where}.",
    "For {rows} {where}, give the {many} {extreme} values of {measure}.",
    "Filter to {rows} {where} and report the {many} {extreme} {measure} values.",
    "{many} {extreme} {measure} values {where}?",
    "Only among {rows} {where}: what are the {many} {extreme} {measure} figures?",
)
def top_values_where(view: View, rng: Random) -> Draft:
    return _top_values(view, rng, equals(view, rng))


def _top_values(view: View, rng: Random, condition: Condition | None) -> Draft:
    measure = pick(view.roles.measures, rng)
    descending, word, order = extreme(rng, view.frame[measure])
    count, many = _many(rng)
    cells = view.frame[measure] if condition is None else view.frame.loc[condition.mask, measure]
    cells = cells.dropna().sort_values(ascending=not descending)
    need(len(cells) > count and cells.iloc[:count].is_unique)  # or it is not clear whether equal ones count
    sql = sql_top(view, measure, measure, order, count, condition.sql if condition else "true")
    slots = {"measure": say(view, measure, rng), "extreme": word, "many": many, "top": _most_of(word)}
    slots |= {"where": condition.text} if condition else {}
    return Draft(cells.iloc[:count].tolist(), sql, rows_slots(view, rng) | slots)


@family(
    "What are the {many} most common values of {column}?",
    "List the {many} most frequent {columns}.",
    "Which {many} {columns} appear most often?",
    "Give me the {many} most common {columns}, most frequent first.",
    "{many} most common {columns}?",
    "Count how often each {column} occurs and list the {many} that occur most.",
)
def most_common_numbers(view: View, rng: Random) -> Draft:
    column = pick((*view.roles.measures, *view.roles.years), rng)
    count, many = _many(rng)
    best = ranked(view.frame[column].value_counts(), descending=True, first=count)
    return Draft(
        best, sql_common(view, view.sql(column), count), {"column": say(view, column, rng), "many": many}
    )


@family(
    "How many {rows} do the {many} most common {groups} have, largest first?",
    "What are the {row} counts of the {many} most frequent {groups}, in descending order?",
    "Count the {rows} by {group} and give the {many} largest counts.",
    "For the {many} most common {groups}, list the number of {rows} of each, from high to low.",
    "{many} biggest counts of {rows} by {group}?",
    "List the {many} highest numbers of {rows} that share a {group}.",
)
def top_counts(view: View, rng: Random) -> Draft:
    group = pick(view.roles.groups, rng)
    g, (count, many) = view.sql(group), _many(rng)
    counts = view.frame[group].value_counts()
    best = ranked(counts, descending=True, first=count)
    need(view.frame[group].isna().sum() < counts[best[-1]])
    sql = sql_count(view, f"{g} is not null group by {g} order by 1 desc limit {count}")
    slots = {"group": say(view, group, rng), "many": many}
    return Draft([int(counts[name]) for name in best], sql, rows_slots(view, rng) | slots)


@family(
    "Which {many} {rows} {where} have the {extreme} {measure}? Give the {key}.",
    "List the {key} of the {many} {rows} {where} that have the {extreme} {measure}.",
    "Among {rows} {where}, name the {many} with the {extreme} {measure} (their {key}).",
    "Looking only at {rows} {where}, what are the {top} {many} by {measure}? List the {key}.",
    "{top} {many} by {measure} {where}, give the {key}",
    "Of the {rows} {where}, list the {many} with the {extreme} {measure} by {key}.",
)
def top_rows_where(view: View, rng: Random) -> Draft:
    return _column_of_top(view, rng, "key", pick(view.roles.keys, rng), equals(view, rng))


@family(
    "What are the {many} {extreme} different values of {measure}?",
    "List the {many} {extreme} distinct {measure} values.",
    "Without counting repeats, what are the {many} {extreme} values of {measure}?",
    "Give the {many} {extreme} unique {measure} values.",
    "{many} {extreme} unique values in {measure}?",
    "Ignore ties: which {many} different {measure} values are the {extreme}?",
)
def top_distinct_values(view: View, rng: Random) -> Draft:
    measure = pick(view.roles.measures, rng)
    descending, word, order = extreme(rng, view.frame[measure])
    count, many = _many(rng)
    cells = view.frame[measure].dropna().sort_values(ascending=not descending)
    need(not cells.iloc[:count].is_unique and cells.nunique() > count)
    m = view.sql(measure)
    rows = f"{view.source} where {m} is not null"
    sql = f"select distinct {m} as v from {rows} order by v {order} limit {count}"
    slots = {"measure": say(view, measure, rng), "extreme": word, "many": many}
    return Draft(cells.drop_duplicates().iloc[:count].tolist(), sql, slots)


@family(
    "List the {many} most common {groups}.",
    "What are the {top} {many} {groups} by number of {rows}?",
    "Name the {many} {groups} with the most {rows}.",
    "Which {many} {groups} are the most frequent?",
    "{many} most common {groups}?",
    "Identify the {many} {groups} that appear most often.",
)
def most_common_groups(view: View, rng: Random) -> Draft:
    group = pick(view.roles.groups, rng)
    cells, (count, many) = view.frame[group], _many(rng)
    counts = cells.value_counts()
    best = ranked(counts, descending=True, first=count)
    need(cells.isna().sum() < counts[best[-1]])
    sql = sql_common(view, view.sql(group), count)
    slots = {"group": say(view, group, rng), "many": many, "top": "top"}
    return Draft(best, sql, rows_slots(view, rng) | slots)


@family(
    "List the {many} most common {groups}. Break ties alphabetically.",
    "What are the {top} {many} {groups} by number of {rows}? If there is a tie, go by alphabetical order.",
    "Name the {many} {groups} with the most {rows}, ties broken by alphabetical order.",
    "Which {many} {groups} are the most frequent? Use alphabetical order to break any ties.",
    "{many} most common {groups} (ties: alphabetical)?",
    "Identify the {many} {groups} that appear most often; of equally frequent ones the alphabet decides.",
)
def most_common_with_ties(view: View, rng: Random) -> Draft:
    group = pick(view.roles.groups, rng)
    counts, (count, many) = view.frame[group].value_counts(), _many(rng)
    need(len(counts) > count)
    names = in_order(list(counts.index))
    best = sorted(names, key=lambda name: (-counts[name], name))[: count + 1]
    need(counts[best[-1]] == counts[best[-2]] and view.frame[group].isna().sum() < counts[best[-1]])
    sql = sql_common(view, view.sql(group), count, order="desc, 1")
    slots = {"group": say(view, group, rng), "many": many, "top": "top"}
    return Draft(best[:count], sql, rows_slots(view, rng) | slots)


@family(
    "Which {many} {groups} have the {extreme} {statistic} {measure}?",
    "List the {top} {many} {groups} by {statistic} {measure}.",
    "Name the {many} {groups} with the {extreme} {statistic} {measure}.",
    "Group by {group} and give the {many} with the {extreme} {statistic} {measure}.",
    "{top} {many} {groups} by {statistic} {measure}",
    "What are the {many} {groups} whose {statistic} {measure} is {extreme}?",
)
def top_groups(view: View, rng: Random) -> Draft:
    group, measure = pick(view.roles.groups, rng), pick(view.roles.measures, rng)
    how, (count, many) = statistic(view, measure, rng), _many(rng)
    need(how.computed)
    values, sql = by_group(view, group, measure, how)
    descending, word, order = extreme(rng, values)
    best = ranked(values, descending=descending, first=count)
    slots = {"group": say(view, group, rng), "measure": say(view, measure, rng), "statistic": how.word}
    slots |= {"many": many, "extreme": word, "top": _most_of(word)}
    return Draft(best, f"select g from ({sql}) order by v {order} limit {count}", slots)
