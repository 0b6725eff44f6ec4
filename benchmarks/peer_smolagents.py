"""The same problems answered by smolagents' CodeAgent on the same model, for comparison:

    python -m benchmarks.peer_smolagents --problems databench-lite-validation --model coder-1.5b [--sample N]

It gets the same table card, steps and tokens per reply, and its answers go through the same chain. Runs are
kept beside those of `python -m training bench`, whose table they join. Its code runs in this process, by
smolagents' own interpreter, which is no sandbox: ask it published problems only.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

try:
    import smolagents
except ImportError:
    sys.exit("error: This comparison needs smolagents: run pip install smolagents==1.26.0.")
from smolagents.models import get_clean_message_list, tool_role_conversions

import sandbox
from agent import EpisodeLimits, Trajectory, Turn, models, prompts
from agent import run as driver
from agent.models import Model
from sandbox import Execution, ExecutionError, InputError, Limits, TableProfile
from sandbox import tables as reader
from training import bench, problems, results, suite
from training.bench import Keep, Settings
from training.problems import Problem
from training.records import Journal, Prediction

IMPORTS = ["pandas", "pandas.*", "numpy", "numpy.*"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--problems", required=True)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--model", default="coder-1.5b")
    parser.add_argument("--sample", type=int, help="so many problems drawn, the same each time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    try:
        measure(options)
    except (models.ModelError, sandbox.SandboxError, ValueError, OSError) as error:
        parser.exit(2, f"error: {' '.join(str(error).split())}\n")


def measure(options: argparse.Namespace) -> None:
    """Asks what the options name, and prints the table of all runs beside it.

    Raises:
        ModelError, ProblemError, RunError, SandboxError, OSError: it cannot be done.
    """
    asked = suite.sample(problems.load(options.problems, options.tables), options.sample)
    benchmark = results.title(options.problems, options.sample)
    model = models.load(options.model, adapter="none")  # the weights alone, as our own untrained run has them
    try:
        folder = options.out or results.default_folder(benchmark, model.name)
        settings = Settings("smolagents", options.seed, slots=1)
        result = results.measure(benchmark, asked, model, folder, settings, run)
    finally:
        model.close()
    print(results.compared(folder))
    if options.publish:
        results.publish(result)


def run(asked: Sequence[Problem], model: Model, journal: Journal, settings: Settings) -> list[Prediction]:
    """As `training.bench.run`, with the other agent."""

    def work(todo: list[Problem], keep: Keep) -> None:
        for problem in todo:
            keep(problem, answer(problem, model, settings))

    return bench.collect(asked, model, journal, work, extractor=model)


class SameModel(smolagents.Model):
    """Our model behind smolagents' interface."""

    def __init__(self, model: Model, settings: Settings):
        super().__init__(flatten_messages_as_text=True, model_id=model.name)
        self._model, self._settings = model, settings

    def generate(self, messages: list, stop_sequences: list[str] | None = None, **_: Any):
        asked = get_clean_message_list(messages, tool_role_conversions, flatten_messages_as_text=True)
        said = [{"role": str(message["role"].value), "content": message["content"]} for message in asked]
        (reply,) = self._model.generate(
            [said],
            max_new_tokens=EpisodeLimits.reply_tokens,
            stop=stop_sequences or (),
            **self._settings.sampling,
        )
        return smolagents.ChatMessage(smolagents.MessageRole.ASSISTANT, reply)


def answer(problem: Problem, model: Model, settings: Settings) -> Trajectory:
    """Has a new CodeAgent answer one problem; its steps become turns, so that the same chain can judge."""
    try:
        with sandbox.open(problem.tables) as session:
            tables = session.profile()
    except InputError as error:
        return bench.unreadable(problem, error)
    started = time.perf_counter()
    agent = smolagents.CodeAgent(
        tools=[],
        model=SameModel(model, settings),
        max_steps=EpisodeLimits.max_steps,
        additional_authorized_imports=IMPORTS,
        verbosity_level=smolagents.LogLevel.OFF,
    )
    agent.state.update(frames(problem, tables))
    value, failure = None, ""
    try:
        value = agent.run(task(problem, tables, model))
    except smolagents.AgentError as error:
        driver.warm(model)  # raises where the model is gone, and not only this question too much for it
        failure = str(error)
    turns = tuple(_turn(step, number) for number, step in enumerate(_steps(agent), 1))
    text = "" if value is None else str(_plain(value))
    return Trajectory(
        bench.posed(problem),
        tables=tuple({"name": t.name, "source": t.source, "load": t.load} for t in tables),
        messages=tuple(_messages(agent)),
        turns=turns,
        outcome="failed" if failure else "unverified" if text else "no_answer",
        answer=text,
        summary=failure,
        run={"model": model.name, "digest": model.digest, **settings.sampling}
        | {"seconds": round(time.perf_counter() - started, 4)},
    )


def task(problem: Problem, tables: Sequence[TableProfile], model: Model) -> str:
    """Question and table card, as our own agent gets them."""
    question = bench.posed(problem)
    card = prompts.table_card(tables, question, EpisodeLimits.card_tokens, model.count_tokens)
    kind = "DataFrames are loaded under these names" if len(tables) > 1 else "DataFrame `df` is loaded"
    return f"{card}\nThe {kind}; do not read files.\n\n{prompts.question_message(question)}"


def frames(problem: Problem, tables: Sequence[TableProfile]) -> dict[str, pd.DataFrame]:
    """The problem's tables by the names that the card gives them, read as for the card."""
    read: list[pd.DataFrame] = []
    for path in problem.tables:
        with contextlib.chdir(path.parent):  # the reader opens a database by its name alone
            read += [table.frame for table in reader.read_all([Path(path.name)], Limits())]
    names = ["df"] if len(tables) == 1 else [table.name for table in tables]
    return dict(zip(names, read, strict=True))


def _steps(agent: smolagents.CodeAgent) -> list[smolagents.ActionStep]:
    return [step for step in agent.memory.steps if isinstance(step, smolagents.ActionStep)]


def _messages(agent: smolagents.CodeAgent) -> list[dict]:
    said = get_clean_message_list(agent.write_memory_to_messages(), flatten_messages_as_text=True)
    return [{"role": str(message["role"].value), "content": message["content"]} for message in said]


def _turn(step: smolagents.ActionStep, number: int) -> Turn:
    text, code = str(step.model_output or ""), step.code_action or ""
    error = ExecutionError(type(step.error).__name__, str(step.error)) if step.error else None
    if not code:
        return Turn(text, "malformed", feedback=error.message if error else "")
    execution = Execution(code, stdout=step.observations or "", error=error)
    return Turn(text, "code", code=code, step=number, execution=execution)


def _plain(value: Any) -> Any:
    """NumPy's and pandas' values as Python's, which print as one would write them."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    return [_plain(item) for item in value] if isinstance(value, list | tuple | set) else value


if __name__ == "__main__":
    main()
