"""Turns rollouts into the samples of an SFT set, and splits them by table.

candidates, mended = successes(rolled, dropped)
builder = Builder(model, pool, seed, dropped)
clean = builder.clean(candidates)
recovered = builder.recoveries(clean, mended, count=len(clean) // 4)
"""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from tqdm import tqdm

from agent.models import Model
from sandbox import Pool, TableProfile
from training import faults, leaks, rollouts, shapes
from training.gather import Asked, Dropped, in_turn, may_be_used
from training.problems import Problem
from training.rollouts import Draft, Rollout, Stage
from training.samples import Sample

T = TypeVar("T")

# Samples of one question. What is answered right each time has little to teach, so it gives one.
MOST_PER_QUESTION, MOST_IF_EASY = 3, 1


class Candidate(NamedTuple):
    """A question's successes, each as the drafts that `shapes.cleaned` gave, and how many to take at most."""

    ways: list[list[Draft]]
    most: int


@dataclass(frozen=True)
class Made:
    """A sample with the draft that it was made from."""

    draft: Draft
    sample: Sample


class Builder:
    """Makes samples from drafts, side by side, and counts what is dropped."""

    def __init__(self, model: Model, pool: Pool, seed: int, dropped: Dropped):
        self.model = model
        self.dropped = dropped
        self._pool = pool
        self._stage = Stage(model, pool)
        self._chance = random.Random(seed)
        self._counting = threading.Lock()

    def clean(self, candidates: Sequence[Candidate]) -> list[Made]:
        """The best of each question: fewest steps, then fewest tokens, no two with the same code."""
        best = self._pool.map(self._best, candidates)
        bar = tqdm(best, desc="cleaned", total=len(candidates), unit="question", file=sys.stderr)
        return without_repeats(one for of_question in bar for one in of_question)

    def recoveries(self, clean: Sequence[Made], own: Sequence[Draft], count: int) -> list[Made]:
        """So many samples in which a fault is mended, of each kind in turn.

        Args:
            own: Drafts of faults that the models made themselves.
        """
        by_kind = {"its own": self._shuffled(own)}
        for one, versions in zip(clean, self._pool.map(self._faulty, clean), strict=True):
            for kind, code in versions.items():
                replies = (rollouts.code_reply(code), *one.draft.replies)
                draft = replace(one.draft, replies=replies, source="recovery", family=kind, wrong=1)
                by_kind.setdefault(kind, []).append(draft)
        return self._first(in_turn(map(self._shuffled, by_kind.values())), count)

    def shaped(self, clean: Sequence[Made], count: int) -> list[Made]:
        """So many samples with a chart, or a look first."""
        charts = [shapes.charted(one.draft, self._chance) for one in clean]
        looks = [shapes.looked_first(one.draft, one.sample) for one in clean]
        lists = [self._shuffled([draft for draft in of_kind if draft]) for of_kind in (charts, looks)]
        return self._first(in_turn(lists), count)

    def looked_for(self, asked: Sequence[Asked], clean: Sequence[Made], count: int) -> list[Made]:
        """So many samples of questions whose answer is in no table, and as many of such a look that finds.

        Args:
            asked: Of the first kind; their tables can be read.
        """
        absent = [shapes.absent(one.problem, self._profile(one.problem)) for one in self._shuffled(asked)]
        found = [shapes.found(one.draft, self._profile(one.draft.problem)) for one in self._shuffled(clean)]
        made = self._first(filter(None, absent), count)
        return made + self._first(filter(None, found), len(made))

    def _profile(self, problem: Problem) -> Sequence[TableProfile]:
        return self._stage.profile(problem.tables)

    def supplements(self, found: Iterable[Draft | str], source: str) -> list[Made]:
        """All that can be made of what a supplement gave."""
        drafts = []
        for draft in found:
            if isinstance(draft, str):
                self.dropped[source, draft] += 1
            elif may_be_used(draft.problem, source, self.dropped):
                drafts.append(draft)
        return without_repeats(self._first(drafts, len(drafts)))

    def _first(self, drafts: Iterable[Draft], count: int) -> list[Made]:
        """The first `count` that are accepted."""
        made = []
        if count < 1:
            return made
        for draft, sample, reason in self._pool.map(self._play, drafts):
            made += [Made(draft, sample)] if sample else []
            self._count(draft, reason)
            if len(made) == count:
                break
        return made

    def _best(self, candidate: Candidate) -> list[Made]:
        kept: list[Made] = []
        seen: set[str] = set()
        for drafts in sorted(candidate.ways, key=self._cost):
            code = shapes.canonical(shapes.code_of(drafts[0]))
            if code in seen or len(kept) == candidate.most:
                continue
            seen.add(code)
            for draft in drafts:
                sample, reason = rollouts.play(draft, self._stage)
                if sample:
                    kept.append(Made(draft, sample))
                    break
            else:
                self._count(draft, reason)  # of the last way, which changed least
        return kept

    def _cost(self, drafts: list[Draft]) -> tuple[int, int]:
        return len(drafts[0].replies), self.model.count_tokens("".join(drafts[0].replies))

    def _play(self, draft: Draft) -> tuple[Draft, Sample | None, str]:
        return draft, *rollouts.play(draft, self._stage)

    def _count(self, draft: Draft, reason: str) -> None:
        if reason:
            with self._counting:
                self.dropped[draft.source, reason] += 1

    def _faulty(self, made: Made) -> dict[str, str]:
        """Faulty versions of a single step's code, by kind."""
        if len(made.draft.replies) != 2:
            return {}
        profile = self._profile(made.draft.problem)
        return faults.faulty(shapes.code_of(made.draft), profile, random.Random(made.sample.id))

    def _shuffled(self, some: Sequence[T]) -> list[T]:
        return self._chance.sample(list(some), len(some))


def without_repeats(made: Iterable[Made]) -> list[Made]:
    """The first of those with the same question and the same code."""
    first: dict[tuple[str, str], Made] = {}
    for one in made:
        question = " ".join(one.draft.problem.question.casefold().split())
        first.setdefault((question, shapes.canonical(shapes.code_of(one.draft))), one)
    return list(first.values())


def successes(
    rolled: Iterable[tuple[str, str, Rollout]], dropped: Dropped
) -> tuple[list[Candidate], list[Draft]]:
    """The candidates for `Builder.clean`, and the models' own faults that they mended.

    Wrong code gets every second yes or no right, so of such a question nothing is kept unless most of its
    rollouts are right.

    Args:
        rolled: Source, family and rollout.
    """
    found: dict[tuple[str, str], list[tuple[list[Draft], Draft | None]]] = defaultdict(list)
    asked: Counter[tuple[str, str]] = Counter()
    tossed: set[tuple[str, str]] = set()
    for source, family, rollout in rolled:
        key = source, rollout.problem.id
        asked[key] += 1
        if rollout.problem.answer_type == "boolean":
            tossed.add(key)
        if reason := shapes.not_worth(rollout) if rollout.prediction.official else "rollout wrong":
            dropped[source, reason] += 1
        else:
            found[key].append((shapes.cleaned(rollout, source, family), shapes.stumbled(rollout)))
    for key in [key for key in found if key in tossed and 2 * len(found[key]) <= asked[key]]:
        dropped[key[0], "a yes or no that most rollouts miss"] += len(found.pop(key))
    mended = [draft for of_question in found.values() for _, draft in of_question if draft]
    candidates = [
        Candidate(
            [drafts for drafts, _ in of_question],
            MOST_IF_EASY if len(of_question) == asked[key] else MOST_PER_QUESTION,
        )
        for key, of_question in found.items()
    ]
    return candidates, mended


def split(made: Sequence[Made], share: float, seed: int) -> dict[str, list[Made]]:
    """Train and validation; samples on the same data are on the same side."""
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        while parents.setdefault(key, key) != key:
            key = parents[key]
        return key

    for one in made:
        first, *others = map(root, _data_of(one))
        parents |= dict.fromkeys(others, first)
    groups = defaultdict(list)
    for one in made:
        groups[root(_data_of(one)[0])].append(one)
    # One group is held out at least, where there are several; a large one would leave little to train on.
    most = max(share * len(made), min(map(len, groups.values()), default=0)) if len(groups) > 1 else 0
    held: list[Made] = []
    for group in random.Random(seed).sample(list(groups.values()), len(groups)):
        if len(held) + len(group) <= most:
            held += group
    chosen = set(map(id, held))
    return {"train": [one for one in made if id(one) not in chosen], "validation": held}


def _data_of(made: Made) -> list[str]:
    """Its tables, their first rows and what they were derived from; samples on the same data share one."""
    problem = made.draft.problem
    digests = sorted(digest for table in problem.tables for digest in leaks.related(table))
    return [*digests, problem.id.rpartition("-")[0]] if problem.id.startswith("own-") else digests
