"""Families that ask for a list of the first ones by a measure: rows, values, groups."""

from __future__ import annotations

from random import Random

from training.questions.drafts import (
    Condition,
    Draft,
    by_group,
    equals,
    extreme,
    family,
    in_order,
    labels,
    many_of,
    need,
    pick,
    ranked,
    rows_slots,
    say,
    sql_top,
    statistic,
    top_or_bottom,
)
from training.questions.views import View


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
    count, many = many_of(rng)
    cells = view.frame[measure] if condition is None else view.frame.loc[condition.mask, measure]
    values = view.frame.loc[ranked(cells, descending=descending, first=count), column]
    need(values.notna().all())
    sql = sql_top(view, column, measure, order, count, condition.sql if condition else "true")
    slots = {"measure": say(view, measure, rng), slot: say(view, column, rng), "extreme": word}
    slots |= {"many": many, "top": top_or_bottom(word)} | ({"where": condition.text} if condition else {})
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
    count, many = many_of(rng)
    cells = view.frame[measure] if condition is None else view.frame.loc[condition.mask, measure]
    cells = cells.dropna().sort_values(ascending=not descending)
    need(len(cells) > count and cells.iloc[:count].is_unique)  # or it is not clear whether equal ones count
    sql = sql_top(view, measure, measure, order, count, condition.sql if condition else "true")
    slots = {"measure": say(view, measure, rng), "extreme": word, "many": many, "top": top_or_bottom(word)}
    slots |= {"where": condition.text} if condition else {}
    return Draft(cells.iloc[:count].tolist(), sql, rows_slots(view, rng) | slots)


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
    count, many = many_of(rng)
    cells = view.frame[measure].dropna().sort_values(ascending=not descending)
    need(not cells.iloc[:count].is_unique and cells.nunique() > count)
    m = view.sql(measure)
    rows = f"{view.source} where {m} is not null"
    sql = f"select distinct {m} as v from {rows} order by v {order} limit {count}"
    slots = {"measure": say(view, measure, rng), "extreme": word, "many": many}
    return Draft(cells.drop_duplicates().iloc[:count].tolist(), sql, slots)


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
    return _top_groups(view, rng, "group", group, measure)


def _top_groups(
    view: View, rng: Random, slot: str, group: str, measure: str, condition: Condition | None = None
) -> Draft:
    how, (count, many) = statistic(view, measure, rng), many_of(rng)
    need(how.computed)
    values, sql = by_group(view, group, measure, how, condition)
    descending, word, order = extreme(rng, values)
    best = ranked(values, descending=descending, first=count)
    best = [name if isinstance(name, str) else int(name) for name in best]
    slots = {slot: say(view, group, rng), "measure": say(view, measure, rng), "statistic": how.word}
    slots |= {"many": many, "extreme": word, "top": top_or_bottom(word)}
    slots |= {"where": condition.text} if condition else {}
    sql = f"select g from ({sql}) order by v {order} limit {count}"
    return Draft(best, sql, rows_slots(view, rng) | slots)


@family(
    "Among {rows} {where}, which {many} {groups} have the {extreme} {statistic} {measure}?",
    "For {rows} {where}, list the {top} {many} {groups} by {statistic} {measure}.",
    "Looking only at {rows} {where}, name the {many} {groups} with the {extreme} {statistic} {measure}.",
    "Filter to {rows} {where}, group by {group}: which {many} have the {extreme} {statistic} {measure}?",
    "{top} {many} {groups} by {statistic} {measure} {where}",
    "What are the {many} {groups} whose {statistic} {measure} is {extreme}, for {rows} {where}?",
)
def top_groups_where(view: View, rng: Random) -> Draft:
    condition, measure = equals(view, rng), pick(view.roles.measures, rng)
    group = pick(view.roles.groups, rng, besides=[condition.column])
    return _top_groups(view, rng, "group", group, measure, condition)


@family(
    "Which {many} values of {column} have the {extreme} {statistic} {measure}?",
    "List the {top} {many} {columns} by {statistic} {measure}.",
    "Group by {column} and name the {many} with the {extreme} {statistic} {measure}.",
    "What are the {many} {columns} with the {extreme} {statistic} {measure}?",
    "{top} {many} {columns} in terms of {statistic} {measure}?",
    "For which {many} values of {column} is the {statistic} {measure} {extreme}?",
)
def top_labels(view: View, rng: Random) -> Draft:
    column = pick(labels(view), rng)
    return _top_groups(view, rng, "column", column, pick(view.roles.measures, rng, besides=[column]))


@family(
    "Which {many} {rows} have the {extreme} {measure}? Give the {key}, ties in alphabetical order.",
    "List the {key} of the {many} {rows} with the {extreme} {measure}. Break ties alphabetically.",
    "What are the {top} {many} {rows} in terms of {measure}? Name the {key}; the alphabet breaks ties.",
    "{top} {many} by {measure}, give the {key} (ties: alphabetical)",
    "Sort by {measure} and, where that is equal, by {key} from A to Z: which {many} have the {extreme} one?",
    "Name the {many} {rows} with the {extreme} {measure} (their {key}); of equal ones the first by name.",
)
def top_rows_with_ties(view: View, rng: Random) -> Draft:
    key, measure = pick(view.roles.keys, rng), pick(view.roles.measures, rng)
    descending, word, order = extreme(rng, view.frame[measure])
    count, many = many_of(rng)
    rows = view.frame[[key, measure]].dropna().sort_values([measure, key], ascending=[not descending, True])
    first = rows[: count + 1]
    need(len(first) > count and first[measure].duplicated().any())
    equal = rows[rows[measure].isin(first[measure])]
    for _, names in equal.groupby(measure)[key]:
        in_order(list(names))
    sql = sql_top(view, key, measure, f"{order}, {view.sql(key)}", count)
    slots = {"key": say(view, key, rng), "measure": say(view, measure, rng), "extreme": word}
    slots |= {"many": many, "top": top_or_bottom(word)}
    return Draft(first[key].iloc[:count].tolist(), sql, rows_slots(view, rng) | slots)
