"""Problems an hour by how many are worked on side by side, and where the time goes:

    python -m benchmarks.slots --problems FILE [--sample 24] [--model coder-1.5b] [--slots 1,2,4,8]

Each number of slots is a run from nothing, a model freshly loaded; what one of them has read helps no other.
`--publish` writes assets/results/slots-MODEL.json. Timings want an idle machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import sandbox
from agent import Trajectory, models
from training import bench, problems, records, results, suite, summary
from training.bench import Settings
from training.problems import Problem


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--problems", required=True, help="a file in the problem format, or a name")
    parser.add_argument("--tables", type=Path, help="where the problems' tables are, if not beside the file")
    parser.add_argument("--sample", type=_count, help="so many problems drawn, the same each time")
    parser.add_argument("--model", default="coder-1.5b")
    parser.add_argument("--adapter", help="its file, or none; left out, the model's own")
    parser.add_argument("--slots", type=_counts, default=[1, 2, 4, 8])
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    try:
        asked = suite.sample(problems.load(options.problems, options.tables), options.sample)
        result = measure(asked, options.model, options.adapter, options.slots)
    except (models.ModelError, sandbox.SandboxError, ValueError, OSError) as error:
        parser.exit(2, f"error: {' '.join(str(error).split())}\n")
    result |= {"asked": results.title(options.problems, options.sample)}
    print(table(result))
    if options.publish:
        records.write_json(results.PUBLISHED / f"{records.slug('slots ' + result['model'])}.json", result)


def _counts(text: str) -> list[int]:
    return [_count(part) for part in text.split(",")]


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def measure(asked: Sequence[Problem], name: str, adapter: str | None, slots: Sequence[int]) -> dict:
    """The model, what was asked, and `runs`, one for each number of slots.

    Shares of time are those of the episodes' own seconds: model, sandbox, and what is left.

    Raises:
        ModelError, SandboxError: as `bench.run`.
    """
    runs = []
    for count in slots:
        print(f"{count} side by side", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            runs.append(_run(asked, name, adapter, count, Path(folder)))
    config = runs[0].pop("config")
    for run in runs[1:]:
        run.pop("config")
    return config | {"problems": len(asked), "runs": runs} | records.environment()


def _run(asked: Sequence[Problem], name: str, adapter: str | None, slots: int, folder: Path) -> dict:
    settings = Settings(slots=slots)
    model = models.load(name, adapter=adapter, slots=slots)
    try:
        with bench.journal_of(folder, asked, model, settings) as journal:
            started = time.perf_counter()
            predictions = bench.run(asked, model, journal, settings)
            seconds = time.perf_counter() - started
        config = bench.config(asked, model.name, model.digest, settings)
    finally:
        model.close()
    _, trajectories = records.read_run(folder)
    figures = summary.summarize(predictions)
    return {
        "config": config,
        "slots": slots,
        "seconds": round(seconds, 1),
        "problems_per_hour": round(len(asked) / seconds * 3600, 1),
        **_shares(list(trajectories.values())),
        **{name: figures[name]["rate"] for name in ("official", "exec_ok", "verified")},
    }


def _shares(trajectories: Sequence[Trajectory]) -> dict[str, float]:
    total, model, sandbox = (
        sum(trajectory.run.get(name, 0.0) for trajectory in trajectories)
        for name in ("seconds", "model_seconds", "sandbox_seconds")
    )
    total = total or 1.0  # no table could be read, so nothing was timed
    return {"model_share": round(model / total, 4), "sandbox_share": round(sandbox / total, 4)}


def table(result: dict) -> str:
    """The result as Markdown, a column for each number of slots."""
    runs = result["runs"]
    rows = [
        ("problems an hour", [f"{run['problems_per_hour']:.0f}" for run in runs]),
        *(
            (title, [summary.percent(run[name]) for run in runs])
            for title, name in (
                ("right, official", "official"),
                ("a step ran without error", "exec_ok"),
                ("verified", "verified"),
                ("share of time: model", "model_share"),
                ("share of time: sandbox", "sandbox_share"),
            )
        ),
    ]
    head = " | ".join(f"{run['slots']} side by side" if run["slots"] > 1 else "1" for run in runs)
    lines = [f"| `{result['model']}`, {result['asked']} | {head} |", "|---|" + "---:|" * len(runs)]
    return "\n".join([*lines, *(f"| {title} | {' | '.join(cells)} |" for title, cells in rows)])


if __name__ == "__main__":
    main()
