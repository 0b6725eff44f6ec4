"""Which columns of two tables hold the same values, inside the child."""

from collections.abc import Iterator, Sequence

from sandbox.profiles import kind_of
from sandbox.records import Join
from sandbox.tables import Table

MOST_TABLES, MOST_COLUMNS = 20, 60  # that are compared, each with each
MOST_VALUES = 100_000  # of a column
# Of the shorter column's values: as many as this are in the other where a name is shared, or where it is not.
SHARED, SHARED_UNNAMED = 0.3, 0.8
FEWEST = 3  # values of columns with other names, which may be alike by chance
MOST_KEYS = 3


def joins(tables: Sequence[Table]) -> dict[str, list[Join]]:
    """For each table by name how it joins with those after it; tables with all the same columns do not."""
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


def _keys(table: Table) -> dict[str, tuple[str, set, bool]]:
    """The columns that may be keys: kind, values, and whether each value comes once."""
    keys = {}
    for number, name in enumerate(table.frame.columns[:MOST_COLUMNS]):
        column = table.frame.iloc[:, number]
        kind = kind_of(column)
        if kind not in ("text", "number", "date"):
            continue
        try:
            values = set(column.dropna().unique()[: MOST_VALUES + 1])
        except TypeError:  # cells that hold lists
            continue
        if 0 < len(values) <= MOST_VALUES:
            keys[str(name)] = (kind, values, len(values) == len(column))
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


def _may_be_key(one: tuple[str, set, bool], other: tuple[str, set, bool]) -> bool:
    """Whether equal values would not be chance: of one kind, no small numbers, once each on one side."""
    kind, values, once = one
    numbers = kind == "number" and all(abs(value) < MOST_VALUES**0.5 for value in values)
    few = min(len(values), len(other[1])) < FEWEST
    return kind == other[0] and not few and (once or other[2]) and not numbers


def _share(one: tuple[str, set, bool], other: tuple[str, set, bool]) -> float:
    if one[0] != other[0]:
        return 0.0
    return len(one[1] & other[1]) / min(len(one[1]), len(other[1]))
