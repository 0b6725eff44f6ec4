"""Asks a model problems with known answers and keeps what came of it: `python -m training bench`.

    settings = Settings(mode="loop", seed=0)
    with journal_of(folder, problems, model, settings) as journal:
        predictions = run(problems, model, journal, settings)

Three modes, judged by one chain. "loop" is the episode of the demo. "one-shot" is its first reply alone: the
code is run once and what it prints is the answer. "no-data" withholds the tables: what guessing scores.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from agent import Episode, EpisodeLimits, RunCode, Trajectory, Turn, prompts, protocol
from agent import run as driver
from agent.models import Model, registry
from agent.protocol import STOP, FinalAnswer
from sandbox import InputError, Pool, SandboxError, Session
from training import records
from training.problems import Problem
from training.records import Journal, Prediction
from training.verify import verify

MODES = ("loop", "one-shot", "no-data")
GUESS_TOKENS = 128
# Side by side: conversations of llama.cpp or of an endpoint, and rows of one batch of transformers.
SLOTS, BATCH = 1, 32

Keep = Callable[[Problem, Trajectory], None]


@dataclass(frozen=True)
class Settings:
    """How a run is done.

    Attributes:
        mode: One of MODES.
        seed: Of all sampling; a greedy model samples only after a refused reply.
        temperature: 0 is greedy.
        slots: Problems worked on side by side; 0 leaves it to `suited`.
        batched: Whether the model computes its conversations in one batch, as transformers does; otherwise
            each problem has a thread, and none waits for another.
    """

    mode: str = "loop"
    seed: int = 0
    temperature: float = 0.0
    slots: int = 0
    batched: bool = False

    @property
    def sampling(self) -> dict:
        return {"seed": self.seed, "temperature": self.temperature}


def suited(settings: Settings, name: str | None) -> Settings:
    """The settings for the model of this name (None: the default): transformers computes in batches."""
    if isinstance(registry.MODELS.get(name or registry.default_name()), registry.OnHub):
        return replace(settings, batched=True, slots=settings.slots or BATCH)
    return replace(settings, slots=settings.slots or SLOTS)


def journal_of(folder: Path, problems: Sequence[Problem], model: Model, settings: Settings) -> Journal:
    """Opens the run's folder; raises RunError where another run's predictions are in it."""
    return Journal(folder, config(problems, model.name, model.digest, settings))


def config(problems: Sequence[Problem], model: str, digest: str, settings: Settings) -> dict:
    """All that the predictions depend on; `digest` is the model's."""
    return {
        "model": model,
        "model_digest": digest,
        "mode": settings.mode,
        **settings.sampling,
        "data_sha256": records.data_digest(problems),
        "prompt_sha256": records.prompt_digest(),
        "agent_sha256": records.agent_digest(),
        "sampling_sha256": records.sampling_digest(),
    }


def folder_name(settings: Settings) -> str:
    """Of a run's folder among those of the same model and problems: loop-seed0."""
    return f"{settings.mode}-seed{settings.seed}"


def run(problems: Sequence[Problem], model: Model, journal: Journal, settings: Settings) -> list[Prediction]:
    """Asks what the journal does not hold yet; returns all predictions in the problems' order.

    A table that cannot be read gives a prediction with the outcome "unreadable".

    Raises:
        ModelError: the model cannot go on.
        SandboxError: this machine cannot run the sandbox.
    """

    def work(todo: list[Problem], keep: Keep) -> None:
        answer(todo, model, settings, keep)

    return collect(problems, model, journal, work, extractor_of(model, settings))


def extractor_of(model: Model, settings: Settings) -> Model | None:
    """The model of the chain's third link; a guess has no output for it to read."""
    return None if settings.mode == "no-data" else model


def answer(todo: list[Problem], model: Model, settings: Settings, keep: Keep) -> None:
    """Asks the problems as the settings say; `keep` is called, from any thread, with each that is answered.

    Raises:
        ModelError, SandboxError: as `run`.
    """
    if settings.mode == "no-data":
        for wave in _waves(todo, settings.slots):
            _guess(wave, model, settings, keep)
        return
    with Pool(settings.slots) as pool:
        if settings.mode == "loop" and not settings.batched:
            for _ in pool.map(lambda problem: keep(problem, _ask(problem, model, pool, settings)), todo):
                pass
            return
        ask = _ask_once if settings.mode == "one-shot" else _ask_batch
        for wave in _waves(todo, settings.slots):
            ask(wave, model, pool, settings, keep)


def collect(
    problems: Sequence[Problem],
    model: Model,
    journal: Journal,
    work: Callable[[list[Problem], Keep], None],
    extractor: Model | None = None,
) -> list[Prediction]:
    """Has `work` answer what the journal does not hold yet; returns all predictions in the problems' order.

    Args:
        work: Gets the problems, those on the same tables one after the other (so that a prefix cache holds
            the table card), and calls its second argument, from any thread, with each that is answered.
        extractor: The model of the chain's third link; without one that link is left out.
    """
    by_id = {problem.id: problem for problem in problems}
    for id, trajectory in journal.unjudged.items():
        journal.add_prediction(judge(by_id[id], trajectory, model, extractor))
    todo = _by_tables([problem for problem in problems if problem.id not in journal.predictions])
    done = len(problems) - len(todo)
    with tqdm(desc=model.name, total=len(problems), initial=done, unit="problem", file=sys.stderr) as bar:

        def keep(problem: Problem, trajectory: Trajectory) -> None:
            journal.add_trajectory(problem.id, trajectory)
            journal.add_prediction(judge(problem, trajectory, model, extractor))
            bar.update()

        work(todo, keep)
    return [journal.predictions[problem.id] for problem in problems]


def judge(problem: Problem, trajectory: Trajectory, model: Model, extractor: Model | None) -> Prediction:
    """The line of predictions.jsonl for one trajectory; `model` is the one that wrote it."""
    verdict = verify(trajectory, problem, extractor)
    written = model.count_tokens("\n".join(turn.text for turn in trajectory.turns))
    shown = model.count_tokens("\n".join(message["content"] for message in trajectory.messages))
    return Prediction(
        id=problem.id,
        answer_type=problem.answer_type,
        gold=problem.answer,
        answer=trajectory.answer,
        summary=trajectory.summary,
        outcome=trajectory.outcome,
        value=verdict.value,
        link=verdict.link,
        official=verdict.official,
        strict=verdict.strict,
        verified=trajectory.verified,
        grounded=verdict.grounded,
        exec_ok=trajectory.exec_ok,
        steps=len(trajectory.executions),
        hallucinated_results=trajectory.hallucinated_results,
        seconds=trajectory.run["seconds"],
        prompt_tokens=max(shown - written, 0),
        output_tokens=written,
    )


def posed(problem: Problem) -> str:
    """The question as a model is asked it."""
    return prompts.posed_question(problem.question, problem.choices, problem.intro)


def unreadable(problem: Problem, error: InputError) -> Trajectory:
    """The record of a question that could not be asked, since its tables cannot be read."""
    nothing = {"tables": (), "messages": (), "turns": ()}
    return Trajectory(
        posed(problem), outcome="unreadable", summary=str(error), run={"seconds": 0.0}, **nothing
    )


def _by_tables(problems: list[Problem]) -> list[Problem]:
    order = {tables: place for place, tables in enumerate(dict.fromkeys(p.tables for p in problems))}
    return sorted(problems, key=lambda problem: order[problem.tables])


def _waves(problems: list[Problem], size: int) -> Iterator[list[Problem]]:
    for start in range(0, len(problems), size):
        yield problems[start : start + size]


def _opened(problem: Problem, model: Model, pool: Pool) -> tuple[Episode, Session]:
    """Raises InputError if a table cannot be read."""
    session = pool.open(problem.tables)
    try:
        tables = session.profile()
        return driver.new_episode(posed(problem), tables, model), session
    except SandboxError as error:
        session.close()
        raise InputError(str(error)) from error
    except BaseException:
        session.close()
        raise


def _opened_wave(
    wave: list[Problem], model: Model, pool: Pool, sessions: ExitStack, keep: Keep
) -> Iterator[tuple[Problem, Episode, Session]]:
    """What can be asked of the wave; the rest is kept as unreadable."""
    for problem in wave:
        try:
            episode, session = _opened(problem, model, pool)
        except InputError as error:
            keep(problem, unreadable(problem, error))
        else:
            sessions.enter_context(session)
            yield problem, episode, session


# The loop


def _ask(problem: Problem, model: Model, pool: Pool, settings: Settings) -> Trajectory:
    try:
        episode, session = _opened(problem, model, pool)
    except InputError as error:
        return unreadable(problem, error)
    with session:
        trajectory = driver.run(episode, model, session, **settings.sampling)
    if trajectory.outcome == "failed":
        driver.warm(model)  # raises where the model is gone, and not only this question too much for it
    return trajectory


def _ask_batch(wave: list[Problem], model: Model, pool: Pool, settings: Settings, keep: Keep) -> None:
    with ExitStack() as sessions:
        opened = list(_opened_wave(wave, model, pool, sessions, keep))
        driver.run_many(
            [(episode, session) for _, episode, session in opened],
            model,
            on_done=lambda place, trajectory: keep(opened[place][0], trajectory),
            **settings.sampling,
        )


# The baselines


def _ask_once(wave: list[Problem], model: Model, pool: Pool, settings: Settings, keep: Keep) -> None:
    """One reply each, from the messages that an episode begins with."""
    with ExitStack() as sessions:
        opened = list(_opened_wave(wave, model, pool, sessions, keep))
        started = time.perf_counter()
        replies = model.generate(
            [episode.messages for _, episode, _ in opened],
            max_new_tokens=EpisodeLimits.reply_tokens,
            stop=STOP,
            **settings.sampling,
        )
        for (problem, episode, session), reply in zip(opened, replies, strict=True):
            action = episode.receive(reply)
            if isinstance(action, RunCode):
                episode.observe(session.run(action.code))
            episode.stop()
            record = episode.trajectory(**_about(model, settings, started))
            keep(problem, _printed(record, problem))


def _printed(trajectory: Trajectory, problem: Problem) -> Trajectory:
    """With what its one step printed as the answer."""
    printed = [step.stdout.strip() for step in trajectory.executions if not step.error]
    answered = replace(trajectory, answer=printed[0] if printed else "")
    if not answered.answer:
        return replace(answered, outcome="no_answer")
    return replace(answered, outcome="verified" if verify(answered, problem).grounded else "unverified")


def _guess(wave: list[Problem], model: Model, settings: Settings, keep: Keep) -> None:
    """One reply each, to the question alone."""
    asked = [prompts.guess_messages(posed(problem)) for problem in wave]
    started = time.perf_counter()
    replies = model.generate(asked, max_new_tokens=GUESS_TOKENS, **settings.sampling)
    run = _about(model, settings, started)
    for problem, messages, text in zip(wave, asked, replies, strict=True):
        reply = protocol.parse(text)
        # A guess is taken as it comes: whether it keeps the form is not what is measured.
        answer = reply.answer if isinstance(reply, FinalAnswer) else text.strip().partition("\n")[0]
        turn = Turn(text, "answer" if answer else "malformed", answer=answer, fabricated=reply.fabricated)
        said = (*messages, {"role": "assistant", "content": text})
        outcome = "unverified" if answer else "no_answer"
        keep(problem, Trajectory(posed(problem), (), said, (turn,), outcome, answer, run=run))


def _about(model: Model, settings: Settings, started: float) -> dict:
    seconds = round(time.perf_counter() - started, 4)
    return {"model": model.name, "digest": model.digest, **settings.sampling, "seconds": seconds}
