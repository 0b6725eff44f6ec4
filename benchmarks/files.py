"""How many messy files are read right, by us and by others: `make files-report`, or

    python -m benchmarks.files MESSY [--list]

MESSY is a folder with Pollock's files (polluted and survey, each with csv/ and clean/) and csv-spectrum's
(csvs/ and json/). The clean version says shape, header and cells. A column with neither a name nor a value
is left aside on both sides. The clean version of several tables is either the first or all, one below the
other, and a reader may give either. Every other file below the folder must be read or be refused by one
sentence, within 10 seconds. --list names the files that are read wrong. CleverCSV joins the others where it
is installed.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import itertools
import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm import tqdm

import sandbox
from sandbox import InputError

LONGEST_SECONDS = 10.0
SUFFIXES = (".csv", ".tsv", ".psv", ".ssv", ".txt", ".xls", ".xlsx", ".xlsm", ".xlsb", ".json", ".jsonl")
GRID = "\n".join(
    [
        "import json as _json",
        "_grids = []",
        "for _t in tables.values():",
        # Numbers beside text that holds amounts, and titles, are an offer, and no columns of the file.
        "    _added = {'title above', *(f'{c} (number)' for c in _t.columns)}",
        "    _t = _t[[c for c in _t.columns if c not in _added]]",
        "    _rows = _t.astype(object).values.tolist()",
        "    _rows = [[None if pd.isna(cell) else str(cell) for cell in row] for row in _rows]",
        "    _grids.append([[str(c) for c in _t.columns], _rows])",
        "_json.dump(_grids, open('grid.json', 'w'))",
    ]
)


@dataclass(frozen=True)
class Grid:
    """A table as text; a cell without a value is ""."""

    header: list[str]
    rows: list[list[str]]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.header)


Reader = Callable[[Path], list[Grid]]  # the tables of a file


@dataclass(frozen=True)
class Verdict:
    """What one reader made of one file with a clean version."""

    shape: bool
    header: bool
    cells: bool
    seconds: float
    problem: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", action="store_true", help="the files that are read wrong")
    options = parser.parse_args()
    if not options.folder.is_dir():
        print(f"{options.folder} is not there: unpack the messy set to get a report.")
        return
    expected = dict(gold(options.folder))
    if not expected:
        sys.exit(f"error: {options.folder} holds no file with a clean version: see --help.")
    judged = {name: {} for name in READERS}
    for path, grid in tqdm(expected.items(), desc="with a clean version", unit="file"):
        for name, reader in READERS.items():
            judged[name][path] = judge(reader, path, grid)
    print(table(judged))
    if options.list:
        for path, verdict in judged["DataSense"].items():
            if not (verdict.shape and verdict.header and verdict.cells):
                wrong = [what for what in ("shape", "header", "cells") if not getattr(verdict, what)]
                print(f"{path.relative_to(options.folder)}: {verdict.problem or ', '.join(wrong)}")
    others = [path for path in sorted(options.folder.rglob("*")) if path.suffix.lower() in SUFFIXES]
    aside = {"clean", "parameters", "json"}  # what goes with a file, and is none of them
    others = [path for path in others if path not in expected and not aside.intersection(path.parts)]
    print(rest(others))


def gold(folder: Path) -> Iterator[tuple[Path, Grid]]:
    """The files that have a clean version, with it."""
    for part in ("polluted", "survey"):
        for path in sorted(folder.glob(f"pollock/{part}/csv/*")):
            with (path.parents[1] / "clean" / path.name).open(encoding="utf-8", newline="") as file:
                lines = [row for row in csv.reader(file) if row]
            if len(lines) > 1:  # a table without rows is refused, as it should be
                width = max(map(len, lines))
                rows = [[*line, *[""] * (width - len(line))] for line in lines]
                yield path, _grid_of(rows, _has_names(path))
    for path in sorted(folder.glob("csv-spectrum/csvs/*.csv")):
        records = json.loads((path.parents[1] / "json" / f"{path.stem}.json").read_text(encoding="utf-8"))
        records = [records] if isinstance(records, dict) else records
        yield path, Grid(list(records[0]), [list(map(str, record.values())) for record in records])


def _grid_of(rows: list[list[str]], names: bool) -> Grid:
    """A clean version's rows; where the file has no names, some have others in their stead."""
    if not names and not re.fullmatch(r"col_[01]", rows[0][0].strip()):
        return Grid([""] * len(rows[0]), rows)
    return Grid(rows[0], rows[1:])


def _has_names(path: Path) -> bool:
    """Whether the file names its columns, which the clean version does not say; most do."""
    parameters = path.parents[1] / "parameters" / f"{path.name}_parameters.json"
    if not parameters.exists():
        return True
    return bool(int(json.loads(parameters.read_text(encoding="utf-8"))["header_lines"]))


def judge(reader: Reader, path: Path, expected: Grid) -> Verdict:
    """Whether the reader gets shape, header and every cell."""
    started = time.perf_counter()
    try:
        tables = reader(path)
    except Exception as error:  # of whatever reader: that it fails is the result
        seconds = time.perf_counter() - started
        return Verdict(False, False, False, seconds, f"{type(error).__name__}: {error}"[:200])
    seconds = time.perf_counter() - started
    expected, first, together = map(_used, (expected, tables[0], _one_below_the_other(tables)))
    found = together if together.shape == expected.shape else first
    shape = found.shape == expected.shape
    header = named(found.header) == named(expected.header)
    pairs = zip(found.rows, expected.rows, strict=False)
    cells = shape and all(same(a, b) for row, other in pairs for a, b in zip(row, other, strict=True))
    return Verdict(shape, header, cells, seconds)


def _one_below_the_other(tables: Sequence[Grid]) -> Grid:
    """All tables in one, as a file writes them: the names of the second and any other are a row."""
    first, *others = tables
    rows = [*first.rows]
    for table in others:
        rows += [["" if _is_nameless(name) else name for name in table.header], *table.rows]
    width = max(len(table.header) for table in tables)
    wide = [[*row, *[""] * (width - len(row))] for row in (first.header, *rows)]
    return Grid(wide[0], wide[1:])


def _used(grid: Grid) -> Grid:
    """The columns that have a name or a value."""
    columns = zip(*grid.rows, strict=True) if grid.rows else ((),) * len(grid.header)
    used = [
        not _is_nameless(name) or not all(same(cell, "") for cell in column)
        for name, column in zip(grid.header, columns, strict=True)
    ]
    header, *rows = ([*itertools.compress(cells, used)] for cells in (grid.header, *grid.rows))
    return Grid(header, rows)


def named(header: Sequence[str]) -> list[str]:
    """The names that a file gives, without the marks by which readers tell equal ones apart."""
    plain = (re.sub(r"\.\d+$", "", " ".join(dict.fromkeys(name.split()))) for name in header)
    return [name for name in plain if not _is_nameless(name)]


def _is_nameless(name: str) -> bool:
    return bool(re.fullmatch(r"(?i)|unnamed.*|column_?\d+|col_\d+|index", " ".join(name.split())))


def same(found: str, expected: str) -> bool:
    """Whether two cells say the same: as text, as numbers, or as moments."""
    found, expected = " ".join(found.split()), " ".join(expected.split())
    if found == expected or {found, expected} in ({"True", "TRUE"}, {"False", "FALSE"}):
        return True
    numbers = [_number(found), _number(expected)]
    if None not in numbers:
        return math.isclose(*numbers, rel_tol=1e-9)
    if {found.casefold(), expected.casefold()} <= {
        "",
        "nan",
        "na",
        "n/a",
        "#n/a",
        "null",
        "none",
        "nat",
        "missing",
    }:
        return True
    moments = pd.to_datetime(pd.Series([found, expected]), errors="coerce", format="ISO8601")
    return bool(moments.notna().all() and moments[0] == moments[1])


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


# The readers


def ours(path: Path) -> list[Grid]:
    with sandbox.open([path]) as session:
        step = session.run(GRID)
        if step.error:
            raise ValueError(step.error.message)
        grids = json.loads(session.read_file("grid.json"))
    return [
        Grid(header, [["" if one is None else one for one in row] for row in rows]) for header, rows in grids
    ]


def with_pandas(path: Path) -> list[Grid]:
    return _grid(pd.read_csv(path))


def with_duckdb(path: Path) -> list[Grid]:
    import duckdb

    return _grid(duckdb.read_csv(str(path)).df())


def with_clevercsv(path: Path) -> list[Grid]:
    import clevercsv

    return _grid(clevercsv.read_dataframe(str(path)))


def _grid(frame: pd.DataFrame) -> list[Grid]:
    rows = frame.astype(object).values.tolist()
    cells = [["" if pd.isna(cell) else str(cell) for cell in row] for row in rows]
    return [Grid([str(name) for name in frame.columns], cells)]


READERS = {"DataSense": ours, "pandas.read_csv": with_pandas, "DuckDB read_csv": with_duckdb}
if importlib.util.find_spec("clevercsv"):
    READERS["CleverCSV"] = with_clevercsv


# The report


def table(judged: dict[str, dict[Path, Verdict]]) -> str:
    """Readers by what they get right, as Markdown."""
    lines = ["| reader | files | shape and header | cells | refused | slowest, s |", "|---|" + "---:|" * 5]
    for name, verdicts in judged.items():
        of = list(verdicts.values())
        right = sum(one.shape and one.header for one in of)
        cells = sum(one.cells for one in of)
        refused = sum(bool(one.problem) for one in of)
        lines.append(
            f"| {name} | {len(of)} | {right / len(of):.1%} | {cells / len(of):.1%} | {refused} | "
            f"{max(one.seconds for one in of):.1f} |"
        )
    return "\n".join(lines)


def rest(paths: Sequence[Path]) -> str:
    """What becomes of files without a clean version: read, refused by a sentence, or worse."""
    read, refused, bad = 0, 0, []
    for path in tqdm(paths, desc="all others", unit="file"):
        started = time.perf_counter()
        try:
            with sandbox.open([path]) as session:
                session.profile()
            read += 1
        except InputError as error:
            refused += 1
            if "\n" in str(error) or not str(error).endswith("."):
                bad.append(f"{path.name}: {error}")
        except Exception as error:  # whatever it is, it is what the report is about
            bad.append(f"{path.name}: {type(error).__name__}: {error}")
        if time.perf_counter() - started > LONGEST_SECONDS:
            bad.append(f"{path.name}: {time.perf_counter() - started:.0f} s")
    lines = [f"{len(paths)} other files: {read} read, {refused} refused with a sentence, {len(bad)} worse."]
    return "\n".join([*lines, *bad])


if __name__ == "__main__":
    main()
