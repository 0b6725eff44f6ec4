"""A run's figures as a file: what came out, with all that it rests on; and several of them side by side.

result = measure("databench-lite-validation", problems, model, folder, settings)
publish(result)             # into assets/results/, from where the page draws it
print(compared(folder))     # a table of all finished runs in a folder
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.models import Model
from training import bench, earlier, records, summary
from training.bench import Settings
from training.problems import Problem
from training.records import SUMMARY, Journal, Prediction, RunError

BUILD = Path("build/bench")
PUBLISHED = records.ROOT / "assets" / "results"

Run = Callable[[Sequence[Problem], Model, Journal, Settings], list[Prediction]]


def measure(
    benchmark: str,
    problems: Sequence[Problem],
    model: Model,
    folder: Path,
    settings: Settings,
    run: Run = bench.run,
    earlier_run: Path | None = None,
) -> dict:
    """Asks what the run's own folder in `folder` does not hold yet; returns the result and writes it there.

    Where all was asked before, the result is the one of then, with its slots, and standard error says so.

    Args:
        run: What asks; it must leave a prediction for every problem.
        earlier_run: A folder of which is kept what the present agent would answer alike (see `earlier`); the
            result says how many answers that is, as `taken_over`, and has no seconds if another machine gave
            them.

    Raises:
        ModelError, RunError, SandboxError: as `bench.run`.
    """
    where = folder / bench.folder_name(settings)
    more: dict[str, object] = {"slots": settings.slots}
    with bench.journal_of(where, problems, model, settings) as journal:
        if earlier_run:
            earlier.take_over(earlier_run, problems, model, journal, settings)
        started = time.perf_counter()
        new = len(problems) - len(journal.predictions)
        predictions = run(problems, model, journal, settings)
    if not new and (where / SUMMARY).exists():
        result = json.loads((where / SUMMARY).read_text(encoding="utf-8"))
        figures = f"the figures are those of {result['date']}, with --slots {result['slots']}"
        print(f"Nothing was asked: {figures}.", file=sys.stderr)
        return result
    if new:
        more["problems_per_hour"] = round(new / (time.perf_counter() - started) * 3600, 1)
    config = bench.config(problems, model.name, model.digest, settings)
    result = of(benchmark, config, predictions, **more)
    if machines := earlier.machines(where):
        result["taken_over"] = len(machines)
        if set(machines) != {result["hardware"]}:
            result |= {"seconds": None, "median_seconds": None}
    records.write_json(where / SUMMARY, result)
    return result


def of(benchmark: str, config: dict, predictions: Sequence[Prediction], **more) -> dict:
    """The figures, the run's config and where it ran, as JSON values."""
    figures = summary.summarize(predictions)
    return {"benchmark": benchmark, **config, **figures, **more, **records.environment()}


def publish(result: dict, folder: Path = PUBLISHED) -> Path:
    """Writes a result to where the page finds it; an earlier one of the same run is replaced.

    Raises:
        RunError: the one that is there is of other problems.
    """
    name = "bench {benchmark} {model} {mode} seed{seed}".format(**result)
    path = folder / f"{records.slug(name)}.json"
    if path.exists():
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["data_sha256"] != result["data_sha256"]:
            raise RunError(
                f"{path} holds a result of other problems (another data_sha256; {held['problems']} problems, "
                f"now {result['problems']}), so this one is not published: delete that file if this one is "
                "to replace it, or rename the file of problems."
            )
    records.write_json(path, result)
    return path


def published(benchmark: str, folder: Path = PUBLISHED) -> str:
    """A Markdown table of the published runs on a benchmark, a column each, by model and mode."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("bench-*.json"))]
    found = [result for result in read if result["benchmark"] == benchmark]
    order = [*bench.MODES, "smolagents"]
    found.sort(key=lambda result: (order.index(result["mode"]), result["model"]))
    return summary.table({_column(result, 1): result for result in found})


def title(source: str, drawn: int | None = None, first: int | None = None, temperature: float = 0.0) -> str:
    """A benchmark's name as it is, a file's with its folder's: `databench validation_lite, 20 drawn`.

    Args:
        first, drawn: How many problems are left of it, and then drawn from these; None for all.
    """
    path = Path(source)
    name = f"{path.absolute().parent.name} {path.stem}" if path.is_file() else source
    parts = [name]
    if first:
        parts.append(f"first {first}")
    if drawn:
        parts.append(f"{drawn} drawn")
    if temperature:
        parts.append(f"temperature {temperature:g}")
    return ", ".join(parts)


def default_folder(benchmark: str, model: str) -> Path:
    """Where the runs of a model on a benchmark, by its `title`, are kept when nobody says where."""
    return BUILD / records.slug(f"{benchmark} {model}")


def compared(folder: Path) -> str:
    """A Markdown table of the runs in a folder, a column each, and the spread over seeds."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"*/{SUMMARY}"))]
    by_mode = defaultdict(list)
    for result in results:
        by_mode[result["mode"]].append(result)
    columns = {_column(result, len(by_mode[result["mode"]])): result for result in results}
    lines = [summary.table(columns), ""]
    lines += [f"{mode}: {summary.spread(of_mode)}" for mode, of_mode in by_mode.items() if len(of_mode) > 1]
    return "\n".join(lines).rstrip()


def _column(result: dict, seeds: int) -> str:
    name = f"`{result['model']}`, {result['mode']}"
    return f"{name}, seed {result['seed']}" if seeds > 1 else name
