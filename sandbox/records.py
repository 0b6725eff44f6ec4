"""The records that the sandbox hands out, their JSON form, and the errors it raises.

Imported by both sides, the host and the forked child, so it imports nothing but the standard
library. A record's JSON form is one object: tuples are lists, bytes are base64. It is stable,
because trajectories are stored with it.
"""

import base64
import dataclasses
import types
import typing
from dataclasses import dataclass
from typing import Any, Self

MIB = 2**20
# What a person can do about a file that is too large; begins a sentence, and ends none.
SMALLER = "Leave out columns or rows that the question does not need"


class InputError(ValueError):
    """A file of the user cannot be used. The message is one sentence, to be shown as it is."""


class SandboxError(RuntimeError):
    """This machine cannot run the sandbox, or its warm process died. One sentence."""


class Record:
    """Gives a dataclass its JSON form, both ways."""

    def to_json(self) -> dict[str, Any]:
        """Returns the record as an object of JSON types."""
        fields = dataclasses.fields(self)
        return {field.name: _encode(getattr(self, field.name)) for field in fields}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Returns the record that `to_json` wrote; unknown keys are ignored.

        Raises ValueError if a value is missing or of another type: a child's reports come
        through here, and a child may write anything.
        """
        if not isinstance(data, dict):
            raise ValueError(f"{cls.__name__}: expected an object, got {type(data).__name__}")
        hints = typing.get_type_hints(cls)
        known = {name: _decode(hint, data[name]) for name, hint in hints.items() if name in data}
        try:
            return cls(**known)
        except TypeError as error:
            raise ValueError(f"{cls.__name__}: {error}") from None


def _encode(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value


def _decode(hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) is types.UnionType:
        return None if value is None else _decode(typing.get_args(hint)[0], value)
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_decode(typing.get_args(hint)[0], item) for item in value)
    if hint is bytes and isinstance(value, str):
        return base64.b64decode(value, validate=True)
    if hint is float and isinstance(value, int):
        return float(value)
    if isinstance(hint, type) and issubclass(hint, Record):
        return hint.from_json(value)
    if not isinstance(hint, type) or not isinstance(value, hint):
        raise ValueError(f"expected {hint}, got {type(value).__name__}")
    if hint is str:
        # A lone surrogate can be printed by a child but not written to a file by anybody.
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


@dataclass(frozen=True)
class Limits(Record):
    """What a session may use.

    Attributes:
        wall_seconds: Time that one step may take.
        cpu_seconds: Processor time of one Python process, over all its steps.
        load_seconds: Time that reading, profiling or previewing the files may take.
        memory_bytes: Address space of the process.
        file_bytes: Size of any one file that code writes, and that `read_file` returns.
        folder_bytes: Space on disk that the session's folder takes, its input files apart.
        folder_files: Files and folders in it, likewise.
        output_chars: Printed text of one step that is kept, half from each end.
        figures: Figures of one step that are kept.
        figure_bytes: Size of one figure's PNG.
        input_bytes: Size of one input file.
        input_rows: Rows of one table.
        input_columns: Columns of one table.
    """

    wall_seconds: float = 20.0
    cpu_seconds: int = 120
    load_seconds: float = 60.0
    memory_bytes: int = 4096 * MIB
    file_bytes: int = 64 * MIB
    folder_bytes: int = 512 * MIB
    folder_files: int = 10_000
    output_chars: int = 8_000
    figures: int = 6
    figure_bytes: int = 4 * MIB
    input_bytes: int = 512 * MIB
    input_rows: int = 5_000_000
    input_columns: int = 5_000


@dataclass(frozen=True)
class Reading(Record):
    """How a person wants files to be read, where what was found is wrong.

    Attributes:
        delimiter: Between the cells of a text file; "" to find it.
        header_row: The row that names the columns, counted from 1; 0 where none does; None to find it.
        sheet: The one to be read of a workbook; "" for all.
    """

    delimiter: str = ""
    header_row: int | None = None
    sheet: str = ""


@dataclass(frozen=True)
class ExecutionError(Record):
    """Why a step failed.

    Attributes:
        kind: The exception's class name, or "Timeout", "MemoryLimit", "DiskLimit", "Crashed",
            "Stopped".
        message: The exception's text, at most 500 characters.
        line: The step's own failing source line, "" if there is none.
        lineno: Its number in the step's code, from 1; 0 if there is none.
        traceback: The frames of model code only, at most about 2,000 characters.
    """

    kind: str
    message: str
    line: str = ""
    lineno: int = 0
    traceback: str = ""


@dataclass(frozen=True)
class Sought(Record):
    """A value that a condition of the code looked for in vain, and where the data has it.

    Attributes:
        value, column: What was looked for, and where.
        other: The column that holds it; the same one where it is spelt otherwise there, "" where none does.
        values: Up to three of the real values that were most likely meant, as code would have them.
        spelt: Whether it is the same column, which has the value written in another way or among other words.
        written, instead: The condition in the code, and one that finds something, "" if there is none.
    """

    value: str
    column: str
    other: str
    values: tuple[str, ...]
    spelt: bool
    written: str
    instead: str


@dataclass(frozen=True)
class Execution(Record):
    """One step: the code that ran and what came of it.

    Attributes:
        code: The code as it was given.
        stdout: What it printed, with the last expression's value, as a notebook shows it.
        error: Why it failed, None if it did not.
        figures: PNG images, in the order they were made.
        files: Names of the files that the step made or changed in the session's folder.
        seconds: Wall time, measured by the host.
        truncated: Characters cut from the middle of `stdout`, 0 if none.
        sought: Values that it did not find, if that is why it failed or printed nothing.
    """

    code: str
    stdout: str = ""
    error: ExecutionError | None = None
    figures: tuple[bytes, ...] = ()
    files: tuple[str, ...] = ()
    seconds: float = 0.0
    truncated: int = 0
    sought: tuple[Sought, ...] = ()


@dataclass(frozen=True)
class ColumnProfile(Record):
    """One column in short.

    Attributes:
        name: The column's name.
        dtype: The pandas dtype as text.
        kind: "number", "boolean", "date", "text" or "other".
        missing: Number of missing cells.
        distinct: Number of different values, missing ones not counted.
        minimum: Smallest value of a number or date as short text, else None.
        maximum: Largest, likewise.
        values: All values by frequency where a text or boolean column has at most 12, else
            the 3 most frequent; each at most 40 characters.
    """

    name: str
    dtype: str
    kind: str
    missing: int
    distinct: int
    minimum: str | None = None
    maximum: str | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Join(Record):
    """A table that holds values of this one's: `columns` here are equal to `others` of `table`, in order."""

    table: str
    columns: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class TableProfile(Record):
    """One table in short.

    Attributes:
        name: Its Python name in the session.
        source: The file it came from, with the sheet: "book.xlsx, sheet Sales".
        rows: Number of rows.
        columns: Its columns, in order.
        sample: The first 3 rows as short text, "" for a missing cell.
        note: What reading decided, "semicolon-separated", or "".
        load: A Python expression that reads the same table outside the session, for a notebook; it uses
            pd, np and json, and io, re or gzip where lines had to be mended.
        joins: How it joins with other tables of the session.
    """

    name: str
    source: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    sample: tuple[tuple[str, ...], ...] = ()
    note: str = ""
    load: str = ""
    joins: tuple[Join, ...] = ()


@dataclass(frozen=True)
class ColumnLook(Record):
    """How a column's values are spread.

    Attributes:
        name: The column's name.
        bars: How many values of a number or date are in each of 12 equal parts of their range (one where all
            are equal); of text, how often its 6 most frequent values come, the most frequent first. Empty
            where there is none.
    """

    name: str
    bars: tuple[int, ...] = ()


@dataclass(frozen=True)
class TableLook(Record):
    """A first look at one table; `warnings` are sentences about what would mislead who adds up or counts."""

    name: str
    columns: tuple[ColumnLook, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview(Record):
    """The first rows of a table as short text, "" for a missing cell."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
