"""Tables made from a table, where real ones of the kind are rare: amounts as text, two that join, duplicates.

    for view in derived_views(view, Path("work"), rng): ...

Each is written as CSV into the folder and read again as the sandbox reads it; the values that questions are
computed from are those of the table it was made from.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pandas as pd

from sandbox.records import Limits
from sandbox.tables import read_all
from training.questions import wording
from training.questions.drafts import complete, is_additive
from training.questions.views import Roles, View, identifier, read_view

# Which families are asked of a table of a kind; of a plain one all are.
FAMILIES_OF = {
    "currency": (
        "aggregate", "aggregate where", "row extreme", "group extreme", "top values", "top rows",
        "count compared", "any beyond", "compare groups", "values by group", "count both",
        "number of extreme",
    ),
    "percent": (
        "aggregate", "aggregate where", "row extreme", "group extreme", "top values", "top rows",
        "count compared", "any beyond", "compare groups", "attribute of extreme",
    ),
    "joined": (
        "aggregate where", "group extreme", "compare groups", "count both", "pivot cell", "values by group",
        "top groups", "attribute of extreme", "row extreme where", "extreme has", "compare with rest",
        "groups of top rows",
    ),
    "duplicates": (
        "count duplicates", "count without duplicates", "statistic without duplicates", "any duplicates",
    ),
}  # fmt: skip
# What a column of amounts is called where its own name does not say that it is one.
_MONEY = ("price", "cost", "revenue", "budget", "fee", "sales")
_RATES = ("rate", "share", "percentage", "growth")
_MONEY_NAME = re.compile(
    r"price|cost|revenue|budget|fee|sales|gross|salary|income|wage|fare|bill|amount|dollar|tip|earning", re.I
)
_RATE_NAME = re.compile(r"pct|perc|rate|share|ratio|growth|margin|proportion", re.I)
_SIGNS = ("$", "$", "$", "€", "£")


def derived_views(view: View, work: Path, rng: Random) -> Iterator[View]:
    """The views of what the table holds as text amounts, and of what can be made from it.

    Args:
        view: A plain view.
        work: A folder for this table alone.
    """
    kinds = set(view.roles.amounts.values())
    for column, kind in view.roles.amounts.items():
        yield _about(view, kind, column)
    work.mkdir(parents=True, exist_ok=True)
    makers = [_split, _with_duplicates]
    makers += [make for kind, make in (("currency", _currency), ("percent", _percent)) if kind not in kinds]
    for make in makers:
        made = make(view, work, rng)
        if made is not None:
            yield made


def _about(view: View, kind: str, column: str) -> View:
    """The view with this column as its only measure."""
    return replace(view, kind=kind, roles=replace(view.roles, measures=(column,)))


# Amounts


def _currency(view: View, work: Path, rng: Random) -> View | None:
    sign, file = rng.choice(_SIGNS), _file(view)
    numbers = [name for name in _numbers(view) if is_additive(view, name) or _MONEY_NAME.search(name)]
    if not numbers:
        return None
    column = rng.choice([name for name in numbers if _MONEY_NAME.search(name)] or numbers)
    form = "{:,}" if file[column].dtype.kind in "iu" else "{:,.2f}"
    text = file[column].map(lambda value: sign + form.format(value), na_action="ignore")
    return _written(view, work, "currency", column, text, _MONEY_NAME, _MONEY, rng)


def _percent(view: View, work: Path, rng: Random) -> View | None:
    file = _file(view)
    columns = [name for name in _numbers(view) if file[name].dtype.kind == "f" and file[name].max() <= 100]
    if not columns:
        return None
    column = rng.choice([name for name in columns if _RATE_NAME.search(name)] or columns)
    scale = 100 if file[column].max() <= 1 else 1
    text = file[column].map(lambda value: f"{scale * value:.1f}%", na_action="ignore")
    return _written(view, work, "percent", column, text, _RATE_NAME, _RATES, rng)


def _numbers(view: View) -> list[str]:
    """Measures that are numbers in the file, none below zero."""
    file = _file(view)
    return [name for name in view.roles.measures if file[name].dtype.kind in "iuf" and file[name].min() >= 0]


def _written(view, work, kind, column, text, fitting, names, rng) -> View | None:
    """The view of a copy of the file with `text` in place of a column, called so that it is believable."""
    free = [name for name in names if name not in view.frame.columns]
    if not fitting.search(column) and not free:
        return None
    name = column if fitting.search(column) else rng.choice(free)
    copy = _file(view).assign(**{column: text}).rename(columns={column: name})
    made = _saved(copy, work / kind / f"{view.paths[0].stem}.csv")
    return _about(made, kind, name) if made and made.roles.amounts.get(name) == kind else None


def _file(view: View) -> pd.DataFrame:
    return view.files[view.source]


def _saved(frame: pd.DataFrame, path: Path) -> View | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)
    return read_view(path)


# Duplicates


def _with_duplicates(view: View, work: Path, rng: Random) -> View | None:
    """Some rows once or twice more, at random places."""
    file = _file(view)
    copies = [rng.randrange(len(file)) for _ in range(rng.randint(2, 3 + min(len(file) // 20, 20)))]
    rows = [*range(len(file)), *copies]
    rng.shuffle(rows)
    made = _saved(file.iloc[rows], work / "duplicates" / f"{view.paths[0].stem}.csv")
    return made and replace(made, kind="duplicates")


# Two tables that join


def _split(view: View, work: Path, rng: Random) -> View | None:
    """Two tables that share a key: a group's attribute by itself, or names and numbers apart."""
    if not view.roles.measures:
        return None
    pairs = list(_dependent(view))
    if pairs:
        return _split_lookup(view, work, *rng.choice(pairs))
    return _split_columns(view, work, rng) if view.roles.groups else None


def _dependent(view: View) -> Iterator[tuple[str, str]]:
    """Groups and the coarser groups that each of them lies in."""
    frame, groups = view.frame, complete(view, view.roles.groups)
    for fine, coarse in itertools.permutations(groups, 2):
        if (
            3 <= frame[fine].nunique() > frame[coarse].nunique()
            and (frame.groupby(fine)[coarse].nunique() == 1).all()
        ):
            yield fine, coarse


def _split_lookup(view: View, work: Path, fine: str, coarse: str) -> View | None:
    file = _file(view)
    stem = wording.plural(re.sub(r"\W+", "_", fine).strip("_").lower())
    tables = {view.paths[0].stem: file.drop(columns=coarse), stem: file[[fine, coarse]].drop_duplicates()}
    return _joined(view, work, tables, fine, replace(view.roles, groups=(coarse,), flags=()))


def _split_columns(view: View, work: Path, rng: Random) -> View | None:
    file, roles = _file(view), view.roles
    key = roles.keys[0] if roles.keys else "record_id"
    if key not in file.columns:
        file = pd.concat([pd.Series(range(1, len(file) + 1), index=file.index, name=key), file], axis=1)
    measures = [name for name in roles.measures if name != key]
    order = list(range(len(file)))
    rng.shuffle(order)
    stem = view.paths[0].stem
    tables = {
        f"{stem}_info": file.drop(columns=measures),
        f"{stem}_figures": file[[key, *measures]].iloc[order],
    }
    return _joined(view, work, tables, key, replace(roles, keys=roles.keys[:1]))


def _joined(view: View, work: Path, tables: dict[str, pd.DataFrame], key: str, roles: Roles) -> View | None:
    paths = tuple(work / "joined" / f"{stem}.csv" for stem in tables)
    if len(paths) != len(set(paths)):
        return None
    for path, frame in zip(paths, tables.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(path, index=False)
    left, right = (read_all([path], Limits())[0].frame for path in paths)
    source = f"(select * from a join b using ({identifier(key)}))"
    return replace(
        view, kind="joined", paths=paths, roles=roles, files={"a": left, "b": right}, source=source
    )
