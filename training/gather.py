"""Which questions an SFT set is made from: train splits and questions of our own, no benchmark's table.

asked, absent = gather(Path("data"), Path("work"), own=4000, wtq=4000, seed=0, dropped=Counter())
asked["wtq"][0].problem     # to be rolled out
absent[0].problem           # asks for what its table does not hold
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.absence import NOT_ANSWERABLE
from sandbox import InputError
from training import leaks, questions, records, suite
from training.problems import Problem, ProblemError
from training.suite import Part

TRAIN = {
    "databench": (
        Part(
            "DataBench lite", "databench/train_lite.jsonl", "databench-lite-train", "databench", on_hub=True
        ),
        Part("DataBench", "databench/train_full.jsonl", "databench-full-train", "databench", on_hub=True),
    ),
    "wtq": (Part("WikiTableQuestions", "wtq/train.jsonl", "wtq-train", "wtq"),),
}
TABLES = (".csv", ".parquet")
DIGESTS = "digests.json"
MOST_PER_TABLE = 8  # of WikiTableQuestions
OWN_PER_TABLE = 30  # of ours, at most; many tables give fewer

# How many candidates of a source were left out, by source and reason.
Dropped = Counter[tuple[str, str]]


@dataclass(frozen=True)
class Asked:
    """A question to be rolled out, and what kind it is within its source."""

    problem: Problem
    family: str


def gather(
    data: Path, work: Path, *, own: int, wtq: int, seed: int, dropped: Dropped
) -> tuple[dict[str, list[Asked]], list[Asked]]:
    """The questions by source, and apart from them ours whose answer no table holds.

    Those on benchmarks' tables are dropped.

    Args:
        work: Where tables that our own questions derive from others are written, and what takes time to
            find out is kept.
        own, wtq: How many of our own questions and of WikiTableQuestions, at most.
        dropped: Counts what was left out, by source and reason.

    Raises:
        ProblemError: a source is not in the data folder.
    """
    if not data.is_dir():
        raise ProblemError(f"{data} is not a folder: give the one that holds databench, wtq and samples.")
    leaks.recall(work / DIGESTS)
    absent: list[Asked] = []
    asked = {"databench": _published("databench", data, dropped)}
    if wtq:
        usable = _published("wtq", data, dropped)
        asked["wtq"] = balanced(usable, wtq, seed, lambda one: one.problem.answer_type, MOST_PER_TABLE)
    if own:
        made = _own(data / "samples", work, seed, dropped)
        absent = [one for one in made if one.problem.answer == NOT_ANSWERABLE]
        usable = [one for one in made if one.problem.answer != NOT_ANSWERABLE]
        asked["own"] = balanced(usable, own, seed, lambda one: one.family)
    leaks.remember(work / DIGESTS)
    return asked, absent


def _published(source: str, data: Path, dropped: Dropped) -> list[Asked]:
    found = [problem for part in TRAIN[source] for problem in suite.find(part, data)]
    return [Asked(problem, "published") for problem in found if may_be_used(problem, source, dropped)]


def _own(folder: Path, work: Path, seed: int, dropped: Dropped) -> list[Asked]:
    """Our own questions; they are kept in `work`, since making them takes minutes."""
    path = work / f"own-seed{seed}.json"
    if not path.exists():
        _make_own(folder, path, seed)
    kept = json.loads(path.read_text(encoding="utf-8"))
    dropped.update({("own", reason): number for reason, number in kept["dropped"].items()})
    made = [Asked(Problem.from_json(one, work), one["family"]) for one in kept["questions"]]
    return [one for one in made if may_be_used(one.problem, "own", dropped)]


def _make_own(folder: Path, path: Path, seed: int) -> None:
    tables = sorted(table for table in folder.rglob("*") if table.suffix in TABLES)
    if not tables:
        raise ProblemError(f"{folder} holds no CSV or parquet tables: put some there, or give --own 0.")
    # Now, since what is derived from a benchmark's table has other digests.
    objections = {table: _objection([table]) for table in tables}
    usable = [table for table, reason in objections.items() if not reason]
    dropped = Counter(filter(None, objections.values()))
    made = questions.generate(usable, seed, OWN_PER_TABLE, path.parent, dropped)
    lines = [one.problem.to_json(path.parent) | {"family": one.family} for one in made]
    records.write_json(path, {"dropped": dropped, "questions": lines})


def balanced(
    asked: Sequence[Asked],
    count: int,
    seed: int,
    key: Callable[[Asked], str],
    per_table: int | None = None,
) -> list[Asked]:
    """So many of the questions, drawn from each key's in turn, so that rare keys are lifted.

    Args:
        per_table: At most so many about the same tables.
    """
    shuffled = random.Random(seed).sample(list(asked), len(asked))
    by_key, of_table = defaultdict(list), Counter()
    for one in shuffled:
        by_key[key(one)].append(one)
    taken = []
    for one in in_turn(by_key.values()):
        if len(taken) == count:
            break
        if per_table is None or of_table[one.problem.tables] < per_table:
            of_table[one.problem.tables] += 1
            taken.append(one)
    return taken


def in_turn(lists: Iterable[Sequence]) -> Iterator:
    """One of each list, then the next of each, to the end of the longest."""
    nothing = object()
    for row in itertools.zip_longest(*lists, fillvalue=nothing):
        yield from (one for one in row if one is not nothing)


def may_be_used(problem: Problem, source: str, dropped: Dropped) -> bool:
    """Whether its tables can be read and are no benchmark's; counts it where they are not."""
    if reason := _objection(problem.tables):
        dropped[source, reason] += 1
    return not reason


def _objection(tables: Iterable[Path]) -> str:
    """Why the tables may not be trained on, "" if they may."""
    try:
        for table in tables:
            leaks.allowed(table)
    except leaks.LeakError:
        return "a benchmark's table"
    except InputError:
        return "table not readable"
    return ""
