"""Families that ask for one number: counts, statistics, shares, differences, correlations."""

from __future__ import annotations

import re
from random import Random

import numpy as np

from training.questions.drafts import (
    Draft,
    any_condition,
    by_group,
    call_both,
    compares,
    complete,
    equals,
    family,
    is_additive,
    need,
    pick,
    round_limit,
    rows_slots,
    say,
    sql_count,
    statistic,
)
from training.questions.views import View, literal

# What a large number is given in, and how much that is.
_UNITS = {"thousands": 1_000, "millions": 1_000_000}
# A column that says so itself has another unit already, or none that is given in thousands.
_HAS_UNIT = re.compile(
    r"hundred|thousand|million|billion|000|%|percent|pct|rate|index|(?:^|[\W_])(?:k|m|mn|bn)(?:$|[\W_])", re.I
)


@family(
    "How many {rows} are there {where}?",
    "Count the {rows} {where}.",
    "What is the number of {rows} {where}?",
    "I need the number of {rows} {where}.",
    "how many {rows} {where}",
    "{rows} {where} - how many do we have?",
    "Tell me how many {rows} there are {where}.",
    "{where}: how many {rows} is that?",
)
def count_equal(view: View, rng: Random) -> Draft:
    condition = equals(view, rng)
    sql = sql_count(view, condition.sql)
    return Draft(int(condition.mask.sum()), sql, rows_slots(view, rng) | {"where": condition.text})


@family(
    "How many {rows} are there {where}?",
    "Count the {rows} {where}.",
    "What number of {rows} do we have {where}?",
    "Find the number of {rows} {where}.",
    "number of {rows} {where}?",
    "How many of the {rows} are the ones {where}?",
)
def count_compared(view: View, rng: Random) -> Draft:
    condition = compares(view, rng)
    sql = sql_count(view, condition.sql)
    return Draft(int(condition.mask.sum()), sql, rows_slots(view, rng) | {"where": condition.text})


@family(
    "How many {rows} are there {where} and {other}?",
    "Count the {rows} {where} and {other}.",
    "What is the number of {rows} {where} and {other}?",
    "how many {rows} {where} and also {other}",
    "I want to know how many {rows} there are {where} and {other}.",
    "Considering only {rows} {where}, how many are there {other}?",
)
def count_both(view: View, rng: Random) -> Draft:
    first, second = equals(view, rng), any_condition(view, rng)
    need(first.column != second.column)
    mask = first.mask & second.mask
    need(mask.any() and mask.sum() < min(first.mask.sum(), second.mask.sum()))
    sql = sql_count(view, f"{first.sql} and {second.sql}")
    slots = {"where": first.text, "other": second.text}
    return Draft(int(mask.sum()), sql, rows_slots(view, rng) | slots)


@family(
    "How many {rows} have {measure} between {low} and {high}, both included?",
    "Count the {rows} whose {measure} lies between {low} and {high} (inclusive).",
    "How many {rows} are there with {measure} from {low} to {high}, ends included?",
    "number of {rows} with {measure} in the range {low}-{high} inclusive",
    "In how many {rows} is {measure} at least {low} but not more than {high}?",
    "Find how many {rows} have {measure} >= {low} and <= {high}.",
)
def count_between(view: View, rng: Random) -> Draft:
    measure = pick(view.roles.measures, rng)
    cells, m = view.frame[measure], view.sql(measure)
    low, high = sorted(round_limit(cells, rng) for _ in range(2))
    need(low < high)
    count = int(((cells >= low) & (cells <= high)).sum())
    need(0 < count < len(cells))
    sql = sql_count(view, f"{m} between {low} and {high}")
    slots = {"measure": say(view, measure, rng), "low": str(low), "high": str(high)}
    return Draft(count, sql, rows_slots(view, rng) | slots)


@family(
    "How many different values of {column} are there?",
    "How many unique {columns} are in the dataset?",
    "Count the distinct values in {column}.",
    "What is the number of distinct {columns}?",
    "how many different {column} do we have",
    "In terms of {column}, how many different ones appear in the table?",
    "How many unique entries does the {column} column have?",
)
def count_distinct(view: View, rng: Random) -> Draft:
    frame = view.frame
    named = [*view.roles.groups, *view.roles.years, *view.roles.texts]
    column = pick(complete(view, [name for name in named if not frame[name].is_unique]), rng)
    cells = frame[column]
    if cells.dtype.kind not in "iu":
        need(not cells.drop_duplicates().str.strip().str.casefold().duplicated().any())
    sql = f"select count(distinct {view.sql(column)}) from {view.source}"
    return Draft(int(cells.nunique()), sql, {"column": say(view, column, rng)})


@family(
    "What is the {statistic} {measure}?",
    "What's the {statistic} {measure} in the data?",
    "Find the {statistic} {measure} across all {rows}.",
    "Give me the {statistic} {measure}.",
    "{statistic} {measure}?",
    "I'd like to know the {statistic} {measure} over the whole table.",
    "Across all {rows}, what is the {statistic} {measure}?",
)
def aggregate(view: View, rng: Random) -> Draft:
    measure = pick(view.roles.measures, rng)
    how = statistic(view, measure, rng)
    sql = f"select {how.sql}({view.sql(measure)}) from {view.source}"
    slots = {"statistic": how.word, "measure": say(view, measure, rng)}
    value = view.frame[measure].agg(how.pandas).item()
    return Draft(value, sql, rows_slots(view, rng) | slots, how.computed)


@family(
    "What is the {statistic} {measure}, in {unit}?",
    "What's the {statistic} {measure} in {unit}?",
    "Give me the {statistic} {measure} of all {rows} in {unit}.",
    "{statistic} {measure} in {unit}?",
    "Expressed in {unit}, what is the {statistic} {measure}?",
    "How many {unit} is the {statistic} {measure} over the whole table?",
)
def aggregate_in_unit(view: View, rng: Random) -> Draft:
    measure = pick(view.roles.measures, rng)
    need(not _HAS_UNIT.search(measure) and view.roles.amounts.get(measure) != "percent")
    how = statistic(view, measure, rng)
    value = view.frame[measure].agg(how.pandas).item()
    unit = pick([unit for unit, size in _UNITS.items() if abs(value) >= size], rng)
    sql = f"select {how.sql}({view.sql(measure)}) / {_UNITS[unit]}.0 from {view.source}"
    slots = {"statistic": how.word, "measure": say(view, measure, rng), "unit": unit}
    return Draft(value / _UNITS[unit], sql, rows_slots(view, rng) | slots, computed=True)


@family(
    "What is the {statistic} {measure} of the {rows} {where}?",
    "For {rows} {where}, what is the {statistic} {measure}?",
    "Compute the {statistic} {measure} for {rows} {where}.",
    "{statistic} {measure} {where}?",
    "Looking only at {rows} {where}, what's the {statistic} {measure}?",
    "I need the {statistic} {measure} of all {rows} {where}.",
    "What {statistic} {measure} do the {rows} {where} have?",
)
def aggregate_where(view: View, rng: Random) -> Draft:
    measure, condition = pick(view.roles.measures, rng), equals(view, rng)
    how = statistic(view, measure, rng)
    values = view.frame.loc[condition.mask, measure]
    need(values.count() >= 2)
    sql = f"select {how.sql}({view.sql(measure)}) from {view.source} where {condition.sql}"
    slots = {"statistic": how.word, "measure": say(view, measure, rng), "where": condition.text}
    return Draft(values.agg(how.pandas).item(), sql, rows_slots(view, rng) | slots, how.computed)


@family(
    "What percentage of the {rows} are ones {where}?",
    "What percent of all {rows} is made up of those {where}?",
    "Of all {rows}, what percentage are the ones {where}?",
    "Calculate the percentage of {rows} {where}.",
    "percentage of {rows} {where}?",
    "How large is the share of {rows} {where}, in percent?",
    "{rows} {where}: what % of the total?",
)
def share_of_rows(view: View, rng: Random) -> Draft:
    condition = any_condition(view, rng)
    need(complete(view, [condition.column]) and 0 < condition.mask.sum() < len(condition.mask))
    share = 100 * int(condition.mask.sum()) / len(condition.mask)
    sql = f"select 100.0 * count(*) filter (where {condition.sql}) / count(*) from {view.source}"
    return Draft(share, sql, rows_slots(view, rng) | {"where": condition.text}, computed=True)


@family(
    "What percentage of the total {measure} comes from {rows} {where}?",
    "What share of all {measure} do the {rows} {where} have, in percent?",
    "How much of the total {measure}, in percent, belongs to {rows} {where}?",
    "Calculate the percentage of total {measure} for {rows} {where}.",
    "{rows} {where}: what % of the overall {measure} is that?",
    "Out of the sum of {measure}, what percent is due to the {rows} {where}?",
)
def share_of_total(view: View, rng: Random) -> Draft:
    measure, condition = pick(view.roles.measures, rng), equals(view, rng)
    need(is_additive(view, measure))
    m, cells = view.sql(measure), view.frame[measure]
    share = 100 * cells[condition.mask].sum() / cells.sum()
    need(0 < share < 100)
    sql = f"select 100.0 * sum({m}) filter (where {condition.sql}) / sum({m}) from {view.source}"
    slots = {"measure": say(view, measure, rng), "where": condition.text}
    return Draft(float(share), sql, rows_slots(view, rng) | slots, computed=True)


@family(
    "What is the difference between the highest and the lowest {measure}?",
    "By how much does the largest {measure} exceed the smallest?",
    "What is the range of {measure} (maximum minus minimum)?",
    "How far apart are the maximum and the minimum of {measure}?",
    "{measure}: biggest minus smallest?",
    "Subtract the lowest {measure} from the highest one.",
)
def spread(view: View, rng: Random) -> Draft:
    measure = pick(view.roles.measures, rng)
    cells, m = view.frame[measure], view.sql(measure)
    need((cells.dropna() >= 0).all())  # or it is not clear what is the largest
    sql = f"select max({m}) - min({m}) from {view.source}"
    value = (cells.max() - cells.min()).item()
    return Draft(value, sql, {"measure": say(view, measure, rng)}, computed=True)


@family(
    "By how much is the {statistic} {measure} of {more} higher than that of {less}?",
    "How much larger is the {statistic} {measure} for {more} than for {less}?",
    "What is the {statistic} {measure} of {more} minus that of {less}?",
    "What's the gap in {statistic} {measure} between {more} and {less}?",
    "Compare {more} with {less}: how much higher is the {statistic} {measure}?",
    "difference in {statistic} {measure}, {more} vs {less}?",
)
def difference_of_groups(view: View, rng: Random) -> Draft:
    group, measure = pick(view.roles.groups, rng), pick(view.roles.measures, rng)
    how = statistic(view, measure, rng)
    values, sql = by_group(view, group, measure, how)
    less, more = sorted(rng.sample(list(values.index), 2), key=values.get)
    need(values[more] > values[less])
    query = f"with x as ({sql}) select {_of(more)} - {_of(less)}"
    slots = {"statistic": how.word, "measure": say(view, measure, rng)} | _pair(view, group, more, less, rng)
    return Draft((values[more] - values[less]).item(), query, slots, computed=True)


def _of(group: str) -> str:
    """The value of a group in the SQL of `by_group`."""
    return f"(select v from x where g = {literal(group)})"


def _pair(view: View, group: str, more: str, less: str, rng: Random) -> dict[str, str]:
    return dict(zip(("more", "less"), call_both(view, group, (more, less), rng), strict=True))


@family(
    "How many {rows} have a {measure} above the average?",
    "How many {rows} are above average in {measure}?",
    "Count the {rows} whose {measure} is greater than the mean {measure}.",
    "Compared with the average {measure}, how many {rows} lie higher?",
    "number of {rows} with above-average {measure}?",
    "What is the count of {rows} that exceed the mean of {measure}?",
)
def count_above_average(view: View, rng: Random) -> Draft:
    measure = pick(view.roles.measures, rng)
    cells, m = view.frame[measure], view.sql(measure)
    need((abs(cells - cells.mean()) > 1e-9 * abs(cells.mean())).sum() == cells.count())
    sql = sql_count(view, f"{m} > (select avg({m}) from {view.source})")
    slots = {"measure": say(view, measure, rng)}
    return Draft(int((cells > cells.mean()).sum()), sql, rows_slots(view, rng) | slots)


@family(
    "What is the {statistic} {measure} of {rows} {where} and {other}?",
    "For {rows} {where} and {other}, what is the {statistic} {measure}?",
    "Among the {rows} {where} and {other}, compute the {statistic} {measure}.",
    "{statistic} {measure} {where} and {other}?",
    "Pivot by both columns: what is the {statistic} {measure} {where} and {other}?",
    "I want the {statistic} {measure} for {rows} {where} and {other}.",
)
def pivot_cell(view: View, rng: Random) -> Draft:
    measure, first = pick(view.roles.measures, rng), equals(view, rng)
    column = pick((*view.roles.groups, *view.roles.flags), rng, besides=[first.column])
    value = pick(sorted(view.frame.loc[first.mask, column].dropna().unique().tolist()), rng)
    second, how = equals(view, rng, column, value), statistic(view, measure, rng)
    values = view.frame.loc[first.mask & second.mask, measure]
    need(2 <= values.count() < first.mask.sum())
    where = f"where {first.sql} and {second.sql}"
    sql = f"select {how.sql}({view.sql(measure)}) from {view.source} {where}"
    slots = {"statistic": how.word, "measure": say(view, measure, rng), "where": first.text}
    slots |= {"other": second.text}
    return Draft(values.agg(how.pandas).item(), sql, rows_slots(view, rng) | slots, how.computed)


@family(
    "What is the correlation between {one} and {two}?",
    "Compute the Pearson correlation of {one} and {two}.",
    "How strongly are {one} and {two} correlated (Pearson's r)?",
    "What's the correlation coefficient between {one} and {two}?",
    "correlation {one} / {two}?",
    "I want to see how {one} goes along with {two}. Give me the correlation coefficient.",
)
def correlation(view: View, rng: Random) -> Draft:
    one = pick(view.roles.measures, rng)
    two = pick(view.roles.measures, rng, besides=[one])
    pairs = view.frame[[one, two]].dropna()
    need(len(pairs) >= 10)
    value = float(np.corrcoef(pairs[one].to_numpy(float), pairs[two].to_numpy(float))[0, 1])
    need(0.01 < abs(value) < 0.999)
    sql = f"select corr({view.sql(one)}, {view.sql(two)}) from {view.source}"
    return Draft(value, sql, {"one": say(view, one, rng), "two": say(view, two, rng)}, computed=True)


@family(
    "What is the {measure} of {name}?",
    "What {measure} does {name} have?",
    "How high is {measure} for {name}?",
    "Look up the {measure} of {name}.",
    "{measure} for {name}?",
    "I'm interested in {name}. What is its {measure}?",
)
def lookup(view: View, rng: Random) -> Draft:
    key, measure = pick(view.roles.keys, rng), pick(view.roles.measures, rng)
    row = view.frame.loc[rng.randrange(len(view.frame))]
    need(row.notna()[measure])
    sql = f"select {view.sql(measure)} from {view.source} where {view.sql(key)} = {literal(row[key])}"
    slots = {"measure": say(view, measure, rng), "name": row[key]}
    return Draft(float(row[measure]), sql, slots)


@family(
    "How many {rows} are from {first} to {last}, both years included?",
    "How many {rows} have a {year} between {first} and {last} (inclusive)?",
    "Count the {rows} from {first} through {last}.",
    "Between {first} and {last}, inclusive, how many {rows} are there?",
    "number of {rows} in the years {first}-{last}, inclusive",
    "I only care about {first} to {last} (ends included). How many {rows} is that?",
)
def count_in_years(view: View, rng: Random) -> Draft:
    year = pick(view.roles.years, rng)
    need(len(view.roles.years) == 1)
    cells = view.frame[year]
    first, last = sorted(rng.sample(sorted(cells.unique().tolist()), 2))
    count = int(cells.between(first, last).sum())
    need(count < len(cells))
    sql = sql_count(view, f"{view.sql(year)} between {first} and {last}")
    slots = {"first": str(first), "last": str(last), "year": say(view, year, rng)}
    return Draft(count, sql, rows_slots(view, rng) | slots)


@family(
    "What is the ratio of the {statistic} {measure} of {more} to that of {less}?",
    "How many times as high is the {statistic} {measure} for {more} as for {less}?",
    "Divide the {statistic} {measure} of {more} by that of {less}.",
    "By what factor does {more} exceed {less} in {statistic} {measure}?",
    "{statistic} {measure}: {more} divided by {less}?",
    "In terms of {statistic} {measure}, {more} is how many times {less}?",
)
def ratio_of_groups(view: View, rng: Random) -> Draft:
    group, measure = pick(view.roles.groups, rng), pick(view.roles.measures, rng)
    how = statistic(view, measure, rng)
    need(how.computed and (view.frame[measure].dropna() >= 0).all())
    values, sql = by_group(view, group, measure, how)
    less, more = sorted(rng.sample(list(values.index), 2), key=values.get)
    need(0 < values[less] < values[more] < 1000 * values[less])
    query = f"with x as ({sql}) select {_of(more)} / {_of(less)}"
    slots = {"statistic": how.word, "measure": say(view, measure, rng)} | _pair(view, group, more, less, rng)
    return Draft((values[more] / values[less]).item(), query, slots, computed=True)
