"""Which columns of two tables hold the same values, inside the child."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sandbox.profiles import kind_of
from sandbox.records import Join
from sandbox.tables import Table

MOST_TABLES, MOST_COLUMNS = 12, 40  # that are compared, each with each
MOST_VALUES = 20_000  # of a column
SMALL = 300  # numbers up to it count things, and are no keys
TRIED = 50  # values of a column that tell whether it may be worth comparing all
# Of the shorter column's values: as many as this are in the other where a name is shared, or where it is not.
SHARED, SHARED_UNNAMED = 0.3, 0.8
FEWEST = 3  # values of columns with other names, which may be alike by chance
MOST_KEYS = 3


@dataclass(frozen=True)
class Key:
    """A column's values; `once` if each comes once, `small` if all are small numbers."""

    kind: str
    values: set
    once: bool
    small: bool


def joins(tables: Sequence[Table]) -> dict[str, list[Join]]:
    """For each table by name how it joins with those after it; tables with all the same columns do not."""
    if len(tables) < 2:
        return {}
    known = [(table, _keys(table)) for table in tables[:MOST_TABLES]]
    found: dict[str, list[Join]] = {}
    for place, (left, left_keys) in enumerate(known):
        for right, right_keys in known[place + 1 :]:
            if set(left.frame.columns) != set(right.frame.columns) and (
                pairs := list(_pairs(left_keys, right_keys))
            ):
                columns, others = zip(*pairs, strict=True)
                found.setdefault(left.name, []).append(Join(right.name, columns, others))
    return found


def _keys(table: Table) -> dict[str, Key]:
    """The columns that may be keys."""
    keys = {}
    for number, name in enumerate(table.frame.columns[:MOST_COLUMNS]):
        column = table.frame.iloc[:, number]
        kind = kind_of(column)
        # What is measured has fractions, and is no key.
        if kind not in ("text", "number", "date") or (kind == "number" and column.dtype.kind not in "iu"):
            continue
        try:
            values = set(column.dropna().unique()[: MOST_VALUES + 1])
        except TypeError:  # cells that hold lists
            continue
        if 0 < len(values) <= MOST_VALUES:
            small = kind == "number" and all(abs(value) <= SMALL for value in values)
            keys[str(name)] = Key(kind, values, len(values) == len(column), small)
    return keys


def _pairs(left: dict, right: dict) -> Iterator[tuple[str, str]]:
    """The columns that are to be equal: those of the same name, or else the two that share most."""
    named = [name for name in left if name in right and _share(left[name], right[name]) >= SHARED]
    if named:
        yield from ((name, name) for name in named[:MOST_KEYS])
        return
    best = max(
        (
            (_share(one, other), name, other_name)
            for name, one in left.items()
            for other_name, other in right.items()
            if _may_be_key(one, other)
        ),
        default=(0.0, "", ""),
    )
    if best[0] >= SHARED_UNNAMED:
        yield best[1], best[2]


def _may_be_key(one: Key, other: Key) -> bool:
    """Whether equal values would not be chance: of one kind, no small numbers, once each on one side."""
    few = min(len(one.values), len(other.values)) < FEWEST
    return one.kind == other.kind and not few and (one.once or other.once) and not one.small


def _share(one: Key, other: Key) -> float:
    """Of the shorter column's values the share that the other has."""
    if one.kind != other.kind:
        return 0.0
    short, long = sorted((one.values, other.values), key=len)
    tried = [*itertools.islice(short, TRIED)]
    if not any(value in long for value in tried):
        return 0.0
    return len(short & long) / len(short)
