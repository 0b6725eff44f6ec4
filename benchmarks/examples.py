"""The example questions, answered and timed: `make bench`, or

    python -m benchmarks.examples [--model coder-1.5b] [--gallery] [--limit N] [--seed S]

Prints a table and writes assets/results/examples-MODEL.json (gallery runs: gallery-MODEL.json); the
trajectories go to build/. Every answer that is called verified is checked once more against the stored
output. Timings want an idle machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from tqdm import tqdm

import sandbox
from agent import answers, models
from agent.provenance import replay
from agent.run import new_episode, run
from agent.trajectory import Trajectory
from training import records

ROOT = Path(__file__).parent.parent
QUESTIONS = ROOT / "assets/examples/questions.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="coder-1.5b")
    parser.add_argument("--gallery", action="store_true", help="only the six questions of the gallery")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--problems", type=Path, default=QUESTIONS, help="another file in the problem format")
    options = parser.parse_args()
    problems = [json.loads(line) for line in options.problems.read_text().splitlines()]
    problems = [p for p in problems if p.get("gallery") or not options.gallery][: options.limit]
    model = models.load(options.model)
    name = run_name(options.model, options.gallery)
    rows, stored = [], ROOT / f"build/{name}.jsonl"
    stored.parent.mkdir(exist_ok=True)
    with stored.open("w") as file:
        for problem in tqdm(problems, file=sys.stderr):
            trajectory, row = answer(problem, options.problems.parent, model, options.seed)
            rows.append(row)
            file.write(json.dumps({"id": problem["id"]} | trajectory.to_json()) + "\n")
    report = summary(rows) | {"rows": rows} | provenance(options, model)
    if options.limit is None and options.problems == QUESTIONS:
        (ROOT / "assets/results").mkdir(exist_ok=True)
        (ROOT / f"assets/results/{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))


def run_name(model: str, gallery: bool) -> str:
    """What a run's files are called; a model's name may be an address, "endpoint:http://host/v1#name"."""
    plain = re.sub(r"[^\w.+-]+", "-", model)
    return f"{'gallery' if gallery else 'examples'}-{plain}"


def answer(problem: dict, folder: Path, model: models.Model, seed: int) -> tuple[Trajectory, dict]:
    """Asks one question in a session of its own; the clock runs from before the files are opened."""
    before, started = model.usage, time.perf_counter()
    with sandbox.open([folder / table for table in problem["tables"]]) as session:
        tables = session.profile()
        opening = time.perf_counter() - started
        episode = new_episode(problem["question"], tables, model)
        asked = time.perf_counter() - started
        trajectory = run(episode, model, session, seed=seed)
        seconds = time.perf_counter() - started
    used, times = model.usage - before, trajectory.run
    in_sandbox = opening + times["sandbox_seconds"]
    return trajectory, {
        "id": problem["id"],
        "answer_type": problem["answer_type"],
        "answer": trajectory.answer,
        "gold": problem["answer"],
        "correct": answers.same(trajectory.answer, problem["answer"], problem["answer_type"]),
        "verified": trajectory.verified,
        "grounded": trajectory.verified and is_grounded(trajectory),
        "exec_ok": trajectory.exec_ok,
        "outcome": trajectory.outcome,
        "steps": len(trajectory.executions),
        "hallucinated_results": trajectory.hallucinated_results,
        "seconds": seconds,
        "first_token_seconds": asked + first if (first := times["first_token_seconds"]) else None,
        "model_share": times["model_seconds"] / seconds,
        "sandbox_share": in_sandbox / seconds,
        "own_share": (seconds - times["model_seconds"] - in_sandbox) / seconds,
        "prompt_tokens_per_second": rate(used.prompt_tokens, used.prompt_seconds),
        "output_tokens_per_second": rate(used.output_tokens, used.output_seconds),
    }


def rate(tokens: int, seconds: float) -> float | None:
    """Tokens per second, None where a server told no tokens."""
    return tokens / seconds if tokens and seconds else None


def is_grounded(trajectory: Trajectory) -> bool:
    """Finds a verified answer again, from the stored record alone."""
    sources = {table["name"]: table["source"] for table in trajectory.tables}
    outputs = replay(sources, trajectory.executions)
    step = trajectory.evidence.step
    if any(execution.error for execution in trajectory.executions[step - 1 :]):
        return False
    return bool(outputs[step - 1].find(trajectory.answer, trajectory.question))


def summary(rows: list[dict]) -> dict:
    share = {
        name: sum(bool(row[name]) for row in rows) / len(rows) for name in ("correct", "verified", "exec_ok")
    }
    verified = [row for row in rows if row["verified"]]
    by_type = defaultdict(list)
    for row in rows:
        by_type[row["answer_type"]].append(row["correct"] and row["verified"])
    medians = ("seconds", "first_token_seconds", "prompt_tokens_per_second", "output_tokens_per_second")
    shares = ("model_share", "sandbox_share", "own_share")
    return {
        "questions": len(rows),
        "correct_and_verified": sum(row["correct"] and row["verified"] for row in rows) / len(rows),
        **share,
        "verified_that_are_grounded": sum(row["grounded"] for row in verified) / max(len(verified), 1),
        "by_type": {name: f"{sum(right)}/{len(right)}" for name, right in sorted(by_type.items())},
        "median": {name: median_of(row[name] for row in rows) for name in (*medians, *shares)},
    }


def median_of(values: Iterable[float | None]) -> float | None:
    """The median of what was measured, None where nothing was."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def provenance(options: argparse.Namespace, model: models.Model) -> dict:
    """What the figures rest on."""
    return {
        "model": model.name,
        "model_digest": model.digest,
        "data_sha256": hashlib.sha256(options.problems.read_bytes()).hexdigest(),
        "prompt_sha256": records.prompt_digest(),
        "seed": options.seed,
        **records.environment(),
    }


def table(report: dict) -> str:
    """The report as a Markdown table."""
    rows = [
        ("questions", str(report["questions"])),
        ("right and verified", f"{report['correct_and_verified']:.1%}"),
        ("right", f"{report['correct']:.1%}"),
        ("verified", f"{report['verified']:.1%}"),
        ("verified answers found again in the stored output", f"{report['verified_that_are_grounded']:.1%}"),
        ("a step ran without error", f"{report['exec_ok']:.1%}"),
        *((f"right and verified, {name}", value) for name, value in report["by_type"].items()),
        ("seconds to the first token (median)", _figure(report["median"]["first_token_seconds"], 1)),
        ("seconds to the answer (median)", f"{report['median']['seconds']:.1f}"),
        ("prompt tokens per second", _figure(report["median"]["prompt_tokens_per_second"], 0)),
        ("output tokens per second", _figure(report["median"]["output_tokens_per_second"], 1)),
        ("share of time: model", f"{report['median']['model_share']:.1%}"),
        ("share of time: sandbox", f"{report['median']['sandbox_share']:.1%}"),
        ("share of time: own code", f"{report['median']['own_share']:.2%}"),
    ]
    lines = [f"| `{report['model']}` | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines)


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    main()
