"""Families about dates: counts in a period, first and last, durations, weekdays and months."""

from __future__ import annotations

from random import Random

import pandas as pd

from training.questions import wording
from training.questions.drafts import (
    Draft,
    coin,
    extreme,
    family,
    need,
    pick,
    ranked,
    rows_slots,
    say,
    sql_any,
    sql_common,
    sql_count,
    sql_top,
    statistic,
)
from training.questions.views import View


def _days(view: View, date: str) -> pd.Series:
    """The dates.

    Raises:
        Unfit: some have a time of day.
    """
    cells = view.frame[date].dropna()
    need((cells == cells.dt.normalize()).all() and cells.dt.tz is None)
    return cells


@family(
    "How many {rows} have a {date} in {year}?",
    "Count the {rows} with {date} in the year {year}.",
    "How many {rows} are dated {year} (by {date})?",
    "In {year}, how many {rows} were there, going by {date}?",
    "number of {rows} in {year} ({date})?",
    "I need the number of {rows} whose {date} falls in {year}.",
)
def count_in_year(view: View, rng: Random) -> Draft:
    date = pick(view.roles.dates, rng)
    years = view.frame[date].dt.year
    need(years.nunique() >= 2)
    year = int(pick(sorted(years.dropna().unique()), rng))
    sql = sql_count(view, f"year({view.sql(date)}) = {year}")
    slots = {"date": say(view, date, rng), "year": str(year)}
    return Draft(int((years == year).sum()), sql, rows_slots(view, rng) | slots)


@family(
    "How many {rows} have a {date} {when} {day}?",
    "Count the {rows} with {date} {when} {day}.",
    "How many {rows} are dated {when} {day}, by {date}?",
    "What is the number of {rows} whose {date} is {when} {day}?",
    "{rows} {when} {day} ({date}) - how many?",
    "Going by {date}, how many {rows} fall {when} {day}?",
)
def count_before_day(view: View, rng: Random) -> Draft:
    date = pick(view.roles.dates, rng)
    cells, d = _days(view, date), view.sql(date)
    day = cells.iloc[rng.randrange(len(cells))]
    is_after = coin(rng)
    count = int((cells > day).sum() if is_after else (cells < day).sum())
    need(count > 0)
    sql = sql_count(view, f"{d} {'>' if is_after else '<'} timestamp '{day:%Y-%m-%d}'")
    shown = rng.choice((f"{day:%Y-%m-%d}", f"{day:%B} {day.day}, {day.year}"))
    slots = {"date": say(view, date, rng), "day": shown, "when": "after" if is_after else "before"}
    return Draft(count, sql, rows_slots(view, rng) | slots)


@family(
    "What is the {first} {date}? Give it as YYYY-MM-DD.",
    "When is the {first} {date}? (YYYY-MM-DD)",
    "What's the {first} {date} in the data, as YYYY-MM-DD?",
    "Find the {first} {date} and write it as YYYY-MM-DD.",
    "{first} {date}, YYYY-MM-DD",
    "Which {date} is the {first} one? Use the form YYYY-MM-DD.",
)
def first_or_last_date(view: View, rng: Random) -> Draft:
    date, is_first = pick(view.roles.dates, rng), coin(rng)
    cells, d = _days(view, date), view.sql(date)
    day = cells.min() if is_first else cells.max()
    sql = f"select strftime({'min' if is_first else 'max'}({d}), '%Y-%m-%d') from {view.source}"
    word = rng.choice(("earliest", "first", "oldest") if is_first else ("latest", "last", "most recent"))
    return Draft(f"{day:%Y-%m-%d}", sql, {"date": say(view, date, rng), "first": word})


@family(
    "On which {date} was the {measure} {extreme}? Give it as YYYY-MM-DD.",
    "What is the {date} of the {row} with the {extreme} {measure} (YYYY-MM-DD)?",
    "When was {measure} at its {extreme}? Answer with the {date} as YYYY-MM-DD.",
    "Find the {date} with the {extreme} {measure}, as YYYY-MM-DD.",
    "{date} of the {extreme} {measure}, YYYY-MM-DD",
    "Which day had the {extreme} {measure}, going by {date}? Use YYYY-MM-DD.",
)
def date_of_extreme(view: View, rng: Random) -> Draft:
    date, measure = pick(view.roles.dates, rng), pick(view.roles.measures, rng)
    _days(view, date)
    descending, word, order = extreme(rng, view.frame[measure])
    (index,) = ranked(view.frame[measure], descending=descending, first=1)
    day = view.frame.loc[index, date]
    need(not pd.isna(day))
    sql = f"select strftime(day, '%Y-%m-%d') from ({sql_top(view, date, measure, order)}) as top(day)"
    slots = {"date": say(view, date, rng), "measure": say(view, measure, rng), "extreme": word}
    return Draft(f"{day:%Y-%m-%d}", sql, rows_slots(view, rng) | slots)


@family(
    "How many days lie between the first and the last {date}?",
    "How many days are there from the earliest to the latest {date}?",
    "What is the time span covered by {date}, in days (last minus first)?",
    "Count the days between the oldest and the newest {date}.",
    "days from first to last {date}?",
    "Over how many days does {date} stretch, from the earliest to the latest (difference in days)?",
)
def days_covered(view: View, rng: Random) -> Draft:
    date = pick(view.roles.dates, rng)
    cells, d = _days(view, date), view.sql(date)
    sql = f"select date_diff('day', min({d}), max({d})) from {view.source}"
    return Draft(int((cells.max() - cells.min()).days), sql, {"date": say(view, date, rng)})


@family(
    "How many {unit} lie between the first and the last {date}?",
    "What is the time from the earliest to the latest {date} in {unit}?",
    "Time span of {date} in {unit} (last minus first)?",
    "Give the time between the oldest and the newest {date} in {unit}.",
    "{unit} from first to last {date}?",
    "Measured in {unit}, how long is it from the earliest to the latest {date}?",
)
def span_in_unit(view: View, rng: Random) -> Draft:
    date = pick(view.roles.dates, rng)
    cells, d = _days(view, date), view.sql(date)
    days, unit = (cells.max() - cells.min()).days, rng.choice(["weeks", "hours"])
    need(days > 7 and (unit == "hours" or days % 7 == 0))  # else it is not clear whether to round
    length, change = (days // 7, "// 7") if unit == "weeks" else (days * 24, "* 24")
    sql = f"select date_diff('day', min({d}), max({d})) {change} from {view.source}"
    return Draft(length, sql, {"date": say(view, date, rng), "unit": unit})


@family(
    "On average, how many days pass between {start} and {end}?",
    "What is the average number of days from {start} to {end}?",
    "Compute the mean duration from {start} to {end} in days.",
    "How long does it take from {start} to {end} on average, in days?",
    "average days between {start} and {end}?",
    "Mean of {end} minus {start}, in days?",
)
def average_duration(view: View, rng: Random) -> Draft:
    start, end = pick(view.roles.dates, rng), pick(view.roles.dates, rng)
    need(start != end)
    _days(view, start), _days(view, end)
    gaps = (view.frame[end] - view.frame[start]).dt.days.dropna()
    need(len(gaps) >= 5 and (gaps >= 0).all() and gaps.any())
    s, e = view.sql(start), view.sql(end)
    sql = f"select avg(date_diff('day', {s}, {e})) from {view.source}"
    return Draft(
        float(gaps.mean()), sql, {"start": say(view, start, rng), "end": say(view, end, rng)}, computed=True
    )


@family(
    "Which year has the most {rows}, going by {date}?",
    "In which year did most {rows} occur (by {date})?",
    "What year appears most often in {date}?",
    "Group the {rows} by the year of {date}. Which year has the most?",
    "busiest year by {date}?",
    "Find the year with the largest number of {rows}, using {date}.",
)
def busiest_year(view: View, rng: Random) -> Draft:
    date = pick(view.roles.dates, rng)
    counts = view.frame[date].dt.year.value_counts()
    (year,) = ranked(counts, descending=True, first=1)
    sql = sql_common(view, f"year({view.sql(date)})")
    return Draft(int(year), sql, rows_slots(view, rng) | {"date": say(view, date, rng)})


@family(
    "Which {unit} has the most {rows}, going by {date}? Give its English name.",
    "In which {unit} do most {rows} fall, by {date} (full English name)?",
    "What {unit} is the most common in {date}? Write its name out in English.",
    "Group by the {unit} of {date} over all years: which one has the most {rows}? Give the name.",
    "most common {unit} in {date}, full English name",
    "Find the {unit} with the largest number of {rows}, using {date}; answer with its name in English.",
)
def busiest_name(view: View, rng: Random) -> Draft:
    date, (unit, function) = pick(view.roles.dates, rng), rng.choice((("weekday", "day"), ("month", "month")))
    cells, d = view.frame[date], view.sql(date)
    counts = (cells.dt.day_name() if unit == "weekday" else cells.dt.month_name()).value_counts()
    (best,) = ranked(counts, descending=True, first=1)
    word = "day of the week" if unit == "weekday" and coin(rng) else unit
    sql = sql_common(view, f"{function}name({d})")
    return Draft(best, sql, rows_slots(view, rng) | {"date": say(view, date, rng), "unit": word})


@family(
    "What was the {statistic} {measure} in {year}, going by {date}?",
    "What is the {statistic} {measure} for {date} in {year}?",
    "Compute the {statistic} {measure} of all {rows} with a {date} in {year}.",
    "For the year {year} (by {date}), what's the {statistic} {measure}?",
    "{statistic} {measure} in {year} ({date})?",
    "Take only {rows} whose {date} is in {year}. What is the {statistic} {measure}?",
)
def statistic_in_year(view: View, rng: Random) -> Draft:
    date, measure = pick(view.roles.dates, rng), pick(view.roles.measures, rng)
    years = view.frame[date].dt.year
    need(years.nunique() >= 2)
    year = int(pick(sorted(years.dropna().unique()), rng))
    values, how = view.frame.loc[years == year, measure], statistic(view, measure, rng)
    need(values.count() >= 2)
    sql = f"select {how.sql}({view.sql(measure)}) from {view.source} where year({view.sql(date)}) = {year}"
    slots = {"date": say(view, date, rng), "year": str(year), "measure": say(view, measure, rng)}
    slots |= {"statistic": how.word}
    return Draft(values.agg(how.pandas).item(), sql, rows_slots(view, rng) | slots, how.computed)


@family(
    "How many {rows} were there in each of the years {years}, in that order (by {date})?",
    "Give the number of {rows} per year for {years}, going by {date}.",
    "Going by {date}, how many {rows} fall into {years}, respectively?",
    "Count the {rows} by the year of {date} for {years}, in the same order.",
    "{rows} per year for {years} (by {date})",
    "List the yearly counts of {rows} for {years}, using {date}.",
)
def counts_by_year(view: View, rng: Random) -> Draft:
    date = pick(view.roles.dates, rng)
    counts = view.frame[date].dt.year.value_counts().sort_index()
    need(len(counts) >= 2)
    size = min(len(counts), rng.choice((2, 3, 3, 4)))
    start = rng.randrange(len(counts) - size + 1)
    years = [int(year) for year in counts.index[start : start + size]]
    y = f"year({view.sql(date)})"
    sql = sql_count(view, f"{y} in ({str(years)[1:-1]}) group by {y} order by {y}")
    slots = {"date": say(view, date, rng), "years": wording.listed([str(year) for year in years])}
    return Draft([int(counts[year]) for year in years], sql, rows_slots(view, rng) | slots)


@family(
    "Is there any {row} with a {date} {when} {day}?",
    "Are there {rows} with {date} {when} {day}?",
    "Does any {date} lie {when} {day}?",
    "any {rows} {when} {day} ({date})?",
    "Do we have {rows} dated {when} {day}, going by {date}?",
    "Is at least one {date} {when} {day}?",
)
def any_before_day(view: View, rng: Random) -> Draft:
    date, truth, is_after = pick(view.roles.dates, rng), coin(rng), coin(rng)
    cells, d = _days(view, date), view.sql(date)
    span = max((cells.max() - cells.min()).days, 20)
    days = rng.randint(span // 20, span // 3) + 1
    edge, sign = (cells.max(), 1) if is_after else (cells.min(), -1)
    day = edge + pd.Timedelta(days=days * sign * (-1 if truth else 1))
    found = bool((cells > day).any() if is_after else (cells < day).any())
    need(found == truth)
    sql = sql_any(view, f"{d} {'>' if is_after else '<'} timestamp '{day:%Y-%m-%d}'")
    shown = rng.choice((f"{day:%Y-%m-%d}", f"{day:%B} {day.day}, {day.year}"))
    slots = {"date": say(view, date, rng), "day": shown, "when": "after" if is_after else "before"}
    return Draft(found, sql, rows_slots(view, rng) | slots)


@family(
    "Which {key} has the {first} {date}?",
    "What is the {key} of the {row} with the {first} {date}?",
    "Going by {date}, which {key} came {first}?",
    "Find the {key} with the {first} {date}.",
    "{key} with the {first} {date}?",
    "Sort by {date}: which {key} is the {first}?",
)
def name_of_first_date(view: View, rng: Random) -> Draft:
    key, date, is_first = pick(view.roles.keys, rng), pick(view.roles.dates, rng), coin(rng)
    cells = view.frame[date]
    edge = cells.min() if is_first else cells.max()
    need((cells == edge).sum() == 1)
    order = "" if is_first else "desc"
    sql = sql_top(view, key, date, order)
    word = rng.choice(("earliest", "first") if is_first else ("latest", "last"))
    slots = {"key": say(view, key, rng), "date": say(view, date, rng), "first": word}
    answer = view.frame.loc[cells == edge, key].item()
    return Draft(answer, sql, rows_slots(view, rng) | slots)
