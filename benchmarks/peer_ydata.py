"""The same tables described by ydata-profiling, for comparison:

    python3.11 -m venv YDATA && YDATA/bin/pip install ydata-profiling==4.18.4 pyarrow==26.0.1
    python -m benchmarks.peer_ydata FOLDER --python YDATA/bin/python [--drawn 100]

It needs an older pandas than this project, and so a Python of its own. Of the data files in FOLDER some are
drawn, the same each time, and each of their tables of up to 5,000 rows is handed on as it was read here.
Compared are the figures that both have: of every column the missing cells and the distinct values, of numbers
and dates the smallest and the largest. (A mean stands in its report alone.)
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
from tqdm import tqdm

import sandbox
from benchmarks.looks import data_files
from sandbox import ColumnProfile, InputError, TableProfile
from sandbox.display import number_text

MOST_ROWS = 5_000
WORKER = Path(__file__).with_name("ydata_figures.py")
FIGURES = ("missing", "distinct", "smallest", "largest")
HOW = ("same", "other", "ours alone", "its alone")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", required=True, help="one that has ydata-profiling")
    parser.add_argument("--drawn", type=int, default=100, help="so many files")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files = data_files(options.folder)
    files = random.Random(options.seed).sample(files, min(options.drawn, len(files)))
    with tempfile.TemporaryDirectory() as folder:
        profiles, seconds = described(files, Path(folder))
        theirs = said(options.python, Path(folder))
    report(len(files), profiles, seconds, theirs)


def described(files: list[Path], folder: Path) -> tuple[dict[str, TableProfile], list[float]]:
    """Our profile of each table, by the name under which it is handed on, and the seconds of each file."""
    profiles: dict[str, TableProfile] = {}
    seconds: list[float] = []
    for path in tqdm(files, unit="file"):
        try:
            session = sandbox.open([path])
        except InputError:
            continue
        with session:
            began = time.perf_counter()
            tables = session.profile()
            session.look()
            seconds.append(time.perf_counter() - began)
            for table in tables:
                if table.rows > MOST_ROWS:
                    continue
                step = session.run(f"{'df' if len(tables) == 1 else table.name}.to_parquet('t.parquet')")
                if step.error:  # cells of several kinds in one column
                    continue
                name = f"{len(profiles):05}"
                (folder / f"{name}.parquet").write_bytes(session.read_file("t.parquet"))
                profiles[name] = table
    return profiles, seconds


def said(python: str, folder: Path) -> dict[str, dict]:
    """What it says of each table in the folder."""
    done = subprocess.run([python, str(WORKER), str(folder)], stdout=subprocess.PIPE, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"table"')]
    return {row.pop("table"): row for row in rows}


def report(
    files: int, profiles: dict[str, TableProfile], seconds: list[float], theirs: dict[str, dict]
) -> None:
    counts = {figure: Counter[str]() for figure in FIGURES}
    others = []
    for name, table in profiles.items():
        described = theirs.get(name, {}).get("columns", {})
        for column in table.columns:
            found = agreement(column, described.get(column.name, {}))
            for figure, how in found.items():
                counts[figure][how] += 1
            if "other" in found.values():
                others.append(f"{table.source}: {column}\n  {described[column.name]}")
    print(f"{files} files drawn, {len(profiles)} tables of up to {MOST_ROWS:,} rows handed on.\n")
    print(f"| figure | {' | '.join(HOW)} |\n|---|{'---:|' * len(HOW)}")
    for figure, count in counts.items():
        print(f"| {figure} | {' | '.join(f'{count[how]:,}' for how in HOW)} |")
    spent = [row["seconds"] for row in theirs.values() if "error" not in row]
    print(f"\nProfile and first look: {statistics.median(seconds):.3f} s a file (median).")
    print(f"Its minimal report: {statistics.median(spent):.3f} s a table (median), ", end="")
    print(f"{len(theirs) - len(spent)} of {len(theirs)} failed.", *others[:9], sep="\n")


def agreement(column: ColumnProfile, theirs: dict) -> dict[str, str]:
    """For each figure that either has, which of HOW it is."""
    ours = dict(zip(FIGURES, (column.missing, column.distinct, column.minimum, column.maximum), strict=True))
    return {
        figure: _how(ours[figure], theirs.get(figure))
        for figure in FIGURES
        if ours[figure] is not None or theirs.get(figure) is not None
    }


def _how(ours: int | str | None, theirs: float | str | None) -> str:
    if ours is None or theirs is None:
        return "its alone" if ours is None else "ours alone"
    same = ours == theirs if isinstance(ours, int) else _is_same(ours, theirs)
    return "same" if same else "other"


def _is_same(ours: str, theirs: float | str) -> bool:
    """Whether it is the same number, or moment by the clocks of its zone, as a profile shows it."""
    if isinstance(theirs, str):
        return pd.Timestamp(ours) == pd.Timestamp(theirs).tz_localize(None)
    return ours == str(theirs) or float(ours) == float(number_text(theirs))


if __name__ == "__main__":
    main()
