"""How long a first look takes, and whether it says what pandas says: `python -m benchmarks.looks FOLDER`.

FOLDER holds any data files. Each is opened as the page opens it; the figures of number columns (count,
smallest, largest) are compared with `describe()` of the same table, and the bars with the count of values.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from tqdm import tqdm

import sandbox
from agent import suggestions
from sandbox import InputError, Session, TableProfile

LARGEST_BYTES = 10 * 2**20
DESCRIBED = (
    "import json as _j\n_d = {t}.select_dtypes('number').describe()\n"
    "print(_j.dumps({{str(c): [_d[c]['count'], _d[c]['min'], _d[c]['max']] for c in _d.columns}}))"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    files = data_files(parser.parse_args().folder)
    seconds: dict[str, list[float]] = {"read and profiled": [], "looked at": [], "questions answered": []}
    refused, columns, differing, asked = 0, 0, [], []
    for path in tqdm(files, unit="file"):
        began = time.perf_counter()
        try:
            session = sandbox.open([path])
        except InputError:
            refused += 1
            continue
        with session:
            tables = session.profile()
            marks = [time.perf_counter()]
            looks = session.look()
            marks.append(time.perf_counter())
            asked.append(len(suggestions.answered(session, tables)))
            marks.append(time.perf_counter())
            for name, first, then in zip(seconds, [began, *marks], marks, strict=False):
                seconds[name].append(then - first)
            for table, look in zip(tables, looks, strict=True):
                bars = {column.name: column.bars for column in look.columns}
                found, other = compared(session, table, bars)
                columns += found
                differing += [f"{path.name}: {name}" for name in other]
    print(f"{len(seconds['looked at'])} files read, {refused} refused.")
    print("| seconds | median | slowest |\n|---|---:|---:|")
    for name, spent in seconds.items():
        print(f"| {name} | {statistics.median(spent):.3f} | {max(spent):.3f} |")
    print(f"\nQuestions to begin with: {statistics.mean(asked):.1f} a file, {min(asked)} at least.")
    print(
        f"Columns of numbers compared with pandas: {columns}, {len(differing)} differ.",
        *differing[:9],
        sep="\n",
    )


def data_files(folder: Path) -> list[Path]:
    """The data files in the folder and below, in their order, less those that are very large."""
    from sandbox.tables import SUFFIXES

    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    found = [path for path in found if path.is_file() and path.name != "index.jsonl"]
    return [path for path in found if path.stat().st_size <= LARGEST_BYTES]


def compared(
    session: Session, table: TableProfile, bars: dict[str, tuple[int, ...]]
) -> tuple[int, list[str]]:
    """How many columns were compared, and those of which the look says something else than pandas."""
    name = "df" if len(session.profile()) == 1 else table.name
    step = session.run(DESCRIBED.format(t=name))
    if step.error or step.truncated:
        return 0, []
    described = json.loads(step.stdout)
    other = []
    for column in (one for one in table.columns if one.name in described):
        count, least, most = described[column.name]
        same = table.rows - column.missing == count
        if count:
            same = same and float(column.minimum) == _short(least) and float(column.maximum) == _short(most)
            same = same and (not bars.get(column.name) or sum(bars[column.name]) == count)
        other += [] if same else [column.name]
    return len(described), other


def _short(number: float) -> float:
    """As a profile shows it."""
    from sandbox.display import number_text

    return float(number_text(number))


if __name__ == "__main__":
    main()
