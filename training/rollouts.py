"""Episodes by the thousand: rolled out by a model, or played anew from replies that are known.

    for problem, trajectory, prediction in roll(problems, model, [0.0, 0.7], seed=0, folder=folder): ...
    sample, reason = play(draft, Stage(model, pool))

`roll` asks every problem once at each temperature and keeps a journal of each, so that a run that was killed
goes on from its folder. `play` is the one door into the SFT set: whatever a sample is made from, its replies
are given to an episode on a fresh session, its code is run for real, and it is kept only if the episode
accepts the answer (as verified, or as one that was looked for in vain) and `training.verify` finds it right.
"""

from __future__ import annotations

import functools
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from agent import Episode, EpisodeLimits, RunCode, Trajectory, Turn
from agent import run as driver
from agent.models import Model
from agent.protocol import STOP
from sandbox import InputError, Pool, SandboxError, Session, TableProfile
from training import bench, leaks, records, samples
from training.bench import Settings
from training.problems import Problem
from training.records import Journal, Prediction
from training.samples import Sample
from training.verify import verify

# What is longer, or needs more steps, is not worth learning, and a batch waits for its longest reply. A fault
# is mended by the second step; at the last one a model is told so, and its answer is no longer of the kind
# that is to be learned.
LONGEST_REPLY, MOST_STEPS = 192, 3
_NOTHING = re.compile(r"\s*(?:\[\]|\(\)|\{\}|nan|<NA>|NaT|None|Series\(\[\].*|Empty DataFrame.*)?\s*", re.S)

# Texts that are counted again and again: the opening of every episode, the card of a table's questions.
_COUNTS_KEPT = 50_000

Keep = Callable[[Problem, Trajectory], None]


class Stage:
    """Opens sessions of a pool for episodes that are fitted to one model; may be used from any thread.

    What is the same for many of them is worked out once: what a table looks like, how many tokens a text has.

    Attributes:
        model: Whose context and tokens the episodes are fitted to.
    """

    def __init__(self, model: Model, pool: Pool):
        self.model = model
        self._pool = pool
        self._profiles: dict[tuple[Path, ...], Sequence[TableProfile]] = {}
        self._count = functools.lru_cache(_COUNTS_KEPT)(model.count_tokens)

    def open(self, tables: tuple[Path, ...]) -> tuple[Session, Sequence[TableProfile]]:
        """A session on the tables, and what they look like.

        Raises:
            InputError: a table cannot be read.
        """
        session = self._pool.open(tables)
        try:
            if tables not in self._profiles:
                self._profiles[tables] = session.profile()
        except SandboxError as error:
            session.close()
            raise InputError(str(error)) from error
        except BaseException:
            session.close()
            raise
        return session, self._profiles[tables]

    def profile(self, tables: tuple[Path, ...]) -> Sequence[TableProfile]:
        """What the tables look like; raises InputError if one cannot be read."""
        if tables not in self._profiles:
            session, _ = self.open(tables)
            session.close()
        return self._profiles[tables]

    def episode(
        self, problem: Problem, profile: Sequence[TableProfile], after: Episode | None = None, **limits: int
    ) -> Episode:
        """An episode in which the problem is posed; `limits` are EpisodeLimits' other than the context."""
        fitted = EpisodeLimits(context_tokens=self.model.context_tokens, **limits)
        return Episode(bench.posed(problem), profile, fitted, count_tokens=self._count, after=after)


# Rolling out


class Rollout(NamedTuple):
    """One episode and how it was judged."""

    problem: Problem
    trajectory: Trajectory
    prediction: Prediction


def roll(
    problems: Sequence[Problem],
    model: Model,
    temperatures: Sequence[float],
    seed: int,
    folder: Path,
    *,
    slots: int = 1,
    batched: bool = False,
    kept: bool = False,
) -> Iterator[Rollout]:
    """Asks each problem once for each temperature; what the folder holds already is not asked again.

    Args:
        temperatures: One rollout each; the same one twice gives two, sampled from different seeds.
        folder: Holds a journal for each rollout, in a folder of the model's name.
        slots: Episodes at once, each with a session open; with `batched` the rows of a batch, at most.
        batched: Whether the model computes its conversations in one batch, as transformers does.
        kept: Whether to give what the folder holds and ask nothing more.

    Raises:
        ModelError: the model cannot go on.
        RunError: the folder holds rollouts of other problems, or with other settings.
        SandboxError: this machine cannot run the sandbox.
    """
    how = {"slots": slots, "batched": batched, "kept": kept}
    for number, temperature in enumerate(temperatures):
        yield from roll_once(problems, model, temperature, number, seed, folder, **how)


def roll_once(
    problems: Sequence[Problem],
    model: Model,
    temperature: float,
    number: int,
    seed: int,
    folder: Path,
    *,
    slots: int = 1,
    batched: bool = False,
    kept: bool = False,
) -> list[Rollout]:
    """The part of `roll` that is its temperatures' `number`-th; for the rest see there."""
    # A turn's seed grows with its place in the conversation and in the batch.
    settings = Settings("loop", seed + 100_003 * number, temperature, slots, batched)
    where = folder / records.slug(model.name) / f"{number}-temperature-{temperature:g}"
    with Journal(where, _config(problems, model, settings)) as journal:
        if not kept:
            bench.collect(problems, model, journal, lambda todo, keep: _work(todo, keep, model, settings))
        predictions = journal.predictions
    _, trajectories = records.read_run(where)
    return [
        Rollout(problem, trajectories[problem.id], predictions[problem.id])
        for problem in problems
        if problem.id in predictions
    ]


def _config(problems: Sequence[Problem], model: Model, settings: Settings) -> dict:
    limits = {"max_steps": MOST_STEPS, "reply_tokens": LONGEST_REPLY}
    return bench.config(problems, model.name, model.digest, settings) | limits


def _work(todo: list[Problem], keep: Keep, model: Model, settings: Settings) -> None:
    with Pool(settings.slots) as pool:
        stage = Stage(model, pool)
        if settings.batched:
            _roll_batched(todo, keep, stage, settings)
            return
        for _ in pool.map(lambda problem: keep(problem, _ask(problem, stage, settings)), todo):
            pass


def _opened(problem: Problem, stage: Stage) -> tuple[Episode, Session]:
    """Raises InputError if a table cannot be read."""
    session, profile = stage.open(problem.tables)
    return stage.episode(problem, profile, max_steps=MOST_STEPS, reply_tokens=LONGEST_REPLY), session


def _ask(problem: Problem, stage: Stage, settings: Settings) -> Trajectory:
    try:
        episode, session = _opened(problem, stage)
    except InputError as error:
        return bench.unreadable(problem, error)
    with session:
        trajectory = driver.run(episode, stage.model, session, **settings.sampling)
    if trajectory.outcome == "failed":
        driver.warm(stage.model)  # raises where the model is gone, and not only this question too much for it
    return trajectory


@dataclass(eq=False)
class _Live:
    """An episode that has a place in the batch."""

    problem: Problem
    episode: Episode
    session: Session
    started: float = field(default_factory=time.perf_counter)


def _roll_batched(todo: list[Problem], keep: Keep, stage: Stage, settings: Settings) -> None:
    """One batch of replies a turn; where an episode ends, the next problem takes its place.

    A step of a small model takes as long for one conversation as for hundreds, so what counts is that the
    batch is full: `agent.run.run_many` would wait with all of its places for the longest episode.
    """
    waiting, live = deque(todo), []

    def opened(problem: Problem) -> _Live | None:
        try:
            return _Live(problem, *_opened(problem, stage))
        except InputError as error:
            keep(problem, bench.unreadable(problem, error))
            return None

    def end(one: _Live) -> None:
        one.session.close()
        about = {"model": stage.model.name, "digest": stage.model.digest, **settings.sampling}
        keep(one.problem, one.episode.trajectory(**about, seconds=time.perf_counter() - one.started))

    seed = settings.seed
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        while waiting or live:
            free = min(settings.slots - len(live), len(waiting))
            live += filter(None, threads.map(opened, [waiting.popleft() for _ in range(free)]))
            # A greedy model would repeat what was refused; it is sampled, and a batch has one temperature.
            apart = [one for one in live if one.episode.stuck and not settings.temperature]
            batch = max([one for one in live if one not in apart], apart, key=len)
            temperature = driver.STUCK_TEMPERATURE if batch is apart else settings.temperature
            _take_turn(batch, stage.model, temperature, seed, threads)
            list(threads.map(end, [one for one in batch if one.episode.done]))
            live = [one for one in live if not one.episode.done]
            seed += settings.slots  # each row of a batch has its own


def _take_turn(batch: list[_Live], model: Model, temperature: float, seed: int, threads: Executor) -> None:
    """One reply for each episode of the batch, and what comes of it."""
    replies = model.generate(
        [one.episode.messages for one in batch],
        max_new_tokens=LONGEST_REPLY,
        temperature=temperature,
        stop=STOP,
        seed=seed,
    )
    list(threads.map(_advance, batch, replies))


def _advance(one: _Live, reply: str) -> None:
    action = one.episode.receive(reply)
    if isinstance(action, RunCode):
        try:
            one.episode.observe(one.session.run(action.code))
        except SandboxError as error:
            one.episode.stop("failed", str(error))


# Playing anew


@dataclass(frozen=True)
class Draft:
    """What a sample is to be made from.

    Attributes:
        problem: The question, with the known answer that its last reply must give.
        replies: What the model is to have said, the answer last.
        source, family, model: The sample's.
        wrong: So many of the conversation's first replies must fail or find nothing; they are context only.
        shows: What must stand in what an episode was told of its code, such as a chart that was drawn.
        earlier: Questions asked before in the same conversation, each with its replies.
    """

    problem: Problem
    replies: tuple[str, ...]
    source: str
    family: str
    model: str
    wrong: int = 0
    shows: str = ""
    earlier: tuple[tuple[Problem, tuple[str, ...]], ...] = field(default=())


def code_reply(code: str) -> str:
    """The code as a reply in the form that is asked for."""
    return f"```python\n{code}\n```"


def answer_reply(answer: str, summary: str) -> str:
    """The answer as a reply in the form that is asked for."""
    return f"Answer: {answer}\nSummary: {summary}"


def play(draft: Draft, stage: Stage) -> tuple[Sample | None, str]:
    """The sample, or None and why the draft was not accepted; the stage's model is not asked anything.

    Raises:
        LeakError: a table is a benchmark's.
        SandboxError: this machine cannot run the sandbox.
    """
    digests = [digest for table in draft.problem.tables for digest in leaks.allowed(table)]
    asked = [*draft.earlier, (draft.problem, draft.replies)]
    try:
        dialog = _played(asked, stage)
    except InputError:
        return None, "table not readable"
    for number, (trajectory, (problem, replies)) in enumerate(zip(dialog, asked, strict=True)):
        if reason := _objection(trajectory, problem, replies, 0 if number else draft.wrong):
            return None, reason
    if not any(draft.shows in turn.feedback for turn in dialog[-1].turns):
        return None, "does not show what it should"
    sample = samples.from_dialog(
        dialog,
        source=draft.source,
        family=draft.family,
        answer_type=draft.problem.answer_type,
        tables_sha256=digests,
        model=draft.model,
        skip=draft.wrong,
    )
    return sample, ""


def _played(asked: Sequence[tuple[Problem, Sequence[str]]], stage: Stage) -> list[Trajectory]:
    """The trajectories of questions asked one after the other in one session."""
    dialog, episode = [], None
    session, profile = stage.open(asked[-1][0].tables)
    with session:
        for problem, replies in asked:
            episode = stage.episode(problem, profile, after=episode)
            replay(episode, session, replies)
            episode.stop()
            dialog.append(episode.trajectory())
    return dialog


def replay(episode: Episode, session: Session, replies: Sequence[str]) -> None:
    """Gives an episode replies that are known, until it is over or they are; their code is run for real."""
    for reply in replies:
        if episode.done:
            return
        action = episode.receive(reply)
        if isinstance(action, RunCode):
            episode.observe(session.run(action.code))


def _objection(trajectory: Trajectory, problem: Problem, replies: Sequence[str], wrong: int) -> str:
    """Why the trajectory is not worth learning from, "" if it is."""
    turns = trajectory.turns
    if not all(_went_wrong(turn) for turn in turns[:wrong]):
        return "fault without effect"
    if any(turn.step and samples.came_to_nothing(turn) for turn in turns[wrong:]):
        return "code failed or printed nothing"
    absent = trajectory.outcome == "not_answerable"
    if not (trajectory.verified or absent) or len(turns) < len(replies):
        return "answer not accepted"
    verdict = verify(trajectory, problem)
    if not (verdict.official and verdict.strict and (verdict.grounded or absent)):
        return "answer wrong"
    return ""


def _went_wrong(turn: Turn) -> bool:
    """Whether the turn's code failed, or found nothing."""
    step = turn.execution
    return step is not None and (step.error is not None or bool(_NOTHING.fullmatch(step.stdout)))
