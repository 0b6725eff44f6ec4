"""Families that ask for a list: one value for each group or year, or all that meet a condition."""

from __future__ import annotations

from random import Random

from training.questions import wording
from training.questions.drafts import (
    Draft,
    any_condition,
    by_group,
    complete,
    extreme,
    family,
    in_order,
    need,
    pick,
    ranked,
    rows_slots,
    say,
    sql_count,
    statistic,
)
from training.questions.views import View, identifier, literal, sayable


@family(
    "Which {groups} have more than {limit} {rows}?",
    "List every {group} with more than {limit} {rows}.",
    "For which {group} are there over {limit} {rows}?",
    "Show the {groups} that occur more than {limit} times.",
    "{groups} with more than {limit} {rows}?",
    "Find all {groups} that appear in more than {limit} {rows}.",
)
def frequent_groups(view: View, rng: Random) -> Draft:
    group = pick(view.roles.groups, rng)
    counts, g = view.frame[group].value_counts(), view.sql(group)
    limit = pick([n for n in sorted(set(counts)) if 2 <= (counts > n).sum() <= 8], rng)
    limit = rng.randint(limit, int(counts[counts > limit].min()) - 1)
    sql = f"select {g} from {view.source} where {g} is not null group by 1 having count(*) > {limit}"
    best = counts[counts > limit].index.tolist()
    slots = {"group": say(view, group, rng), "limit": str(limit)}
    return Draft(sorted(best), f"{sql} order by 1", rows_slots(view, rng) | slots)


@family(
    "Which different values does {group} have? List them alphabetically.",
    "List all distinct {groups} in alphabetical order.",
    "What are the unique values of {group}, from A to Z?",
    "Give me every {group} that occurs in the data, sorted alphabetically.",
    "all the different {groups}, alphabetically",
    "What kinds of {group} are there? Sort them by name.",
)
def distinct_groups(view: View, rng: Random) -> Draft:
    groups = [name for name in complete(view, view.roles.groups) if view.frame[name].nunique() <= 10]
    group = pick(groups, rng)
    g = view.sql(group)
    sql = f"select distinct {g} as v from {view.source} order by v"
    return Draft(in_order(view.frame[group].unique().tolist()), sql, {"group": say(view, group, rng)})


@family(
    "Which {rows} are there {where}? List the {key} of each.",
    "List the {key} of all {rows} {where}.",
    "Give the {key} of every one of the {rows} {where}.",
    "What is the {key} of the {rows} {where}? Name all of them.",
    "{key} of {rows} {where}",
    "Find the {rows} {where} and list each {key}.",
)
def names_where(view: View, rng: Random) -> Draft:
    key, condition = pick(view.roles.keys, rng), any_condition(view, rng)
    need(2 <= condition.mask.sum() <= 6)
    k = view.sql(key)
    sql = f"select {k} from {view.source} where {condition.sql} order by 1"
    slots = {"key": say(view, key, rng), "where": condition.text}
    return Draft(sorted(view.frame.loc[condition.mask, key]), sql, rows_slots(view, rng) | slots)


@family(
    "How many {rows} are there for each {group}: {names}, in that order?",
    "Count the {rows} for each of these values of {group}, in this order: {names}.",
    "How many {rows} have {group} equal to {names}, respectively?",
    "Give the number of {rows} for {group} {names}, in the order given.",
    "number of {rows} by {group}: {names} (same order)?",
    "List the counts of {rows} whose {group} is {names}, in that order.",
)
def counts_in_order(view: View, rng: Random) -> Draft:
    group = pick(view.roles.groups, rng)
    counts, g = view.frame[group].value_counts(), view.sql(group)
    names = rng.sample(sorted(counts.index), min(len(counts), rng.choice((2, 3, 3, 4))))
    cases = "".join(f" when {literal(name)} then {i}" for i, name in enumerate(names))
    those = ", ".join(map(literal, names))
    sql = sql_count(view, f"{g} in ({those}) group by {g} order by case {g}{cases} end")
    slots = {"group": say(view, group, rng), "names": wording.listed(names)}
    return Draft([int(counts[name]) for name in names], sql, rows_slots(view, rng) | slots)


@family(
    "What is the {statistic} {measure} of each {group}, in alphabetical order of {group}?",
    "List the {statistic} {measure} for every {group}, ordered alphabetically by {group}.",
    "Break {measure} down by {group}: what is the {statistic} for each, in alphabetical order?",
    "For each {group} (alphabetically), give the {statistic} {measure}.",
    "{statistic} {measure} per {group}, sorted by {group} name",
    "Group the {rows} by {group} from A to Z and list the {statistic} {measure} of each group.",
)
def values_by_group(view: View, rng: Random) -> Draft:
    group = pick([name for name in view.roles.groups if view.frame[name].nunique() <= 8], rng)
    measure = pick(view.roles.measures, rng)
    how = statistic(view, measure, rng)
    values, sql = by_group(view, group, measure, how)
    in_order(list(values.index))
    slots = {"group": say(view, group, rng), "measure": say(view, measure, rng), "statistic": how.word}
    answer = values.sort_index().tolist()
    return Draft(answer, f"select v from ({sql}) order by g", rows_slots(view, rng) | slots, how.computed)


@family(
    "For each {group}, which {key} has the {extreme} {measure}? List them in alphabetical order of {group}.",
    "Name the {key} with the {extreme} {measure} within each {group}, ordered by {group} from A to Z.",
    "Within every {group}, find the {key} with the {extreme} {measure}; sort by {group}.",
    "Take the {row} with the {extreme} {measure} from each {group}; list the {key}, groups from A to Z.",
    "{key} with the {extreme} {measure} per {group} (alphabetical by {group})",
    "Which {row} in each {group} has the {extreme} {measure}? Give the {key}, ordered by {group}.",
)
def firsts_by_group(view: View, rng: Random) -> Draft:
    key, measure = pick(view.roles.keys, rng), pick(view.roles.measures, rng)
    group = pick([name for name in view.roles.groups if view.frame[name].nunique() <= 6], rng)
    descending, word, order = extreme(rng, view.frame[measure])
    groups = view.frame.groupby(group)[measure]
    in_order(list(groups.groups))
    firsts = [ranked(values, descending=descending, first=1)[0] for _, values in groups]
    g, m = view.sql(group), view.sql(measure)
    sql = (
        f"select {view.sql(key)} from {view.source} where {g} is not null and {m} is not null "
        f"qualify row_number() over (partition by {g} order by {m} {order}) = 1 order by {g}"
    )
    slots = {"group": say(view, group, rng), "measure": say(view, measure, rng), "key": say(view, key, rng)}
    answer = view.frame.loc[firsts, key].tolist()
    return Draft(answer, sql, rows_slots(view, rng) | slots | {"extreme": word})


@family(
    "Which columns have missing values?",
    "List the columns that contain missing values.",
    "In which columns are values missing?",
    "What columns have at least one empty cell?",
    "which columns have gaps in them",
    "Name every column with null values.",
    "Find all columns that are not completely filled.",
)
def columns_with_missing(view: View, rng: Random) -> Draft:
    frame = view.files[view.source]
    names = [name for name in frame.columns if frame[name].isna().any()]
    need(2 <= len(names) <= 8 and all(map(sayable, names)))
    missing = [f"count(*) filter (where {identifier(name)} is null)" for name in frame.columns]
    columns = f"unnest([{', '.join(map(literal, frame.columns))}]) as c, unnest([{', '.join(missing)}]) as n"
    return Draft(names, f"select c from (select {columns} from {view.source}) where n > 0", {})


@family(
    "In which years was the {statistic} {measure} {above} {limit}?",
    "List the years with a {statistic} {measure} {above} {limit}.",
    "Which years had a {statistic} {measure} {above} {limit}?",
    "Find all years whose {statistic} {measure} is {above} {limit}.",
    "years with {statistic} {measure} {above} {limit}?",
    "Group by {year} and name the years where the {statistic} {measure} is {above} {limit}.",
)
def years_where(view: View, rng: Random) -> Draft:
    year, measure = pick(view.roles.years, rng), pick(view.roles.measures, rng)
    need(len(view.roles.years) == 1)
    how = statistic(view, measure, rng)
    need(how.computed)
    values, sql = by_group(view, year, measure, how)
    ordered = sorted(values)
    need(len(ordered) > 3)
    limit = float(f"{ordered[-rng.randint(3, min(7, len(ordered)))]:.3g}")
    years = values[values > limit].index.tolist()
    need(2 <= len(years) <= 8 and "e" not in str(limit))
    slots = {"statistic": how.word, "measure": say(view, measure, rng), "year": year}
    slots |= {"limit": wording.number(limit), "above": rng.choice(wording.ABOVE)}
    return Draft(years, f"select g from ({sql}) where v > {limit} order by 1", slots)
