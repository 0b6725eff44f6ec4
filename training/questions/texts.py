"""Families about words in text, missing values and duplicates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from random import Random

import pandas as pd

from training.questions.drafts import (
    Draft,
    coin,
    complete,
    family,
    need,
    pick,
    ranked,
    rows_slots,
    say,
    sql_any,
    sql_count,
    statistic,
)
from training.questions.views import View, identifier, literal

_ABSENT_WORDS = (
    "water", "green", "market", "school", "winter", "bridge", "family", "river", "house", "music", "party",
    "summer", "north", "island", "garden", "machine", "doctor", "silver", "night", "street", "energy",
    "health", "power", "coffee", "train", "paper", "stone", "flower", "dream", "ocean",
)  # fmt: skip


# Words


@family(
    "How many {rows} have the word '{word}' in {text}?",
    "In how many {rows} does {text} contain '{word}'?",
    "Count the {rows} whose {text} mentions '{word}'.",
    "How often does '{word}' turn up in {text} (number of {rows})?",
    "number of {rows} with '{word}' in {text}",
    "How many {rows} mention '{word}' in their {text}?",
)
def count_with_word(view: View, rng: Random) -> Draft:
    text, word, mask = _word_in(view, rng, most=1.0)
    sql = sql_count(view, f"contains({view.sql(text)}, {literal(word)})")
    return Draft(int(mask.sum()), sql, rows_slots(view, rng) | {"text": say(view, text, rng), "word": word})


@family(
    "Which {keys} contain the word '{word}'? List them.",
    "List every {key} with '{word}' in it.",
    "Name all {rows} whose {key} contains '{word}'.",
    "Give me each {key} that has '{word}' in it.",
    "all {key} with '{word}' in the text",
    "Find all {keys} that mention '{word}'.",
)
def names_with_word(view: View, rng: Random) -> Draft:
    texts = [name for name in view.roles.keys if name in view.roles.texts]
    text, word, mask = _word_in(view, rng, texts=texts, most=0.5)
    need(2 <= mask.sum() <= 8)
    t = view.sql(text)
    sql = f"select {t} from {view.source} where contains({t}, {literal(word)}) order by 1"
    answer = sorted(view.frame.loc[mask, text])
    return Draft(answer, sql, rows_slots(view, rng) | {"key": say(view, text, rng), "word": word})


@family(
    "Is there any {row} with '{word}' in {text}?",
    "Does any {text} contain the word '{word}'?",
    "Is '{word}' mentioned in any {text}?",
    "any {text} with '{word}' in it?",
    "Are there {rows} whose {text} mentions '{word}'?",
    "Check whether '{word}' occurs in {text} at all.",
)
def any_with_word(view: View, rng: Random) -> Draft:
    truth = coin(rng)
    if truth:
        text, word, _ = _word_in(view, rng, most=1.0)
    else:
        text = pick(view.roles.texts, rng)
        word = rng.choice(
            (*_ABSENT_WORDS, *_words(view, [name for name in view.roles.texts if name != text]))
        )
        need(not view.frame[text].str.contains(word, case=False, regex=False, na=False).any())
    t = view.sql(text)
    sql = sql_any(view, f"contains(lower({t}), {literal(word.lower())})")
    return Draft(truth, sql, rows_slots(view, rng) | {"text": say(view, text, rng), "word": word})


def _word_in(view: View, rng: Random, most: float, texts=None) -> tuple[str, str, pd.Series]:
    """A column, a word that some of its texts hold, and which.

    Raises:
        Unfit: it would matter whether capitals, or words that hold the word, count.
    """
    text = pick(texts if texts is not None else view.roles.texts, rng)
    cells = view.frame[text]
    words = _words(view, [text])
    word = pick(sorted(word for word, count in words.items() if 2 <= count <= most * len(cells)), rng)
    mask = cells.str.contains(word, regex=False, na=False)
    loose = cells.str.contains(word, case=False, regex=False, na=False)
    whole = cells.str.contains(rf"\b{word}\b", na=False)
    need(mask.sum() < len(mask) and (mask == loose).all() and (mask == whole).all())
    return text, word, mask


def _words(view: View, columns: Sequence[str]) -> Counter[str]:
    """How many cells of the columns hold each word."""
    cells = (cell for name in columns for cell in view.frame[name].dropna())
    return Counter(word for cell in cells for word in sorted(set(re.findall(r"[^\W\d_]{4,}", cell))))


@family(
    "How many {rows} have a {key} that starts with '{letter}'?",
    "How many {keys} begin with the letter '{letter}'?",
    "Count the {keys} starting with '{letter}'.",
    "In how many {rows} is '{letter}' the first letter of {key}?",
    "{key} starting with {letter}: how many?",
    "What number of {rows} has a {key} beginning with '{letter}'?",
)
def count_starting_with(view: View, rng: Random) -> Draft:
    key = pick(tuple(dict.fromkeys((*view.roles.keys, *complete(view, view.roles.texts)))), rng)
    firsts = view.frame[key].str[:1]  # "" of an empty text, which a parquet file may hold
    letter = pick(sorted(first for first in firsts.unique() if first.isalpha() and first.isascii()), rng)
    count = int((firsts == letter).sum())
    need(count >= 2 and count == (firsts.str.lower() == letter.lower()).sum())
    sql = sql_count(view, f"{view.sql(key)} like '{letter}%'")
    return Draft(count, sql, rows_slots(view, rng) | {"key": say(view, key, rng), "letter": letter})


@family(
    "Which {key} is the longest, counted in characters?",
    "What is the longest {key} (by number of characters)?",
    "Which {key} has the most characters?",
    "Find the {key} with the longest text.",
    "longest {key}?",
    "By length of text, which {key} comes first?",
)
def longest_name(view: View, rng: Random) -> Draft:
    key = pick(view.roles.keys, rng)
    (index,) = ranked(view.frame[key].str.len(), descending=True, first=1)
    k = view.sql(key)
    sql = f"select {k} from {view.source} order by length({k}) desc limit 1"
    return Draft(view.frame.loc[index, key], sql, {"key": say(view, key, rng)})


# Missing values


@family(
    "How many {rows} have no {column}?",
    "How many missing values does {column} have?",
    "Count the empty cells in {column}.",
    "In how many {rows} is {column} missing?",
    "missing values in {column}?",
    "For how many {rows} do we not know the {column}?",
    "How many {column} values are null?",
)
def count_missing(view: View, rng: Random) -> Draft:
    column, cells = _with_missing(view, rng)
    sql = sql_count(view, f"{view.sql(column)} is null")
    return Draft(int(cells.isna().sum()), sql, rows_slots(view, rng) | {"column": say(view, column, rng)})


@family(
    "What percentage of {column} values are missing?",
    "What percent of the {rows} have no {column}?",
    "Calculate the share of missing values in {column}, in percent.",
    "How much of {column} is empty, as a percentage of all {rows}?",
    "% missing in {column}?",
    "In what percentage of {rows} is {column} not filled in?",
)
def share_missing(view: View, rng: Random) -> Draft:
    column, cells = _with_missing(view, rng)
    sql = f"select 100.0 * count(*) filter (where {view.sql(column)} is null) / count(*) from {view.source}"
    share = 100 * int(cells.isna().sum()) / len(cells)
    return Draft(share, sql, rows_slots(view, rng) | {"column": say(view, column, rng)}, computed=True)


def _with_missing(view: View, rng: Random) -> tuple[str, pd.Series]:
    roles = view.roles
    columns = dict.fromkeys((*roles.groups, *roles.measures, *roles.texts, *roles.dates))
    column = pick([name for name in columns if view.frame[name].isna().any()], rng)
    return column, view.frame[column]


@family(
    "How many {rows} have no missing values at all?",
    "How many {rows} are complete, without any empty cell?",
    "Count the {rows} in which every column is filled.",
    "If I drop all {rows} with missing values, how many are left?",
    "complete {rows}, how many?",
    "What number of {rows} has a value in every column?",
)
def count_complete(view: View, rng: Random) -> Draft:
    frame = view.files[view.source]
    count = int(frame.notna().all(axis=1).sum())
    need(0 < count < len(frame))
    where = " and ".join(f"{identifier(name)} is not null" for name in frame.columns)
    return Draft(count, sql_count(view, where), rows_slots(view, rng))


# Duplicates


@family(
    "How many rows are exact duplicates of an earlier row?",
    "How many fully duplicated rows are there, not counting the first of each?",
    "Count the rows that repeat an earlier row exactly.",
    "How many rows would be removed if exact duplicates were dropped?",
    "number of exact duplicate rows (first occurrences not counted)?",
    "The file may contain copied rows. How many of them are surplus copies?",
)
def count_duplicates(view: View, rng: Random) -> Draft:
    frame = view.files[view.source]
    count = int(frame.duplicated().sum())
    need(count)
    distinct = f"(select count(*) from (select distinct * from {view.source}))"
    sql = f"select count(*) - {distinct} from {view.source}"
    return Draft(count, sql, {})


@family(
    "How many different rows are there once exact duplicates are removed?",
    "After dropping duplicate rows, how many rows are left?",
    "How many rows remain if every exact duplicate is kept only once?",
    "Count the distinct rows of the table.",
    "rows without duplicates, how many?",
    "Clean out repeated rows first. What is the number of rows then?",
)
def count_without_duplicates(view: View, rng: Random) -> Draft:
    frame = view.files[view.source]
    need(frame.duplicated().any())
    sql = f"select count(*) from (select distinct * from {view.source})"
    return Draft(len(frame.drop_duplicates()), sql, {})


@family(
    "After removing exact duplicate rows, what is the {statistic} {measure}?",
    "What is the {statistic} {measure} if every duplicated row counts only once?",
    "Drop repeated rows, then compute the {statistic} {measure}.",
    "Ignoring exact duplicate rows, what's the {statistic} {measure}?",
    "{statistic} {measure} without duplicate rows?",
    "Some rows are in the file twice. Count them once: what is the {statistic} {measure}?",
)
def statistic_without_duplicates(view: View, rng: Random) -> Draft:
    frame = view.files[view.source]
    need(frame.duplicated().any())
    measure = pick(view.roles.measures, rng)
    how = statistic(view, measure, rng, extremes=False)
    values = view.frame.loc[~frame.duplicated(), measure]
    sql = f"select {how.sql}({view.sql(measure)}) from (select distinct * from {view.source})"
    slots = {"statistic": how.word, "measure": say(view, measure, rng)}
    return Draft(values.agg(how.pandas).item(), sql, slots, computed=True)


@family(
    "Does the table contain exact duplicate rows?",
    "Are there any duplicate rows?",
    "Is any row an exact copy of another one?",
    "Are some rows in the table more than once?",
    "any duplicate rows?",
    "Check whether the data has repeated rows.",
)
def any_duplicates(view: View, rng: Random) -> Draft:
    found = bool(view.files[view.source].duplicated().any())
    sql = (
        f"select count(*) < (select count(*) from {view.source}) from (select distinct * from {view.source})"
    )
    return Draft(found, sql, {})


@family(
    "How many {columns} occur more than once?",
    "How many different {columns} appear at least twice?",
    "Count the {columns} that are repeated.",
    "How many {columns} do several {rows} share?",
    "number of {columns} that are there more than once?",
    "Of the different {columns}, how many come up in two or more {rows}?",
)
def count_repeated(view: View, rng: Random) -> Draft:
    columns = (*view.roles.texts, *view.roles.groups, *view.roles.years, *view.roles.dates)
    column = pick(tuple(dict.fromkeys(columns)), rng)
    counts, c = view.frame[column].value_counts(), view.sql(column)
    repeated = int((counts > 1).sum())
    need(0 < repeated < len(counts))
    rows = f"{view.source} where {c} is not null"
    sql = f"select count(*) from (select 1 from {rows} group by {c} having count(*) > 1)"
    return Draft(repeated, sql, rows_slots(view, rng) | {"column": say(view, column, rng)})
