"""Families about order: extremes, most common values, ranks and places; each asks for one name or number."""

from __future__ import annotations

from random import Random

import pandas as pd

from training.questions.drafts import (
    Draft,
    by_group,
    complete,
    equals,
    extreme,
    family,
    need,
    pick,
    ranked,
    rows_slots,
    say,
    sql_common,
    sql_top,
    statistic,
)
from training.questions.views import View, literal

_ORDINALS = {2: ("second", "2nd"), 3: ("third", "3rd"), 4: ("fourth", "4th"), 5: ("fifth", "5th")}


@family(
    "Which {key} has the {extreme} {measure}?",
    "What is the {key} with the {extreme} {measure}?",
    "What {key} has the {extreme} {measure}?",
    "Find the {key} of the {row} with the {extreme} {measure}.",
    "{key} with the {extreme} {measure}?",
    "Sorted by {measure}, which {key} has the {extreme} value?",
    "Tell me which {key} has the {extreme} {measure}.",
    "who or what has the {extreme} {measure}? give the {key}",
    "{extreme} {measure} - which {key} is that?",
)
def row_extreme(view: View, rng: Random) -> Draft:
    key, measure = pick(view.roles.keys, rng), pick(view.roles.measures, rng)
    return _of_extreme(view, rng, measure, key, slot="key")


@family(
    "What is the {other} of the {row} with the {extreme} {measure}?",
    "Which {other} does the {row} with the {extreme} {measure} have?",
    "Which {other} does the {row} with the {extreme} {measure} belong to?",
    "Take the {row} with the {extreme} {measure}. What is its {other}?",
    "{other} of the {row} with the {extreme} {measure}?",
    "Find the {row} having the {extreme} {measure} and tell me the {other}.",
)
def attribute_of_extreme(view: View, rng: Random) -> Draft:
    measure, other = pick(view.roles.measures, rng), pick(view.roles.groups, rng)
    return _of_extreme(view, rng, measure, other)


@family(
    "What is the {other} of the {row} with the {extreme} {measure}?",
    "What {other} does the {row} with the {extreme} {measure} have?",
    "Take the {row} with the {extreme} {measure}: what is its {other}?",
    "Find the {row} that has the {extreme} {measure} and give me its {other}.",
    "{other} of the {row} with the {extreme} {measure}?",
    "Which {other} value goes with the {extreme} {measure}?",
)
def number_of_extreme(view: View, rng: Random) -> Draft:
    measure = pick(view.roles.measures, rng)
    other = pick((*view.roles.measures, *view.roles.years), rng, besides=[measure])
    return _of_extreme(view, rng, measure, other)


def _of_extreme(view: View, rng: Random, measure: str, other: str, slot: str = "other") -> Draft:
    descending, word, order = extreme(rng, view.frame[measure])
    (index,) = ranked(view.frame[measure], descending=descending, first=1)
    value = view.frame.loc[index, other]
    need(value == value)
    sql = sql_top(view, other, measure, order)
    slots = {"measure": say(view, measure, rng), slot: say(view, other, rng), "extreme": word}
    return Draft(value if isinstance(value, str) else value.item(), sql, rows_slots(view, rng) | slots)


@family(
    "What rank does {name} have by {measure}, counting from the highest (1 = highest)?",
    "If the {rows} are sorted by {measure} from high to low, at which position is {name}?",
    "Where does {name} rank in terms of {measure}, with 1 for the highest?",
    "Rank the {rows} by {measure}, highest first. What is the rank of {name}?",
    "{name}'s position by {measure} (1st = highest)?",
    "With the highest {measure} as number 1, which number is {name}?",
)
def rank_of(view: View, rng: Random) -> Draft:
    key, measure = pick(view.roles.keys, rng), pick(complete(view, view.roles.measures), rng)
    cells = view.frame[measure]
    index = rng.randrange(len(cells))
    need((cells == cells[index]).sum() == 1)
    name, m = view.frame.loc[index, key], view.sql(measure)
    ranks = f"select {view.sql(key)} as k, rank() over (order by {m} desc) as r from {view.source}"
    sql = f"select r from ({ranks}) where k = {literal(name)}"
    slots = {"measure": say(view, measure, rng), "name": name}
    return Draft(int((cells > cells[index]).sum()) + 1, sql, rows_slots(view, rng) | slots)


@family(
    "Which year has the {extreme} {statistic} {measure}?",
    "In which year was the {statistic} {measure} {extreme}?",
    "What year had the {extreme} {statistic} {measure}?",
    "Find the year with the {extreme} {statistic} {measure}.",
    "year with {extreme} {statistic} {measure}?",
    "Group by {year}: for which one is the {statistic} {measure} the {extreme}?",
)
def year_of_extreme(view: View, rng: Random) -> Draft:
    year, measure = pick(view.roles.years, rng), pick(view.roles.measures, rng)
    need(len(view.roles.years) == 1)
    how = statistic(view, measure, rng)
    need(how.computed)
    values, sql = by_group(view, year, measure, how)
    descending, word, order = extreme(rng, values)
    (best,) = ranked(values, descending=descending, first=1)
    slots = {"extreme": word, "statistic": how.word, "measure": say(view, measure, rng), "year": year}
    return Draft(int(best), f"select g from ({sql}) order by v {order} limit 1", slots)


@family(
    "Which {group} has the {extreme} {statistic} {measure}?",
    "What is the {group} with the {extreme} {statistic} {measure}?",
    "For which {group} is the {statistic} {measure} {extreme}?",
    "Group the {rows} by {group}. Which one has the {extreme} {statistic} {measure}?",
    "{group} with the {extreme} {statistic} {measure}?",
    "Find the {group} whose {statistic} {measure} is the {extreme}.",
    "which {group} comes out {extreme} by {statistic} {measure}",
    "{statistic} {measure} by {group}: which is {extreme}?",
)
def group_extreme(view: View, rng: Random) -> Draft:
    return _group_extreme(view, rng, pick(view.roles.groups, rng))


def _group_extreme(view: View, rng: Random, group: str) -> Draft:
    measure = pick(view.roles.measures, rng)
    how = statistic(view, measure, rng)
    need(how.computed)  # "the highest lowest price" is said by no one
    values, sql = by_group(view, group, measure, how)
    descending, word, order = extreme(rng, values)
    (best,) = ranked(values, descending=descending, first=1)
    slots = {"extreme": word, "statistic": how.word, "measure": say(view, measure, rng)}
    slots |= rows_slots(view, rng) | {"group": say(view, group, rng)}
    return Draft(best, f"select g from ({sql}) order by v {order} limit 1", slots)


@family(
    "Which {group} has the {extreme} {statistic} {measure}? Also draw a bar chart of all of them.",
    "Plot the {statistic} {measure} of each {group} as a bar chart. Which {group} has the {extreme}?",
    "What {group} has the {extreme} {statistic} {measure}? Show it in a bar chart, too.",
    "Draw a bar chart of {statistic} {measure} per {group} and name the {group} with the {extreme} value.",
    "I need a bar chart with the {statistic} {measure} for every {group}. Which one is {extreme}?",
    "chart the {statistic} {measure} by {group}, and which {group} is {extreme}?",
)
def chart(view: View, rng: Random) -> Draft:
    groups = [name for name in view.roles.groups if view.frame[name].nunique() <= 20]
    return _group_extreme(view, rng, pick(groups, rng))


@family(
    "What is the most common {group}?",
    "Which {group} is the most common?",
    "Which {group} appears most often in the dataset?",
    "What's the most frequent {group} among the {rows}?",
    "most common {group}?",
    "Which {group} has the most {rows}?",
    "Find the {group} that occurs most often.",
    "Which {group} do we see the most?",
)
def most_common(view: View, rng: Random) -> Draft:
    return _most_common(view, rng, None, "true", {})


def _most_common(view: View, rng: Random, rows: pd.Series | None, where: str, slots: dict, group="") -> Draft:
    group = group or pick(view.roles.groups, rng)
    cells = view.frame[group] if rows is None else view.frame.loc[rows, group]
    counts = cells.value_counts()
    (best,) = ranked(counts, descending=True, first=1)
    need(cells.isna().sum() < counts[best])
    sql = sql_common(view, view.sql(group), where=where)
    return Draft(best, sql, rows_slots(view, rng) | {"group": say(view, group, rng)} | slots)


@family(
    "What is the most common {group} among {rows} {where}?",
    "Among the {rows} {where}, which {group} is most common?",
    "Which {group} appears most often for {rows} {where}?",
    "For {rows} {where}, what's the most frequent {group}?",
    "most common {group} {where}?",
    "Only look at {rows} {where}. Which {group} has the most of them?",
)
def pivot_most_common(view: View, rng: Random) -> Draft:
    condition = equals(view, rng)
    group = pick(view.roles.groups, rng, besides=[condition.column])
    need(condition.mask.sum() >= 5)
    return _most_common(view, rng, condition.mask, condition.sql, {"where": condition.text}, group)


@family(
    "Which {group} is the least common?",
    "What is the least frequent {group}?",
    "Which {group} has the fewest {rows}?",
    "Which {group} appears least often in the data?",
    "rarest {group}?",
    "Find the {group} with the smallest number of {rows}.",
)
def least_common(view: View, rng: Random) -> Draft:
    group = pick(view.roles.groups, rng)
    counts = view.frame[group].value_counts()
    (best,) = ranked(counts, descending=False, first=1)
    sql = sql_common(view, view.sql(group), order="asc")
    return Draft(best, sql, rows_slots(view, rng) | {"group": say(view, group, rng)})


@family(
    "Which {key} has the {ordinal} {extreme} {measure}?",
    "What is the {key} with the {ordinal} {extreme} {measure}?",
    "Sort the {rows} by {measure}: which {key} has the {ordinal} {extreme} one?",
    "{ordinal} {extreme} {measure}: which {key}?",
    "Who or what has the {ordinal} {extreme} {measure}? I need the {key}.",
    "Find the {key} that comes {ordinal} when looking for the {extreme} {measure}.",
)
def row_by_place(view: View, rng: Random) -> Draft:
    key, measure = pick(view.roles.keys, rng), pick(view.roles.measures, rng)
    descending, word, order = extreme(rng, view.frame[measure])
    place = rng.choice(list(_ORDINALS))
    cells = view.frame[measure]
    index = ranked(cells, descending=descending, first=place)[-1]
    sql = f"{sql_top(view, key, measure, order)} offset {place - 1}"
    slots = {"key": say(view, key, rng), "measure": say(view, measure, rng), "extreme": word}
    slots |= rows_slots(view, rng) | {"ordinal": rng.choice(_ORDINALS[place])}
    return Draft(view.frame.loc[index, key], sql, slots)


@family(
    "Which {key} has the {extreme} {measure} among the {rows} {where}?",
    "Among {rows} {where}, what {key} has the {extreme} {measure}?",
    "Of the {rows} {where}, which {key} has the {extreme} {measure}?",
    "Looking only at {rows} {where}, find the {key} with the {extreme} {measure}.",
    "{key} with the {extreme} {measure} {where}?",
    "Filter to {rows} {where}. Which {key} has the {extreme} {measure}?",
)
def row_extreme_where(view: View, rng: Random) -> Draft:
    key, measure, condition = pick(view.roles.keys, rng), pick(view.roles.measures, rng), equals(view, rng)
    descending, word, order = extreme(rng, view.frame[measure])
    (index,) = ranked(view.frame.loc[condition.mask, measure], descending=descending, first=1)
    sql = sql_top(view, key, measure, order, where=condition.sql)
    slots = {"key": say(view, key, rng), "measure": say(view, measure, rng), "extreme": word}
    slots |= rows_slots(view, rng) | {"where": condition.text}
    return Draft(view.frame.loc[index, key], sql, slots)


@family(
    "Which {group} does {name} belong to?",
    "What is the {group} of {name}?",
    "What {group} is listed for {name}?",
    "Look up {name}: what is the {group}?",
    "{group} of {name}?",
    "I'm looking for {name}. Which {group} is it?",
)
def lookup_group(view: View, rng: Random) -> Draft:
    key = pick(view.roles.keys, rng)
    group = pick(view.roles.groups, rng, besides=[key])
    row = view.frame.loc[rng.randrange(len(view.frame))]
    need(row.notna()[group])
    sql = f"select {view.sql(group)} from {view.source} where {view.sql(key)} = {literal(row[key])}"
    return Draft(row[group], sql, {"group": say(view, group, rng), "name": row[key]})


@family(
    "Which of these columns is most strongly correlated with {measure}: {choices}?",
    "Out of {choices}, which one has the strongest correlation with {measure}?",
    "Of {choices}, which column correlates most with {measure} (largest absolute value)?",
    "What goes along with {measure} the most: {choices}? Give the column's name.",
    "Compare the correlations of {choices} with {measure}. Which column's is strongest, in absolute value?",
    "strongest correlation with {measure}, in absolute terms: {choices}?",
)
def strongest_correlation(view: View, rng: Random) -> Draft:
    measure = pick(view.roles.measures, rng)
    others = [name for name in view.roles.measures if name != measure]
    need(len(others) >= 3)
    choices = rng.sample(others, 3)
    values = pd.Series({c: abs(view.frame[measure].corr(view.frame[c])) for c in choices})
    need(values.notna().all() and (values < 0.9999).all())
    (best,) = ranked(values, descending=True, first=1)
    parts = [
        f"select {literal(c)} as c, abs(corr({view.sql(measure)}, {view.sql(c)})) as r from {view.source}"
        for c in choices
    ]
    sql = f"select c from ({' union all '.join(parts)}) order by r desc limit 1"
    names = f"{choices[0]}, {choices[1]} or {choices[2]}"
    return Draft(best, sql, {"measure": say(view, measure, rng), "choices": names})
