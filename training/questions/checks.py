"""Families that ask for True or False: most toss a coin for it, then look for a question that has it."""

from __future__ import annotations

from random import Random

import pandas as pd

from training.questions import wording
from training.questions.drafts import (
    Condition,
    Draft,
    Unfit,
    any_condition,
    by_group,
    call_both,
    coin,
    complete,
    equals,
    extreme,
    family,
    limit_text,
    low_and_high,
    need,
    pick,
    ranked,
    rounded,
    rows_slots,
    say,
    sql_any,
    sql_common,
    sql_top,
    statistic,
)
from training.questions.views import View, literal

_TRIES = 8


@family(
    "Is the {statistic} {measure} of {one} {higher} than that of {two}?",
    "Does {one} have a {higher} {statistic} {measure} than {two}?",
    "Is it true that {one} has a {higher} {statistic} {measure} than {two}?",
    "True or false: the {statistic} {measure} is {higher} for {one} than for {two}.",
    "{one} has a {higher} {statistic} {measure} than {two}, right?",
    "Check whether the {statistic} {measure} of {one} is {higher} than the one of {two}.",
    "do {rows} with {one} have a {higher} {statistic} {measure} than those with {two}",
)
def compare_groups(view: View, rng: Random) -> Draft:
    group, measure = pick(view.roles.groups, rng), pick(view.roles.measures, rng)
    how = statistic(view, measure, rng)
    values, sql = by_group(view, group, measure, how)
    low, high = low_and_high(values[rng.sample(list(values.index), 2)])
    is_higher, truth = coin(rng), coin(rng)
    one, two = (high, low) if is_higher == truth else (low, high)
    v = "(select v from x where g = {})"
    operator = ">" if is_higher else "<"
    query = f"with x as ({sql}) select {v.format(literal(one))} {operator} {v.format(literal(two))}"
    slots = {"statistic": how.word, "measure": say(view, measure, rng)}
    slots["higher"] = "higher" if is_higher else "lower"
    slots |= dict(zip(("one", "two"), call_both(view, group, (one, two), rng), strict=True))
    return Draft(truth, query, rows_slots(view, rng) | slots)


@family(
    "Are there more {rows} with {one} than with {two}?",
    "Do we have more {rows} with {one} than {two}?",
    "Is {one} more common than {two}?",
    "Does {one} appear more often than {two}?",
    "more {one} than {two}?",
    "True or false: {one} occurs in more {rows} than {two}.",
    "I think there are more {rows} with {one} than with {two}. Is that so?",
)
def compare_counts(view: View, rng: Random) -> Draft:
    group = pick(view.roles.groups, rng)
    counts = view.frame[group].value_counts()
    one, two = rng.sample(sorted(counts.index), 2)
    need(counts[one] != counts[two])
    if (counts[one] > counts[two]) != coin(rng):
        one, two = two, one
    g = view.sql(group)
    count = f"count(*) filter (where {g} = {{}})"
    sql = f"select {count.format(literal(one))} > {count.format(literal(two))} from {view.source}"
    slots = dict(zip(("one", "two"), call_both(view, group, (one, two), rng), strict=True))
    return Draft(bool(counts[one] > counts[two]), sql, rows_slots(view, rng) | slots)


@family(
    "Is there any {row} with a {measure} {beyond} {limit}?",
    "Are there any {rows} with {measure} {beyond} {limit}?",
    "Does any {row} have a {measure} {beyond} {limit}?",
    "any {rows} with {measure} {beyond} {limit}?",
    "Is there at least one {row} whose {measure} is {beyond} {limit}?",
    "Do we have {rows} where {measure} is {beyond} {limit}?",
    "Was there ever a {measure} {beyond} {limit}?",
)
def any_beyond(view: View, rng: Random) -> Draft:
    measure, truth, is_above = pick(view.roles.measures, rng), coin(rng), coin(rng)
    limit = _limit_near(view.frame[measure], rng, at_top=is_above, outside=not truth)
    mask, beyond, words = _beyond(view, measure, limit, is_above)
    need(bool(mask.any()) == truth)
    slots = {"measure": say(view, measure, rng), "beyond": rng.choice(words)}
    slots |= rows_slots(view, rng) | {"limit": limit_text(view, measure, limit, rng)}
    return Draft(truth, sql_any(view, beyond), slots)


@family(
    "Do all {rows} have a {measure} {beyond} {limit}?",
    "Is every {measure} {beyond} {limit}?",
    "Is the {measure} of each {row} {beyond} {limit}?",
    "Are all {measure} values {beyond} {limit}?",
    "all {rows} {beyond} {limit} in {measure}, is that true?",
    "Does every single {row} have a {measure} {beyond} {limit}?",
    "Check whether {measure} is {beyond} {limit} in all {rows}.",
)
def all_beyond(view: View, rng: Random) -> Draft:
    measure, truth, is_above = pick(complete(view, view.roles.measures), rng), coin(rng), coin(rng)
    limit = _limit_near(view.frame[measure], rng, at_top=not is_above, outside=truth)
    mask, beyond, words = _beyond(view, measure, limit, is_above)
    need(bool(mask.all()) == truth)
    slots = {"measure": say(view, measure, rng), "beyond": rng.choice(words)}
    slots |= rows_slots(view, rng) | {"limit": limit_text(view, measure, limit, rng)}
    return Draft(truth, f"select bool_and({beyond}) from {view.source}", slots)


@family(
    "Do all {rows} {where} have a {measure} {beyond} {limit}?",
    "Is the {measure} of every {row} {where} {beyond} {limit}?",
    "Are all the {rows} {where} {beyond} {limit} in {measure}?",
    "For {rows} {where}, is {measure} always {beyond} {limit}?",
    "all {rows} {where}: {measure} {beyond} {limit}, is that true?",
    "Check whether each of the {rows} {where} has {measure} {beyond} {limit}.",
)
def all_beyond_where(view: View, rng: Random) -> Draft:
    measure, condition = pick(complete(view, view.roles.measures), rng), equals(view, rng)
    truth, is_above = coin(rng), coin(rng)
    need(condition.mask.sum() >= 3)
    cells = view.frame.loc[condition.mask, measure]
    limit = _limit_near(cells, rng, at_top=not is_above, outside=truth)
    mask, beyond, words = _beyond(view, measure, limit, is_above)
    need(bool(mask[condition.mask].all()) == truth)
    slots = {"measure": say(view, measure, rng), "beyond": rng.choice(words), "where": condition.text}
    slots |= rows_slots(view, rng) | {"limit": limit_text(view, measure, limit, rng)}
    return Draft(truth, f"select bool_and({beyond}) from {view.source} where {condition.sql}", slots)


def _limit_near(cells: pd.Series, rng: Random, *, at_top: bool, outside: bool) -> float:
    """A round number near the highest or the lowest value, beyond it or among the others."""
    edge, inner = (cells.max(), cells.quantile(0.9)) if at_top else (cells.min(), cells.quantile(0.1))
    gap = abs(edge - inner) or abs(edge) / 10
    limit = rounded(edge + (1 if at_top == outside else -1) * gap * rng.uniform(0.05, 1))
    need(limit > 0 or (cells < 0).any())
    return limit


def _beyond(view: View, measure: str, limit: float, is_above: bool) -> tuple[pd.Series, str, tuple[str, ...]]:
    """Which values are above the limit, or below it, the same in SQL, and words for it."""
    cells, m = view.frame[measure], view.sql(measure)
    if is_above:
        return cells > limit, f"{m} > {limit}", wording.ABOVE
    return cells < limit, f"{m} < {limit}", wording.BELOW


@family(
    "Is there any {row} {where} and {other}?",
    "Are there {rows} {where} and {other}?",
    "Does the table have any {row} {where} and {other}?",
    "any {rows} {where} and {other}?",
    "Is there at least one {row} {where} and also {other}?",
    "Do {rows} exist {where} and {other}?",
)
def both_present(view: View, rng: Random) -> Draft:
    truth = coin(rng)
    for _ in range(_TRIES):
        first = equals(view, rng)
        column = pick((*view.roles.groups, *view.roles.flags), rng, besides=[first.column])
        second = equals(view, rng, column)
        found = bool((first.mask & second.mask).any())
        if found == truth:
            sql = sql_any(view, f"{first.sql} and {second.sql}")
            slots = {"where": first.text, "other": second.text}
            return Draft(found, sql, rows_slots(view, rng) | slots)
    raise Unfit


@family(
    "Is the {key} with the {extreme} {one} also the one with the {second} {two}?",
    "Does the {row} with the {extreme} {one} also have the {second} {two}?",
    "Do the {extreme} {one} and the {second} {two} belong to the same {row}?",
    "Is the {row} with the {extreme} {one} the same as the {row} with the {second} {two}?",
    "same {row} for the {extreme} {one} and the {second} {two}?",
    "True or false: the {row} that has the {extreme} {one} has the {second} {two} as well.",
)
def same_extreme(view: View, rng: Random) -> Draft:
    key, truth = pick(view.roles.keys, rng), coin(rng)
    for _ in range(_TRIES):
        one = pick(view.roles.measures, rng)
        two = pick(view.roles.measures, rng, besides=[one])
        (down, word, order), (down2, second, order2) = (extreme(rng, view.frame[m]) for m in (one, two))
        index = ranked(view.frame[one], descending=down, first=1)
        if (index == ranked(view.frame[two], descending=down2, first=1)) == truth:
            first, last = sql_top(view, key, one, order), sql_top(view, key, two, order2)
            slots = {"key": say(view, key, rng), "one": say(view, one, rng), "two": say(view, two, rng)}
            slots |= rows_slots(view, rng) | {"extreme": word, "second": second}
            return Draft(truth, f"select ({first}) = ({last})", slots)
    raise Unfit


@family(
    "Is the {statistic} {one} {higher} than the {statistic} {two}?",
    "Does {one} have a {higher} {statistic} than {two}?",
    "True or false: the {statistic} of {one} is {higher} than that of {two}.",
    "Comparing {one} with {two}, is the {statistic} of the former {higher}?",
    "is {one} {higher} than {two} in terms of the {statistic}?",
    "Check if the {statistic} {one} is {higher} than the {statistic} {two}.",
)
def compare_columns(view: View, rng: Random) -> Draft:
    one = pick(view.roles.measures, rng)
    two = pick([name for name in view.roles.measures if _comparable(view, one, name)], rng, besides=[one])
    how, is_higher, truth = statistic(view, one, rng), coin(rng), coin(rng)
    need(how.word != "total")
    values = view.frame[[one, two]].agg(how.pandas)
    low, high = low_and_high(values)
    first, second = (high, low) if is_higher == truth else (low, high)
    operator = ">" if is_higher else "<"
    parts = [f"{how.sql}({view.sql(column)})" for column in (first, second)]
    slots = {"one": say(view, first, rng), "two": say(view, second, rng), "statistic": how.word}
    slots["higher"] = "higher" if is_higher else "lower"
    return Draft(truth, f"select {parts[0]} {operator} {parts[1]} from {view.source}", slots)


def _comparable(view: View, one: str, two: str) -> bool:
    """Whether two columns are of one scale, as far as their values tell."""
    left, right = view.frame[one].abs().mean(), view.frame[two].abs().mean()
    return left > 0 and right > 0 and 0.2 < left / right < 5


@family(
    "Are {more} than {percent}% of the {rows} ones {where}?",
    "Do the {rows} {where} make up {more} than {percent} percent of the table?",
    "Is the share of {rows} {where} {more} than {percent}%?",
    "Are the {rows} {where} {more} than {percent}% of all {rows}?",
    "{rows} {where}: is that {more} than {percent}% of all?",
    "Check whether {rows} {where} are {more} than {percent}% of the total.",
    "I'd say the {rows} {where} are {more} than {percent}% of all. Is that right?",
)
def share_beyond(view: View, rng: Random) -> Draft:
    condition, is_more, truth = any_condition(view, rng), coin(rng), coin(rng)
    need(complete(view, [condition.column]))
    share = 100 * condition.mask.mean()
    percents = [p for p in (10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90) if 0.5 < abs(share - p) < 25]
    percent = pick([p for p in percents if ((share > p) == is_more) == truth], rng)
    operator = ">" if is_more else "<"
    those = f"count(*) filter (where {condition.sql})"
    sql = f"select 100.0 * {those} {operator} {percent} * count(*) from {view.source}"
    slots = {"more": "more" if is_more else "less", "percent": str(percent), "where": condition.text}
    return Draft(truth, sql, rows_slots(view, rng) | slots)


@family(
    "Is {value} the {group} of the {row} with the {extreme} {measure}?",
    "Does the {row} with the {extreme} {measure} have {value} as {group}?",
    "Is the {group} of the {row} with the {extreme} {measure} {value}?",
    "The {row} with the {extreme} {measure}: is its {group} {value}?",
    "True or false: the {row} with the {extreme} {measure} has {group} {value}.",
    "Check if the {extreme} {measure} belongs to a {row} with {value} as {group}.",
)
def extreme_has(view: View, rng: Random) -> Draft:
    group, measure, truth = pick(view.roles.groups, rng), pick(view.roles.measures, rng), coin(rng)
    descending, word, order = extreme(rng, view.frame[measure])
    (index,) = ranked(view.frame[measure], descending=descending, first=1)
    real = view.frame.loc[index, group]
    need(isinstance(real, str))
    value = real if truth else pick(sorted(view.frame[group].dropna().unique()), rng, besides=[real])
    top = sql_top(view, group, measure, order)
    slots = {"group": say(view, group, rng), "measure": say(view, measure, rng), "extreme": word}
    return Draft(
        truth, f"select ({top}) = {literal(value)}", rows_slots(view, rng) | slots | {"value": value}
    )


@family(
    "Is {value} the most common {group}?",
    "Is the most frequent {group} {value}?",
    "Does {value} appear more often than any other {group}?",
    "Is {value} what we see most in {group}?",
    "True or false: {value} is the {group} with the most {rows}.",
    "is {value} the top {group} by number of {rows}?",
)
def is_most_common(view: View, rng: Random) -> Draft:
    group, truth = pick(view.roles.groups, rng), coin(rng)
    counts = view.frame[group].value_counts()
    (best,) = ranked(counts, descending=True, first=1)
    need(view.frame[group].isna().sum() < counts[best])
    value = best if truth else pick(list(counts.index[:4]), rng, besides=[best])
    top = sql_common(view, view.sql(group))
    slots = {"group": say(view, group, rng), "value": value}
    return Draft(truth, f"select ({top}) = {literal(value)}", rows_slots(view, rng) | slots)


@family(
    "Are there any missing values in {column}?",
    "Does {column} have missing values?",
    "Is {column} missing in any of the {rows}?",
    "Are there {rows} without a value for {column}?",
    "any gaps in {column}?",
    "Check whether the column {column} contains empty cells.",
    "Does any {row} lack a {column}?",
)
def any_missing(view: View, rng: Random) -> Draft:
    truth, frame = coin(rng), view.frame
    need(frame.isna().any().any())
    roles = view.roles
    columns = dict.fromkeys((*roles.groups, *roles.measures, *roles.keys, *roles.texts, *roles.dates))
    column = pick([name for name in columns if frame[name].isna().any() == truth], rng)
    sql = sql_any(view, f"{view.sql(column)} is null")
    return Draft(truth, sql, rows_slots(view, rng) | {"column": say(view, column, rng)})


@family(
    "Is every {column} unique?",
    "Do all {rows} differ in {column}?",
    "Does each {row} have a different {column}?",
    "True or false: all values of {column} are distinct.",
    "Check whether the {column} column is free of repeats.",
    "Are all {column} values different from each other?",
)
def all_different(view: View, rng: Random) -> Draft:
    truth, frame = coin(rng), view.frame
    columns = dict.fromkeys((*view.roles.keys, *view.roles.texts, *view.roles.measures, *view.roles.dates))
    column = pick([name for name in complete(view, list(columns)) if frame[name].is_unique == truth], rng)
    need(frame[column].nunique() > len(frame) / 2)
    c = view.sql(column)
    sql = f"select count(distinct {c}) = count(*) from {view.source}"
    return Draft(truth, sql, rows_slots(view, rng) | {"column": say(view, column, rng)})


@family(
    "Are {one} and {two} {positively} correlated?",
    "Is there a {positive} correlation between {one} and {two}?",
    "Is the correlation between {one} and {two} {positive}?",
    "Is the correlation coefficient of {one} and {two} {sign} zero?",
    "True or false: {one} and {two} are {positively} correlated.",
    "do {one} and {two} have a {positive} correlation?",
)
def correlated(view: View, rng: Random) -> Draft:
    truth, is_positive = coin(rng), coin(rng)
    for _ in range(_TRIES):
        one = pick(view.roles.measures, rng)
        two = pick(view.roles.measures, rng, besides=[one])
        value = view.frame[one].corr(view.frame[two])
        if abs(value) > 0.15 and ((value > 0) == is_positive) == truth:
            r = f"corr({view.sql(one)}, {view.sql(two)})"
            sql = f"select {r} {'>' if is_positive else '<'} 0 from {view.source}"
            positive = "positive" if is_positive else "negative"
            slots = {"one": say(view, one, rng), "two": say(view, two, rng), "positive": positive}
            slots |= {"positively": f"{positive}ly", "sign": "above" if is_positive else "below"}
            return Draft(truth, sql, slots)
    raise Unfit


def years_condition(view: View, rng: Random) -> Condition:
    """Rows before or after a year."""
    year = pick(view.roles.years, rng)
    cells = view.frame[year]
    limit = rng.randint(int(cells.min()) - 3, int(cells.max()) + 3)
    is_after = coin(rng)
    mask, operator = (cells > limit, ">") if is_after else (cells < limit, "<")
    text = f"{'after' if is_after else 'before'} {limit}"
    return Condition(mask, f"{view.sql(year)} {operator} {limit}", text, year)


@family(
    "Are there any {rows} from {when}?",
    "Is there a {row} from {when}?",
    "Does the table go to years {when}?",
    "any {rows} {when}?",
    "Do we have {rows} with a {year} {when}?",
    "Is any {year} {when}?",
)
def any_in_years(view: View, rng: Random) -> Draft:
    truth = coin(rng)
    for _ in range(_TRIES):
        condition = years_condition(view, rng)
        if bool(condition.mask.any()) == truth:
            sql = sql_any(view, condition.sql)
            slots = {"when": condition.text, "year": say(view, condition.column, rng)}
            return Draft(truth, sql, rows_slots(view, rng) | slots)
    raise Unfit


@family(
    "Do {rows} {where} have a {higher} {statistic} {measure} than the rest?",
    "Is the {statistic} {measure} {higher} for {rows} {where} than for all the others?",
    "Compared with the other {rows}, do those {where} have a {higher} {statistic} {measure}?",
    "True or false: {rows} {where} have a {higher} {statistic} {measure} than the others.",
    "is {statistic} {measure} {higher} for {rows} {where} vs the rest?",
    "Check whether the {statistic} {measure} of {rows} {where} is {higher} than that of all other {rows}.",
)
def compare_with_rest(view: View, rng: Random) -> Draft:
    measure, condition = pick(view.roles.measures, rng), equals(view, rng)
    need(complete(view, [condition.column]))
    how = statistic(view, measure, rng)
    need(how.word in ("average", "mean", "median"))
    cells = view.frame[measure]
    inside, outside = cells[condition.mask].agg(how.pandas), cells[~condition.mask].agg(how.pandas)
    need(abs(inside - outside) > 1e-6 * abs(outside))
    is_higher = coin(rng)
    m = view.sql(measure)
    parts = [f"{how.sql}({m}) filter (where {no}({condition.sql}))" for no in ("", "not ")]
    sql = f"select {parts[0]} {'>' if is_higher else '<'} {parts[1]} from {view.source}"
    slots = {"statistic": how.word, "measure": say(view, measure, rng), "where": condition.text}
    slots["higher"] = "higher" if is_higher else "lower"
    return Draft(bool((inside > outside) == is_higher), sql, rows_slots(view, rng) | slots)
