"""Keeps the tables of benchmarks out of training data: a list of their contents' digests, and a guard.

    table_digest(frame)         # the same for the same values, whatever their order and the file's format
    allowed(Path("t.csv"))      # the digests of a file's tables; LeakError if one is a benchmark's
    python -m training leaks --data DATA     # adds what lies there to training/benchmark_tables.json

The first rows of a table are looked at besides, since DataBench's "lite" tables are the first 20 rows of the
full ones. The list holds digests only, of tables as the sandbox reads them: bring it up to date when its
readers have changed.

It covers what came with the project: the tables 058 to 065 of DataBench, lite and full (validation), those of
WikiTableQuestions' dev questions, and those of a sample of DSBench. Not covered, since their data was not at
hand: the rest of DSBench, DABench, and the test splits of DataBench and WikiTableQuestions. The command adds
each that lies in DATA as the file that `suite.PARTS` names, the test splits as published. Mentor-hard holds
questions on tables of training, and is no benchmark in this sense.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import InputError, Limits
from training import problems, records, suite
from training.problems import ProblemError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

LIST = Path(__file__).parent / "benchmark_tables.json"
FIRST_ROWS = 20
# Parts of a suite whose tables are those of training.
_OF_TRAINING = ("mentor-hard",)
# Published splits to measure on, each with the folder of the published files.
_TESTS = {"databench-lite-test": "databench", "databench-full-test": "databench", "wtq-test": "wtq"}
# What pandas reads from a text file as missing.
_MISSING = {"", "na", "n/a", "<na>", "nan", "nat", "none", "null", "#n/a", "-nan"}
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_MIDNIGHT = re.compile(r"(?<=\d{4}-\d\d-\d\d)[t ]00:00(?::00(?:\.0+)?)?(?:\+00:00|z)?$")


class LeakError(ValueError):
    """A table is a benchmark's. The message is one sentence that names both."""


def table_digest(frame: pd.DataFrame) -> str:
    """SHA-256, in hex, of a table's values; names of columns do not count.

    Rows and columns may stand in any order. Cells are equal as a CSV, a parquet and a JSON file of the same
    table hold them: numbers to six digits, dates without midnight, texts by their letters and digits.
    """
    import numpy as np

    rows = np.zeros(len(frame), dtype=np.uint64)
    for place in range(frame.shape[1]):
        cells = _cell_hashes(frame.iloc[:, place])
        # A cell counts with its column's content, so that columns need no order and no name.
        column = int(_mixed(cells).sum(dtype=np.uint64))
        rows += _mixed(cells ^ np.uint64(column))
    rows.sort()
    return hashlib.sha256(rows.astype("<u8").tobytes()).hexdigest()


def digests(path: Path) -> tuple[str, ...]:
    """The digest of each table in a file, as the sandbox reads them.

    Raises:
        InputError: the file cannot be read.
    """
    return tuple(whole for whole, _ in _digests(path))


def allowed(path: Path) -> tuple[str, ...]:
    """What `digests` gives, of a file that may be trained on.

    Raises:
        LeakError: a table in it, or its first rows, are a benchmark's.
        InputError: the file cannot be read.
    """
    listed = _listed()
    for whole, first in _digests(path):
        if benchmark := listed.get(whole) or listed.get(first):
            raise LeakError(f"{path} holds a table that {benchmark} tests on: leave it out of training.")
    return digests(path)


def related(path: Path) -> set[str]:
    """The digests of a file's tables and of their first rows; files that share one hold the same data."""
    return {digest for pair in _digests(path) for digest in pair}


def benchmark_digests(paths: Iterable[Path]) -> list[str]:
    """The digests of a benchmark's tables and of their first rows, sorted.

    Raises:
        InputError: a file cannot be read.
    """
    return sorted(set().union(*map(related, set(paths))))


def add_benchmarks(data: Path, path: Path = LIST) -> dict[str, list[str]]:
    """Adds the benchmarks in a data folder to the list and returns it; what is not there stays as it was."""
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, part in suite.PARTS.items():
        if name not in _OF_TRAINING and (data / part.file).is_file():
            held[name] = _tables_of(problems.load(data / part.file))
    for name, folder in _TESTS.items():
        if (data / folder / "data").is_dir():
            held[name] = _tables_of(problems.load(name, data / folder))
    records.write_json(path, dict(sorted(held.items())))
    _listed.cache_clear()
    return held


def _tables_of(asked: list[problems.Problem]) -> list[str]:
    return benchmark_digests(table for problem in asked for table in problem.tables)


@functools.cache
def _listed() -> dict[str, str]:
    """The benchmark of each digest in the list."""
    listed = json.loads(LIST.read_text(encoding="utf-8"))
    return {digest: benchmark for benchmark, of_it in listed.items() for digest in of_it}


# By a file's bytes and suffix.
_known: dict[str, list[list[str]]] = {}


@functools.cache
def _digests(path: Path) -> tuple[tuple[str, str], ...]:
    """Of each table in the file, the digest of the whole and of its first rows."""
    try:
        with path.open("rb") as file:
            content = f"{hashlib.file_digest(file, 'sha256').hexdigest()}{path.suffix}"
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}.") from error
    if content not in _known:
        from sandbox import tables

        frames = [table.frame for table in tables.read_all([path], Limits())]
        _known[content] = [[table_digest(frame), table_digest(frame.head(FIRST_ROWS))] for frame in frames]
    return tuple((whole, first) for whole, first in _known[content])


def recall(path: Path) -> None:
    """Takes over the digests that `remember` kept, if it did: to work out thousands takes a minute."""
    if path.exists():
        _known.update(json.loads(path.read_text(encoding="utf-8")))


def remember(path: Path) -> None:
    """Keeps the digests that are known by now."""
    records.write_json(path, _known)


def _mixed(values: np.ndarray) -> np.ndarray:
    """The values scattered (the finaliser of splitmix64), so that their sums tell sets of them apart."""
    import numpy as np

    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _cell_hashes(column: pd.Series) -> np.ndarray:
    """A 64-bit hash of each cell's canonical text."""
    import numpy as np
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        keys = column.astype(object)
    else:
        keys = column.map(str, na_action="ignore").astype(object)
    codes, values = pd.factorize(keys)  # -1 for a missing one
    hashes = [_text_hash(_canonical(value)) for value in values]
    return np.array([*hashes, _text_hash("")], dtype=np.uint64)[codes]


def _text_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def _canonical(value: object) -> str:
    text = " ".join(str(value).split()).casefold()
    if text in _MISSING:
        return ""
    try:
        return f"{float(_THOUSANDS.sub('', text)):.6g}"
    except ValueError:
        return re.sub(r"[\W_]+", "", _MIDNIGHT.sub("", text)) or text


# The command line


def add_command(commands: argparse._SubParsersAction) -> None:
    """Adds `leaks` to the commands of `python -m training`."""
    command = commands.add_parser("leaks", help="list the tables that benchmarks test on")
    command.set_defaults(function=run_leaks)
    command.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the benchmarks lie")


def run_leaks(options: argparse.Namespace) -> None:
    """Brings the list up to date with the benchmarks in a data folder."""
    try:
        held = add_benchmarks(options.data)
    except InputError as error:
        raise ProblemError(f"A benchmark's table cannot be read: {error}") from error
    for name, of_it in held.items():
        print(f"{name}: {len(of_it)} digests")
