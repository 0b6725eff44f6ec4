"""Reads data files into tables with Python names, inside the child.

Whatever a user may have uploaded is either read, with a note of what reading decided, or refused
by an `InputError` that starts with the file's name.
"""

import builtins
import datetime
import gzip
import json
import keyword
import math
import re
import unicodedata
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet

from sandbox import amounts, databases, layouts, textfiles, workbooks
from sandbox.found import Found
from sandbox.records import MIB, SMALLER, InputError, Limits, Reading

PREIMPORTED = {"datetime": datetime, "math": math, "re": re}
OWN_NAMES = {"pd", "np", "plt", "df", "tables", "sql", "inspect_source", *PREIMPORTED}
RESERVED = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *OWN_NAMES}
# Where rows of blanks are there for the eye.
BY_HAND = (*textfiles.SUFFIXES, *workbooks.SUFFIXES)
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
PACKED = ".gz"
DAMAGED = "It may be damaged, or of another kind: save it again where it was made"
SUFFIXES = (*textfiles.SUFFIXES, ".parquet", *workbooks.SUFFIXES, *JSON_SUFFIXES, *databases.SUFFIXES)


@dataclass(frozen=True)
class Table:
    """A table as read; `source` is its file's name, with the sheet of a workbook."""

    name: str
    source: str
    path: Path
    frame: pd.DataFrame
    load: str
    note: str = ""


def read_all(paths: list[Path], limits: Limits, reading: Reading = Reading()) -> list[Table]:  # noqa: B008
    """Returns the tables of all files, under Python names that differ.

    Raises InputError if a file cannot be used, or not as a person wants it to be read.
    """
    tables: list[Table] = []
    for path in paths:
        for found in _read(path, limits, reading):
            taken = {table.name.lower() for table in tables}
            workbook = path.suffix.lower() in (*workbooks.SUFFIXES, *databases.SUFFIXES)
            stem = Path(path.stem).stem if path.suffix.lower() == PACKED else path.stem
            label = found.name if workbook and found.name else f"{stem} {found.name}"
            name = layouts.free_name(python_name(label.strip()), taken)
            kind = "sheet" if path.suffix.lower() in workbooks.SUFFIXES else "table"
            numbered = re.fullmatch(r"part \d+", found.name)
            part = found.name if numbered else f"{kind} {found.name}"
            source = f"{path.name}, {part}" if found.name else path.name
            frame, tidying = _tidy(found.frame, source, limits)
            load, note = found.load + tidying, found.note
            if path.suffix.lower() in (*BY_HAND, PACKED):
                frame, load, note = _without_blank(frame, load, note)
                frame, numbers, told = amounts.with_numbers(frame)
                load, note = load + numbers, ", ".join(filter(None, [note, told]))
            tables.append(Table(name, source, path, frame, load, note))
    return tables


def python_name(text: str) -> str:
    """Returns an identifier like `text` that hides no keyword, builtin or name of the session."""
    plain = unicodedata.normalize("NFKC", text)
    name = "".join(char if f"a{char}".isidentifier() else "_" for char in plain)
    name = re.sub("__+", "_", name).strip("_")
    if not name.isidentifier():
        name = f"table_{name}".rstrip("_")
    return f"{name}_table" if {name, name.lower()} & RESERVED else name


def unique_columns(names: Iterable[object]) -> list[str]:
    """Returns the names as text without space around, made different as pandas does ("a.1")."""
    unique: list[str] = []
    taken: set[str] = set()
    for name in names:
        parts = name if isinstance(name, tuple) else (name,)
        base = " ".join(str(part).strip() for part in parts) or "unnamed"
        unique.append(layouts.free_name(base, taken, join=".", first=1))
        taken.add(unique[-1])
    return unique


def _read(path: Path, limits: Limits, reading: Reading) -> list[Found]:
    suffix = path.suffix.lower()
    if suffix == PACKED and Path(path.stem).suffix.lower() in textfiles.SUFFIXES:
        return _read_packed(path, limits, reading)
    if suffix not in SUFFIXES:
        raise InputError(f"{path.name} is not of a kind that can be read ({', '.join(SUFFIXES)}).")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty (0 bytes): choose a file with a table in it.")
    try:
        return _read_suffix(path, suffix, limits, reading)
    except InputError:
        raise
    except BaseException as error:  # a reader that is written in Rust panics, which is no Exception
        if not _is_want_of_memory(error, limits):
            reason = " ".join(str(error).split()).rstrip(".")[:200]
            raise InputError(f"{path.name} cannot be read as {suffix[1:]}: {reason}. {DAMAGED}.") from None
    # Out here, where the error no longer keeps what was read until then: to say so takes memory too.
    most = limits.memory_bytes // MIB
    raise InputError(f"{path.name} needs more than {most:,} MiB of memory to be read. {SMALLER}.")


def _is_want_of_memory(error: BaseException, limits: Limits) -> bool:
    """Whether a reader failed for that; each says so in another way, and some in none."""
    if isinstance(error, MemoryError) or "out of memory" in str(error):
        return True
    peak = re.search(r"VmPeak:\s*(\d+) kB", Path("/proc/self/status").read_text("latin-1"))
    return bool(peak) and int(peak[1]) * 1024 > 0.9 * limits.memory_bytes


def _read_packed(path: Path, limits: Limits, reading: Reading) -> list[Found]:
    """Reads text that gzip has packed; the code that loads it names the packed file, which pandas unpacks."""
    plain = path.with_name(f"unpacked-{path.stem}")
    try:
        with gzip.open(path) as packed, plain.open("xb") as file:
            while block := packed.read(MIB):
                file.write(block)
                if file.tell() > limits.input_bytes:
                    most = limits.input_bytes // MIB
                    raise InputError(
                        f"{path.name} is too large unpacked: more than {most:,} MiB. Split it, or give "
                        "a part of it."
                    )
        found = _read(plain, limits, reading)
        # pandas unpacks a file that it is given by its name; open does not.
        opened = f"gzip.open({path.name!r}, 'rt'"
        return [
            replace(
                one,
                load=one.load.replace(f"open({plain.name!r}", opened).replace(
                    repr(plain.name), repr(path.name), 1
                ),
            )
            for one in found
        ]
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path.name} cannot be unpacked: {error}.") from None
    except InputError as error:
        raise InputError(str(error).replace(plain.name, path.name)) from None
    finally:
        plain.unlink(missing_ok=True)


def _read_suffix(path: Path, suffix: str, limits: Limits, reading: Reading) -> list[Found]:
    if suffix in textfiles.SUFFIXES:
        return textfiles.read(path, limits.input_columns, reading)
    if suffix in workbooks.SUFFIXES:
        return _named(workbooks.read(path, limits, reading))
    if suffix in databases.SUFFIXES:
        return _named(databases.read(path, limits))
    frame, load = _read_json(path) if suffix in JSON_SUFFIXES else _read_parquet(path, limits)
    return [Found("", frame, load)]


def _named(tables: list[Found]) -> list[Found]:
    """The tables of a file; one alone is called by the file's name, since "Sheet1" tells nothing."""
    return tables if len(tables) > 1 else [replace(table, name="") for table in tables]


def _read_parquet(path: Path, limits: Limits) -> tuple[pd.DataFrame, str]:
    with pyarrow.parquet.ParquetFile(path) as file:
        # A small file can hold very many rows.
        _check_shape(path.name, file.metadata.num_rows, file.metadata.num_columns, limits)
    frame, load = pd.read_parquet(path), f"pd.read_parquet({path.name!r})"
    if frame.index.equals(pd.RangeIndex(len(frame))) and frame.index.name is None:
        return frame, load
    drop = all(name is None for name in frame.index.names)
    return frame.reset_index(drop=drop), f"{load}.reset_index({'drop=True' if drop else ''})"


def _read_json(path: Path) -> tuple[pd.DataFrame, str]:
    # Not by pd.read_json, which turns identifiers such as "007" into numbers or dates.
    opened = f"open({path.name!r}, encoding='utf-8-sig')"
    with path.open(encoding="utf-8-sig") as file:
        if path.suffix.lower() == ".json":
            data, code = json.load(file), f"json.load({opened})"
        else:
            data = [json.loads(line) for line in file if line.strip()]
            code = f"[json.loads(line) for line in {opened} if line.strip()]"
    if isinstance(data, dict) and len(data) > 1:
        lists = [key for key, value in data.items() if isinstance(value, list)]
        if len(lists) == 1:
            data, code = data[lists[0]], f"{code}[{lists[0]!r}]"
    if isinstance(data, list) and data and not all(isinstance(row, dict) for row in data):
        raise InputError(f"{path.name} holds no table: a list of objects is expected.")
    return pd.DataFrame(data), f"pd.DataFrame({code})"


def _tidy(frame: pd.DataFrame, source: str, limits: Limits) -> tuple[pd.DataFrame, str]:
    """Returns the table with usable names and columns, and the code, to be put behind its own, that does so.

    Raises InputError if it is too large, or holds nothing.
    """
    _check_shape(source, len(frame), len(frame.columns), limits)
    if not len(frame.columns):
        raise InputError(f"{source} holds no columns: choose a file with a table in it.")
    if not len(frame):
        raise InputError(f"{source} has a header but no rows: choose a file with data in it.")
    names = unique_columns(frame.columns)
    code = "" if names == [*frame.columns] else f".set_axis({names!r}, axis=1)"
    frame.columns = names
    categories = [name for name in names if isinstance(frame[name].dtype, pd.CategoricalDtype)]
    for name in categories:
        frame[name] = pd.Series(np.asarray(frame[name]), index=frame.index)
    return frame, code + textfiles.in_columns(categories, "pd.Series(np.asarray(t[c]), index=t.index)")


def _without_blank(frame: pd.DataFrame, load: str, note: str) -> tuple[pd.DataFrame, str, str]:
    """Returns the table without rows of blanks, the code, and the note; one column's blanks are values."""
    # Only rows that begin with nothing are looked at in whole: a table may have millions.
    starts = frame[frame.iloc[:, 0].isna()]
    blank = int(starts.isna().all(axis=1).sum())
    if len(frame.columns) == 1 or not 0 < blank < len(frame):
        return frame, load, note
    told = f"{blank:,} blank row{'s' * (blank != 1)} left out"
    kept = frame.dropna(how="all", ignore_index=True)
    return kept, f"{load}.dropna(how='all', ignore_index=True)", f"{note}, {told}" if note else told


def _check_shape(source: str, rows: int, columns: int, limits: Limits) -> None:
    for count, most, what in (
        (rows, limits.input_rows, "rows"),
        (columns, limits.input_columns, "columns"),
    ):
        if count > most:
            raise InputError(f"{source} has {count:,} {what}; at most {most:,} can be read.")
