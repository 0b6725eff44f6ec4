"""Answers of an earlier run to which the present agent would come by the very same conversation.

    take_over(folder, problems, model, journal, settings)
    count(journal_folder)       # so many of its answers are an earlier run's

A change to the agent touches few conversations, and to ask all questions again takes a laptop an hour. So
each stored conversation is led anew: its replies are given to an episode of the present agent, and their code
is run for real. If every message comes out as it was, word for word, up to the same end, a greedy model would
have said the same again, and the answer is kept with its seconds. All others are asked anew, and so are those
in which a reply was sampled (as replies are after a refused one) or cut at the limit: how that is done may
have changed. What no message shows is taken to be the same: the stop strings, the runtime, its arithmetic.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from agent import Trajectory
from agent.models import Model
from sandbox import InputError, Pool, SandboxError
from training import bench, records
from training.bench import Settings
from training.problems import Problem
from training.records import Journal
from training.rollouts import Stage, replay

# What may differ between the runs: whether it does to a conversation is found out.
_MAY_DIFFER = ("prompt_sha256", "agent_sha256")
_MARK = "taken_over"  # in a trajectory's `run`


def take_over(
    folder: Path, problems: Sequence[Problem], model: Model, journal: Journal, settings: Settings
) -> None:
    """Adds to the journal what holds of the run in `folder`.

    Args:
        journal: What it holds already stays as it is.

    Raises:
        RunError: the folder holds no run, or one of another model, of other problems or otherwise asked.
        SandboxError: this machine cannot run the sandbox.
    """
    _check(folder, bench.config(problems, model.name, model.digest, settings))
    _, stored = records.read_run(folder)
    todo = [p for p in problems if p.id in stored and p.id not in journal.predictions]
    taken = 0
    with Pool(settings.slots) as pool, tqdm(total=len(todo), unit="problem", file=sys.stderr) as bar:
        stage = Stage(model, pool)
        for problem in todo:
            bar.set_description(f"{taken} taken over")
            if (trajectory := _led_anew(stored[problem.id], problem, stage)) is not None:
                journal.add_trajectory(problem.id, trajectory)
                journal.add_prediction(bench.judge(problem, trajectory, model, model))
                taken += 1
            bar.update()


def count(folder: Path) -> int:
    """How many of a run's answers were taken over from an earlier one."""
    _, trajectories = records.read_run(folder)
    return sum(_MARK in trajectory.run for trajectory in trajectories.values())


def _check(folder: Path, config: dict) -> None:
    if config["mode"] != "loop" or config["temperature"]:
        raise records.RunError("Only a greedy run of the whole loop is taken over: give no --earlier.")
    path = folder / records.CONFIG
    if not path.is_file():
        raise records.RunError(f"{folder} holds no {records.CONFIG}: give the folder of a benchmark run.")
    held = json.loads(path.read_text(encoding="utf-8"))
    for name in (name for name in config if name not in _MAY_DIFFER and held.get(name) != config[name]):
        raise records.RunError(
            f"{folder} holds a run with another {name} ({held.get(name)}, now {config[name]}): "
            "give an earlier run of the same, or no --earlier."
        )


def _led_anew(stored: Trajectory, problem: Problem, stage: Stage) -> Trajectory | None:
    """The trajectory as the present agent records it, if it is the same conversation."""
    replies = [turn.text for turn in stored.turns]
    sampled = any(not turn.step for turn in stored.turns[:-1])
    if sampled or not replies:
        return None
    try:
        session, profile = stage.open(problem.tables)
    except InputError:
        return None
    with session:
        episode = stage.episode(problem, profile)
        limit = episode.limits.reply_tokens
        if any(stage.model.count_tokens(reply) >= limit for reply in replies):
            return None
        try:
            replay(episode, session, replies)
        except SandboxError:
            return None
    anew = episode.trajectory(**{**stored.run, _MARK: True})
    same = episode.done and (anew.messages, anew.outcome) == (stored.messages, stored.outcome)
    return anew if same else None
