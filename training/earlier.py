"""Keeps the answers of an earlier run that the present agent would reach by the same conversation.

    take_over(folder, problems, model, journal, settings)
    machines(journal_folder)    # of the answers that were taken over

A change to the agent touches few conversations, and to ask all questions again takes a laptop an hour. So
each stored conversation is led anew: its replies are given to an episode of the present agent, their code is
run for real. If every message comes out as it was, word for word, up to the same end, the model would have
said the same again, as its greedy replies depend on nothing else, and those sampled after a refused one on a
seed besides. All other questions are asked anew; where it has changed how replies are drawn (the run's
`sampling_sha256`), also those with a reply that was sampled or cut. The one reply of a baseline (one-shot,
no-data) is kept in the same way, unless that has changed. A model without a digest is known by its name, and
the library that computes it is taken to be the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from agent import EpisodeLimits, Trajectory
from agent.models import Model
from sandbox import InputError, Pool, SandboxError
from training import bench, records
from training.bench import Settings
from training.problems import Problem
from training.records import SUMMARY, Journal, RunError
from training.rollouts import Stage, replay

# What may differ between the runs: whether it does to a conversation is found out.
_MAY_DIFFER = ("prompt_sha256", "agent_sha256", "sampling_sha256")
_MACHINE = "taken_over_from"  # in a trajectory's `run`: the earlier run's hardware, "" if it is not known


def take_over(
    folder: Path, problems: Sequence[Problem], model: Model, journal: Journal, settings: Settings
) -> None:
    """Adds to the journal what holds of an earlier run.

    Args:
        folder: The run's, or the one that `bench` named, in which the run of these settings is looked for.
        journal: What it holds already stays as it is.

    Raises:
        ModelError: the model failed to read a value out of an output.
        RunError: the folder holds no run, or one of another model, of other problems or with other settings.
        SandboxError: this machine cannot run the sandbox.
    """
    if not (folder / records.CONFIG).is_file():
        folder = folder / bench.folder_name(settings)
    config = bench.config(problems, model.name, model.digest, settings)
    alike = _check(folder, config)["sampling_sha256"] == config["sampling_sha256"]
    stored, machine = _trajectories(folder), _hardware(folder)
    known = journal.predictions.keys() | journal.unjudged.keys()
    todo = [problem for problem in problems if problem.id in stored and problem.id not in known]
    extractor, taken = bench.extractor_of(model, settings), 0
    with tqdm(total=len(todo), unit="problem", file=sys.stderr) as bar:

        def look_at(problem: Problem, comes_again: bool) -> None:
            nonlocal taken
            if comes_again:
                trajectory = stored[problem.id]
                trajectory.run[_MACHINE] = machine
                journal.add_trajectory(problem.id, trajectory)
                journal.add_prediction(bench.judge(problem, trajectory, model, extractor))
                taken += 1
            bar.set_description(f"{taken} taken over")
            bar.update()

        if settings.mode == "loop":
            with Pool(settings.slots) as pool:
                stage = Stage(model, pool)
                for problem in todo:
                    one = stored[problem.id]
                    may = alike or _greedy_and_whole(one, model)
                    look_at(problem, may and _comes_again(one, problem, stage))
        elif alike:
            replies = _Replies(model, stored.values())
            keep = lambda problem, anew: look_at(problem, _is_same(anew, stored[problem.id]))  # noqa: E731
            bench.answer(todo, replies, settings, keep)


def machines(folder: Path) -> list[str]:
    """The hardware of those answers of a run that were taken over from an earlier one; "" if not known."""
    _, trajectories = records.read_run(folder)
    return [one.run[_MACHINE] for one in trajectories.values() if _MACHINE in one.run]


def _check(folder: Path, config: dict) -> dict:
    """The earlier run's config."""
    if config["temperature"]:
        raise RunError("Only a greedy run is taken over: leave out --earlier.")
    path = folder / records.CONFIG
    if not path.is_file():
        raise RunError(f"{folder} holds no {records.CONFIG}: give the folder of a benchmark run.")
    held = json.loads(path.read_text(encoding="utf-8"))
    for name in (name for name in held | config if name not in _MAY_DIFFER):
        if held.get(name) != config.get(name):
            raise RunError(
                f"{folder} holds a run with another {name} ({held.get(name)}, now {config.get(name)}): "
                "give an earlier run of the same, or leave out --earlier."
            )
    return dict.fromkeys(_MAY_DIFFER) | held


def _trajectories(folder: Path) -> dict[str, Trajectory]:
    try:
        return records.read_run(folder)[1]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise RunError(
            f"{folder} holds a run of another form ({error}): leave out --earlier, and all is asked anew."
        ) from None


def _hardware(folder: Path) -> str:
    path = folder / SUMMARY
    return json.loads(path.read_text(encoding="utf-8"))["hardware"] if path.is_file() else ""


def _greedy_and_whole(trajectory: Trajectory, model: Model) -> bool:
    """Whether no reply was sampled, as those after a refused one are, nor cut at the present limit."""
    *before, _ = trajectory.turns or [None]
    limit = EpisodeLimits.reply_tokens
    whole = all(model.count_tokens(turn.text) < limit for turn in trajectory.turns)
    return whole and all(turn.step for turn in before)


def _comes_again(stored: Trajectory, problem: Problem, stage: Stage) -> bool:
    """Whether the present agent leads the same conversation to the same end."""
    try:
        session, profile = stage.open(problem.tables)
    except InputError:
        return False
    with session:
        episode = stage.episode(problem, profile)
        try:
            replay(episode, session, [turn.text for turn in stored.turns])
        except SandboxError:
            return False
    return episode.done and _is_same(episode.trajectory(), stored)


def _is_same(anew: Trajectory, stored: Trajectory) -> bool:
    shown = ("messages", "outcome", "answer", "evidence")
    return all(getattr(anew, name) == getattr(stored, name) for name in shown)


class _Replies:
    """A model that says what it said in these baselines where the conversation is the same, else nothing."""

    def __init__(self, model: Model, stored: Iterable[Trajectory]):
        self._model = model
        self._said = {}
        for trajectory in stored:
            messages = trajectory.messages
            # The worked example has replies, too; the model's own is the last.
            if places := [at for at, message in enumerate(messages) if message["role"] == "assistant"]:
                self._said[_key(messages[: places[-1]])] = messages[places[-1]]["content"]

    def generate(self, conversations: Sequence[Sequence[dict]], **_: object) -> list[str]:
        return [self._said.get(_key(conversation), "") for conversation in conversations]

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)


def _key(messages: Sequence[dict]) -> str:
    return json.dumps(list(messages))
