"""Questions to begin with, made from what tables hold; each is offered only after its code has run.

for suggestion in answered(session, session.profile()):
    suggestion.question
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from agent import prompts
from sandbox import ColumnProfile, SandboxError, Session, TableProfile

MOST = 4
LONGEST_SECONDS = 5.0
MOST_ROWS = 500_000  # of tables that questions are tried on while a person waits
FEWEST, MOST_GROUPS, MOST_BARS = 2, 40, 12
NAME_CHARS = 40  # of a column whose name is put into a sentence
_ID = re.compile(
    r"(?i)(?:^|[_\W])(?:id|nr|no|number|code|index|zip|key|phone|year|lat|lon|latitude|longitude)\W*$"
)

# Numbers that people add up, those that say most first; of others an average says more.
_ADDED_UP = (
    "revenue",
    "profit",
    "income",
    "sales",
    "sold",
    "amount",
    "cost",
    "spend",
    "votes",
    "units",
    "quantity",
)


@dataclass(frozen=True)
class Suggestion:
    """A question, and code that answers it."""

    question: str
    code: str


def answered(session: Session, tables: Sequence[TableProfile], most: int = MOST) -> list[Suggestion]:
    """Up to `most` questions of different kinds, whose code has printed something in the session."""
    found: list[Suggestion] = []
    if any(table.rows > MOST_ROWS for table in tables):
        return found
    for suggestion in candidates(tables):
        if len(found) == most:
            break
        try:
            execution = session.run(suggestion.code, timeout=LONGEST_SECONDS)
        except SandboxError:
            break
        printed = execution.stdout.strip()
        if execution.error is None and printed and printed.casefold() not in ("nan", "none", "nat", "[]"):
            found.append(suggestion)
    return found


def candidates(tables: Sequence[TableProfile]) -> Iterator[Suggestion]:
    """Questions that the tables may answer: of each table in turn, of different kinds one after the other."""
    alone = len(tables) == 1
    made = [list(_of_table(table, "df" if alone else table.name)) for table in tables]
    if not alone:
        made.insert(0, list(_joined(tables)))
    for row in zip_longest(*made):
        yield from filter(None, row)


def _of_table(table: TableProfile, name: str) -> Iterator[Suggestion]:
    numbers = [column for column in table.columns if _is_amount(column)]
    groups = [column for column in table.columns if _is_group(column, table.rows)]
    names = [column for column in table.columns if _is_name(column, table.rows)]
    dates = [column for column in table.columns if column.kind == "date" and column.distinct > FEWEST]
    # A number that people add up, or else one far to the right: results follow identifiers and settings.
    summed = next((one for word in _ADDED_UP for one in numbers if word in one.name.casefold()), None)
    number = summed or (numbers[-1] if numbers else None)
    if groups and number:
        group = groups[0]
        yield Suggestion(
            f"Which {_said(group)} has the highest average {_said(number)}?",
            f"print({name}.groupby({group.name!r})[{number.name!r}].mean().idxmax())",
        )
    if names and number:
        yield Suggestion(
            f"Which {_said(names[0])} has the highest {_said(number)}?",
            f"print({name}.loc[{name}[{number.name!r}].idxmax(), {names[0].name!r}])",
        )
    if groups:
        group = max(groups, key=lambda one: (one.distinct <= MOST_BARS, one.distinct))
        yield Suggestion(
            f"How many rows are there for each {_said(group)}? Draw a bar chart.",
            f"print({name}[{group.name!r}].value_counts())",
        )
    if dates and number:
        word, method = ("total", "sum") if summed else ("average", "mean")
        yield Suggestion(
            f"In which year was the {word} {_said(number)} highest?",
            f"print({name}.groupby(pd.to_datetime({name}[{dates[0].name!r}]).dt.year)"
            f"[{number.name!r}].{method}().idxmax())",
        )
    if len(numbers) > 1:
        yield Suggestion(
            f"How strongly are {_said(numbers[0])} and {_said(numbers[-1])} correlated?",
            f"print({name}[{numbers[0].name!r}].corr({name}[{numbers[-1].name!r}]))",
        )
    if groups and groups[0].values:
        group = groups[0]
        value = group.values[0]
        yield Suggestion(
            f"What share of the rows has {_said(group)} “{value}”?",
            f"print(({name}[{group.name!r}].astype(str) == {value!r}).mean())",
        )
    if number and not groups:
        yield Suggestion(f"What is the average {_said(number)}?", f"print({name}[{number.name!r}].mean())")
    if any(column.missing for column in table.columns):
        yield Suggestion("Which column has the most missing cells?", f"print({name}.isna().sum().idxmax())")
    yield Suggestion(f"How many rows does {table.source} have?", f"print(len({name}))")


def _joined(tables: Sequence[TableProfile]) -> Iterator[Suggestion]:
    """Questions that need two tables, by what a join puts together."""
    by_name = {table.name: table for table in tables}
    for left, join in ((table, join) for table in tables for join in table.joins):
        right = by_name[join.table]
        if not (_is_key(left, join.columns) or _is_key(right, join.others)):
            continue  # each row would meet many
        for groups, numbers in ((left, right), (right, left)):
            group = next((one for one in groups.columns if _is_group(one, groups.rows)), None)
            number = next((one for one in reversed(numbers.columns) if _is_amount(one)), None)
            both = {column.name for column in left.columns} & {column.name for column in right.columns}
            if group and number and not {group.name, number.name} & both:
                joined = prompts.join_code(left, join)
                yield Suggestion(
                    f"Which {_said(group)} has the highest average {_said(number)}?",
                    f"print({joined}.groupby({group.name!r})[{number.name!r}].mean().idxmax())",
                )
                break


def _is_key(table: TableProfile, names: Sequence[str]) -> bool:
    return len(names) == 1 and any(
        column.name == names[0] and column.distinct == table.rows for column in table.columns
    )


def _said(column: ColumnProfile) -> str:
    """Its name as a person writes it."""
    return " ".join(column.name.replace("_", " ").split())


def _fits(column: ColumnProfile) -> bool:
    return 0 < len(column.name.strip()) <= NAME_CHARS and not column.name.startswith("Unnamed")


def _is_amount(column: ColumnProfile) -> bool:
    return (
        column.kind == "number" and column.distinct > FEWEST and _fits(column) and not _ID.search(column.name)
    )


def _is_group(column: ColumnProfile, rows: int) -> bool:
    few = FEWEST <= column.distinct <= min(MOST_GROUPS, max(rows // 2, FEWEST))
    return column.kind in ("text", "boolean") and few and _fits(column)


def _is_name(column: ColumnProfile, rows: int) -> bool:
    once = column.distinct == rows - column.missing > FEWEST
    return column.kind == "text" and once and _fits(column) and not _ID.search(column.name)
