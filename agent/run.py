"""Drives episodes: one with events for a screen, or many with all live ones in one batch a turn.

    for event in events(episode, model, session): ...
    trajectories = run_many([(episode, session), ...], model)

Both put the same question to the same `Episode`; they differ only in who waits for whom.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from agent import prompts
from agent.episode import Episode, EpisodeLimits, Retry, Trajectory
from agent.models import Model, ModelError
from agent.protocol import STOP, RunCode
from sandbox import Execution, SandboxError, Session, TableProfile

HEARTBEAT_SECONDS = 0.25
# Told that its code was not accepted, a greedy model repeats it word for word; sampling frees it, or at least
# sampling more freely.
STUCK_TEMPERATURE, MOST_STUCK = 0.8, 1.4


@dataclass(frozen=True)
class Writing:
    """The model wrote `text` (a piece of its reply) towards step `step` (1-based)."""

    step: int
    text: str


@dataclass(frozen=True)
class Running:
    """Step `step`'s code is being run."""

    step: int
    code: str


@dataclass(frozen=True)
class Ran:
    """Step `step` really ran, and this came of it."""

    step: int
    execution: Execution


@dataclass(frozen=True)
class Refused:
    """The reply was not accepted; the model was told why."""

    feedback: str


@dataclass(frozen=True)
class Waiting:
    """Nothing new for HEARTBEAT_SECONDS: a chance for the consumer to stop."""


@dataclass(frozen=True)
class Finished:
    """The last event: the whole record."""

    trajectory: Trajectory


Event = Writing | Running | Ran | Refused | Waiting | Finished


def new_episode(
    question: str,
    tables: Sequence[TableProfile],
    model: Model,
    *,
    max_steps: int = EpisodeLimits.max_steps,
    after: Episode | None = None,
    fresh_state: bool = False,
) -> Episode:
    """An episode fitted to the model's context and tokenizer; `after` and `fresh_state` as in Episode."""
    limits = EpisodeLimits(max_steps=max_steps, context_tokens=model.context_tokens)
    return Episode(
        question, tables, limits, count_tokens=model.count_tokens, after=after, fresh_state=fresh_state
    )


def warm(model: Model) -> None:
    """Has the model read what every question begins with, so that the first one need not wait for it.

    Raises:
        ModelError: the model failed.
    """
    model.generate([[*prompts.opening_messages(), {"role": "user", "content": ""}]], max_new_tokens=1)


@dataclass
class _Clock:
    """Seconds spent in the model and in the sandbox, and until the first token."""

    started: float = field(default_factory=time.perf_counter)
    model: float = 0.0
    sandbox: float = 0.0
    first_token: float = 0.0

    def record(self) -> dict[str, float]:
        return {
            "seconds": round(time.perf_counter() - self.started, 4),
            "model_seconds": round(self.model, 4),
            "sandbox_seconds": round(self.sandbox, 4),
            "first_token_seconds": round(self.first_token, 4),
        }


def events(
    episode: Episode, model: Model, session: Session, *, temperature: float = 0.0, seed: int = 0
) -> Iterator[Event]:
    """Runs one episode to its end; the last event is Finished.

    Closing the iterator (the user's Stop) kills the running step or the generation and leaves the episode
    "stopped". A model's or the sandbox's own failure ends it as "failed", with the reason as summary.
    """
    clock = _Clock()
    try:
        while not episode.done:
            text = yield from _reply(episode, model, clock, temperature, seed)
            action = episode.receive(text)
            if isinstance(action, RunCode):
                step = episode.steps + 1
                yield Running(step, action.code)
                execution = yield from _execute(session, action.code, clock)
                episode.observe(execution)
                yield Ran(step, execution)
            elif isinstance(action, Retry):
                yield Refused(action.feedback)
    except (ModelError, SandboxError) as error:
        episode.stop("failed", str(error))
    finally:
        episode.stop()  # without effect once the episode is done
    yield Finished(episode.trajectory(**_about(model, seed, temperature), **clock.record()))


def run(episode: Episode, model: Model, session: Session, **sampling) -> Trajectory:
    """Runs one episode and returns its record; `sampling` is temperature and seed."""
    for event in events(episode, model, session, **sampling):
        if isinstance(event, Finished):
            return event.trajectory
    raise AssertionError("events() ends with Finished")


def run_many(
    jobs: Sequence[tuple[Episode, Session]],
    model: Model,
    *,
    temperature: float = 0.0,
    seed: int = 0,
    workers: int = 2,
    on_done: Callable[[int, Trajectory], None] | None = None,
) -> list[Trajectory]:
    """Runs all episodes together: one batch of replies a turn, the code of a turn on `workers` threads.

    A sandbox's failure ends its own episode as "failed", a model's ends them all.

    Args:
        on_done: called with the job's index and trajectory as soon as an episode is over.
    """
    clocks = [_Clock() for _ in jobs]
    trajectories: list[Trajectory | None] = [None] * len(jobs)
    live = list(range(len(jobs)))
    with ThreadPoolExecutor(workers) as pool:
        while live:
            refused = {i: jobs[i][0].stuck for i in live}
            for number in sorted(set(refused.values())):
                batch = [i for i in live if refused[i] == number]
                _turn(jobs, clocks, batch, pool, model, temperature, seed)
            for i in live:
                if jobs[i][0].done:
                    trajectories[i] = jobs[i][0].trajectory(
                        **_about(model, seed, temperature), **clocks[i].record()
                    )
                    if on_done:
                        on_done(i, trajectories[i])
            live = [i for i in live if not jobs[i][0].done]
    return trajectories


def _turn(jobs, clocks, batch: list[int], pool, model: Model, temperature: float, seed: int) -> None:
    """One reply for each episode of the batch, which are all sampled alike, and what comes of it."""
    if not batch:
        return
    start = time.perf_counter()
    conversations = [jobs[i][0].messages for i in batch]
    replies = model.generate(conversations, **_sampling(jobs[batch[0]][0], temperature, seed))
    for i in batch:
        clocks[i].model += time.perf_counter() - start
    list(pool.map(_advance, [jobs[i] for i in batch], replies, [clocks[i] for i in batch]))


def _advance(job: tuple[Episode, Session], reply: str, clock: _Clock) -> None:
    episode, session = job
    action = episode.receive(reply)
    if isinstance(action, RunCode):
        start = time.perf_counter()
        try:
            episode.observe(session.run(action.code))
        except SandboxError as error:
            episode.stop("failed", str(error))
        clock.sandbox += time.perf_counter() - start


def _reply(episode: Episode, model: Model, clock: _Clock, temperature: float, seed: int) -> Iterator[Event]:
    """Streams one reply; returns its whole text."""
    step, pieces, start = episode.steps + 1, [], time.perf_counter()
    for piece in model.stream(episode.messages, **_sampling(episode, temperature, seed)):
        clock.first_token = clock.first_token or (time.perf_counter() - clock.started if piece else 0.0)
        pieces.append(piece)
        clock.model += time.perf_counter() - start
        yield Writing(step, piece) if piece else Waiting()
        start = time.perf_counter()
    clock.model += time.perf_counter() - start
    return "".join(pieces)


def _execute(session: Session, code: str, clock: _Clock) -> Iterator[Event]:
    """Runs the code in a thread so that a heartbeat goes on; returns its Execution."""
    start = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(session.run, code)
        try:
            while not wait([future], HEARTBEAT_SECONDS).done:
                yield Waiting()
        except BaseException:  # the user's Stop, or Ctrl-C: the pool would wait for the step
            session.interrupt()
            raise
    clock.sandbox += time.perf_counter() - start
    return future.result()


def _freeing(refused: int) -> float:
    """The temperature after so many refused replies in a row."""
    return min(STUCK_TEMPERATURE + 0.3 * (refused - 1), MOST_STUCK) if refused else 0.0


def _sampling(episode: Episode, temperature: float, seed: int) -> dict:
    return {
        "max_new_tokens": episode.limits.reply_tokens,
        "temperature": max(temperature, _freeing(episode.stuck)),
        "stop": STOP,
        "seed": seed + len(episode.messages),
    }


def _about(model: Model, seed: int, temperature: float) -> dict:
    return {"model": model.name, "digest": model.digest, "seed": seed, "temperature": temperature}
