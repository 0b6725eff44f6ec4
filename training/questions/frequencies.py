"""Families about what occurs how often: the most and least common values, and numbers that name something."""

from __future__ import annotations

from random import Random

import pandas as pd

from training.questions.drafts import (
    Draft,
    equals,
    family,
    in_order,
    labels,
    many_of,
    need,
    pick,
    ranked,
    rows_slots,
    say,
    sql_common,
    sql_count,
)
from training.questions.views import View


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
    cells, (count, many) = view.frame[group], many_of(rng)
    counts = cells.value_counts()
    best = ranked(counts, descending=True, first=count)
    need(cells.isna().sum() < counts[best[-1]])
    sql = sql_common(view, view.sql(group), count)
    slots = {"group": say(view, group, rng), "many": many, "top": "top"}
    return Draft(best, sql, rows_slots(view, rng) | slots)


@family(
    "List the {many} least common {groups}, rarest first.",
    "What are the bottom {many} {groups} by number of {rows}?",
    "Which {many} {groups} have the fewest {rows}?",
    "Name the {many} {groups} that appear least often.",
    "{many} rarest {groups}?",
    "What are the bottom {many} {groups} in terms of {row} count?",
    "Identify the {many} {groups} with the smallest number of {rows}.",
)
def least_common_groups(view: View, rng: Random) -> Draft:
    group = pick(view.roles.groups, rng)
    count, many = many_of(rng)
    best = ranked(view.frame[group].value_counts(), descending=False, first=count)
    sql = sql_common(view, view.sql(group), count, order="asc")
    slots = {"group": say(view, group, rng), "many": many}
    return Draft(best, sql, rows_slots(view, rng) | slots)


@family(
    "What are the {many} most common {groups} among {rows} {where}?",
    "Among the {rows} {where}, which {many} {groups} appear most often?",
    "For {rows} {where}, list the {many} most frequent {groups}.",
    "Only look at {rows} {where}. Which {many} {groups} have the most of them?",
    "top {many} {groups} by number of {rows} {where}?",
    "Name the {many} {groups} with the most {rows} {where}.",
)
def most_common_groups_where(view: View, rng: Random) -> Draft:
    condition, (count, many) = equals(view, rng), many_of(rng)
    group = pick(view.roles.groups, rng, besides=[condition.column])
    cells = view.frame.loc[condition.mask, group]
    counts = cells.value_counts()
    best = ranked(counts, descending=True, first=count)
    need(cells.isna().sum() < counts[best[-1]])
    sql = sql_common(view, view.sql(group), count, where=condition.sql)
    slots = {"group": say(view, group, rng), "many": many, "where": condition.text}
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
    count, many = many_of(rng)
    best = _in_order_of_ties(view.frame[group], count, descending=True)
    sql = sql_common(view, view.sql(group), count, order="desc, 1")
    slots = {"group": say(view, group, rng), "many": many, "top": "top"}
    return Draft(best, sql, rows_slots(view, rng) | slots)


@family(
    "Which {group} is the most common? If there is a tie, take the first in alphabetical order.",
    "What is the most frequent {group}? Break ties alphabetically.",
    "Name the {group} with the most {rows}; of equally frequent ones the first by alphabet.",
    "Which {group} appears most often? If two or more are tied then use alphabetical order.",
    "most common {group} (ties: alphabetical)?",
    "Find the {group} that occurs most often. Should several tie, choose the alphabetically first.",
)
def most_common_tied(view: View, rng: Random) -> Draft:
    group = pick(view.roles.groups, rng)
    best = _in_order_of_ties(view.frame[group], 1, descending=True)
    sql = sql_common(view, view.sql(group), order="desc, 1")
    return Draft(best[0], sql, rows_slots(view, rng) | {"group": say(view, group, rng)})


@family(
    "List the {many} least common {groups}. Break ties alphabetically.",
    "What are the bottom {many} {groups} by number of {rows}? If there is a tie, go by alphabetical order.",
    "Which {many} {groups} have the fewest {rows}? Use alphabetical order to break any ties.",
    "Name the {many} {groups} that appear least often; of equally rare ones the alphabet decides.",
    "{many} rarest {groups} (ties: alphabetical)?",
    "Identify the {many} {groups} with the lowest {row} count, ties sorted alphabetically.",
)
def least_common_with_ties(view: View, rng: Random) -> Draft:
    group, (count, many) = pick(view.roles.groups, rng), many_of(rng)
    best = _in_order_of_ties(view.frame[group], count, descending=False)
    sql = sql_common(view, view.sql(group), count, order="asc, 1")
    slots = {"group": say(view, group, rng), "many": many}
    return Draft(best, sql, rows_slots(view, rng) | slots)


def _in_order_of_ties(cells: pd.Series, count: int, *, descending: bool) -> list[str]:
    """The first values by how often they occur, then by the alphabet.

    Raises:
        Unfit: the alphabet decides nothing, or capitals or missing values would make another order.
    """
    counts = cells.value_counts()
    need(len(counts) > count)
    names = in_order(list(counts.index))
    sign = -1 if descending else 1
    best = sorted(names, key=lambda name: (sign * counts[name], name))[: count + 1]
    need(len({counts[name] for name in best}) < len(best))
    need(not descending or cells.isna().sum() < counts[best[-1]])
    return best[:count]


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
    count, many = many_of(rng)
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
    g, (count, many) = view.sql(group), many_of(rng)
    counts = view.frame[group].value_counts()
    best = ranked(counts, descending=True, first=count)
    need(view.frame[group].isna().sum() < counts[best[-1]])
    sql = sql_count(view, f"{g} is not null group by {g} order by 1 desc limit {count}")
    slots = {"group": say(view, group, rng), "many": many}
    return Draft([int(counts[name]) for name in best], sql, rows_slots(view, rng) | slots)


@family(
    "Which {many} values of {column} have the {most} {rows}?",
    "List the {many} {columns} with the {most} {rows}.",
    "By number of {rows}, what are the {top} {many} {columns}?",
    "Count the {rows} of each {column}: which {many} have the {most}?",
    "{top} {many} {columns} by {row} count?",
    "What are the {many} {columns} that occur in the {most} {rows}?",
)
def labels_by_count(view: View, rng: Random) -> Draft:
    column, (count, many) = pick(labels(view), rng), many_of(rng)
    descending = rng.random() < 0.65
    best = ranked(view.frame[column].value_counts(), descending=descending, first=count)
    sql = sql_common(view, view.sql(column), count, order="desc" if descending else "asc")
    most, top = ("most", "top") if descending else ("fewest", "bottom")
    slots = {"column": say(view, column, rng), "many": many, "most": most, "top": top}
    return Draft([int(value) for value in best], sql, rows_slots(view, rng) | slots)
