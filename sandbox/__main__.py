"""Command line of the sandbox.

    python -m sandbox bench [--json FILE]

`bench` measures, in one run and by turns, what one look at a CSV costs in a fresh Python and in a
session, and prints a table of medians. Take the ratio, not the milliseconds.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sandbox

ROUNDS = 9
ROWS = 2_000
FRESH = "import pandas; print(pandas.read_csv({path!r}).describe())"


def main() -> None:
    """Runs the command that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    bench_parser = commands.add_parser("bench", help="a session against a fresh Python process")
    bench_parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures")
    if len(sys.argv) == 1:
        parser.print_help()
        return
    arguments = parser.parse_args()
    figures = bench()
    print(table(figures))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def bench() -> dict[str, float]:
    """Returns the median milliseconds of each way, and the ratio of the first two."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_table(path)
        sandbox.warm()
        times: dict[str, list[float]] = {"fresh": [], "session": [], "second_step": []}
        for _ in range(ROUNDS):
            times["fresh"].append(milliseconds(lambda: run_fresh(path)))
            start = time.perf_counter()
            with sandbox.open([path]) as session:
                run_checked(session, "df.describe()")
                times["session"].append((time.perf_counter() - start) * 1000)
                second = milliseconds(lambda: run_checked(session, "df.describe()"))
            times["second_step"].append(second)
    medians = {f"{way}_ms": statistics.median(values) for way, values in times.items()}
    return medians | {"ratio": medians["fresh_ms"] / medians["session_ms"], "rounds": ROUNDS}


def table(figures: dict[str, float]) -> str:
    """Returns the figures of `bench` as a Markdown table."""
    fresh = figures["fresh_ms"]
    rows = {
        "fresh `python -c`, read_csv + describe": fresh,
        "session, opened, read_csv + describe": figures["session_ms"],
        "the same session's second step": figures["second_step_ms"],
    }
    lines = [f"| {way} | {ms:.1f} | {fresh / ms:.1f} |" for way, ms in rows.items()]
    return "\n".join(["| way | median ms | times faster |", "|---|---:|---:|", *lines])


def write_table(path: Path) -> None:
    """Writes a CSV of numbers and text with a fixed seed."""
    draw = random.Random(0)
    lines = [f"{draw.choice('abcd')},{draw.randrange(100)},{draw.random():.4f}" for _ in range(ROWS)]
    path.write_text("\n".join(["group,count,value", *lines, ""]), encoding="utf-8")


def run_fresh(path: Path) -> None:
    """Does the same in a new Python process."""
    code = FRESH.format(path=str(path))
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def run_checked(session: sandbox.Session, code: str) -> None:
    """Runs a step that must not fail; raises RuntimeError if it does."""
    error = session.run(code).error
    if error:
        raise RuntimeError(f"{error.kind}: {error.message}")


def milliseconds(work: Callable[[], None]) -> float:
    """Returns the wall time of a call."""
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    main()
