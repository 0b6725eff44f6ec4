"""Reads Excel workbooks, inside the child: each sheet with cells in it is a table."""

import re
import zipfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pandas as pd
from openpyxl.cell import cell

from sandbox import layouts, textfiles
from sandbox.found import Found
from sandbox.records import MIB, SMALLER, InputError, Limits, Reading

SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
HEAD_ROWS = 3
SAMPLE_ROWS = 200
# The parts of a packed workbook that are read; the others are pictures.
PARTS = (".xml", ".bin")


def read(path: Path, limits: Limits, reading: Reading = Reading()) -> list[Found]:  # noqa: B008 (frozen)
    """Returns the sheets that have cells, in order.

    Raises InputError if it is too large, there is none, or not the one that is wanted, and what the reader
    raises.
    """
    _check_unpacked(path, limits)
    sheets = pd.read_excel(path, sheet_name=None, engine="calamine")
    if reading.sheet:
        if reading.sheet not in sheets:
            raise InputError(f"{path.name} has no sheet {reading.sheet}: take one of {', '.join(sheets)}.")
        sheets = {reading.sheet: sheets[reading.sheet]}
    tables = {name: frame for name, frame in sheets.items() if len(frame.columns)}
    # A sheet of notes or an unfilled one is no reason to refuse the others.
    filled = {name: frame for name, frame in tables.items() if len(frame)} or tables
    if not filled:
        raise InputError(f"{path.name} has no sheet with cells in it.")
    hidden = _hidden(path)
    row = reading.header_row
    return [
        _sheet(path, name, frame, ["hidden sheet"] * (name in hidden), row) for name, frame in filled.items()
    ]


def _check_unpacked(path: Path, limits: Limits) -> None:
    """Raises InputError where it says itself that it is larger than a file that is not packed may be."""
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as packed:
        size = sum(part.file_size for part in packed.infolist() if part.filename.endswith(PARTS))
        if size > limits.input_bytes:
            raise InputError(
                f"{path.name} is too large unpacked: {size / MIB:,.0f} MiB, at most "
                f"{limits.input_bytes / MIB:,.0f} MiB. {SMALLER}, or save it as parquet."
            )


def _sheet(path: Path, name: str, frame: pd.DataFrame, notes: list[str], header_row: int | None) -> Found:
    """The sheet as a table, found in what pandas made of it by taking the first row for its names."""
    skip, name_rows, names = layouts.table_at(_rows(frame), header_row)
    options: dict[str, object] = {}
    if names:
        options = {"header": None, "names": layouts.different(names)}
    if lines := skip + (name_rows if names else 0):
        options["skiprows"] = lines
    if options:
        found = pd.read_excel(path, sheet_name=name, engine="calamine", **options)
        if len(found):
            frame = found
        elif header_row is not None:
            raise InputError(
                f"{path.name}, sheet {name}, has nothing below row {header_row:,}: choose another."
            )
        else:  # there was nothing but names
            options, skip, name_rows = {}, 0, 1
    said = "".join(f", {key}={value!r}" for key, value in options.items())
    load = f'pd.read_excel({path.name!r}, sheet_name={name!r}, engine="calamine"{said})'
    notes = [*notes, *layouts.told(skip, name_rows)]
    if merged := _merged(path, name, frame, skip + name_rows):
        for column in merged:
            frame[column] = frame[column].ffill()
        load += textfiles.in_columns(merged, "t[c].ffill()")
        notes.append("merged cells filled")
    return Found(name, frame, load, ", ".join(notes))


def _merged(path: Path, name: str, frame: pd.DataFrame, above: int) -> list[str]:
    """The columns that miss nothing but what merged cells cover below their first."""
    from python_calamine import CalamineWorkbook

    ranges = CalamineWorkbook.from_path(path).get_sheet_by_name(name).merged_cell_ranges or []
    covered: Counter[int] = Counter()
    for (first_row, first_column), (last_row, last_column) in ranges:
        if first_row >= above and first_column == last_column:
            covered[first_column] += last_row - first_row
    found = [column for column in covered if covered[column] and column < len(frame.columns)]
    names = [str(frame.columns[column]) for column in found if _missing(frame, column) == covered[column]]
    return [name for name in names if list(frame.columns).count(name) == 1]


def _missing(frame: pd.DataFrame, column: int) -> int:
    return int(frame.iloc[:, column].isna().sum())


def _rows(frame: pd.DataFrame) -> list[list[str]]:
    """The sheet's first rows as text, the names with it that pandas took from the first."""
    head = frame.head(SAMPLE_ROWS).astype(object)
    names = [re.sub(r"^Unnamed: \d+$", "", str(name)) for name in frame.columns]
    body = [["" if pd.isna(one) else str(one).strip() for one in row] for row in head.itertuples(index=False)]
    return [[name.strip() for name in names], *body]


def _hidden(path: Path) -> set[str]:
    from python_calamine import CalamineWorkbook, SheetVisibleEnum

    sheets = CalamineWorkbook.from_path(path).sheets_metadata
    return {sheet.name for sheet in sheets if sheet.visible != SheetVisibleEnum.Visible}


def write_text_as_text() -> None:
    """Has openpyxl write text that starts with "=" as text, also through `to_excel`.

    Such a cell of an uploaded table would otherwise be a formula, which runs when the exported
    workbook is opened (CSV injection, https://owasp.org/www-community/attacks/CSV_Injection).
    """
    bind = cell.Cell._bind_value

    def bind_as_text(self: cell.Cell, value: object) -> None:
        bind(self, value)
        if self.data_type == "f":
            self.data_type = "s"

    cell.Cell._bind_value = bind_as_text


def inspect(path: Path) -> str:
    """Returns a workbook's structure as text: its sheets, shapes, first rows and merged cells.

    Raises ValueError if it is not a workbook.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path.name} is not a workbook; its table is in df or tables")
    # Imported here: few sessions hold a workbook, and it is not part of the warm process.
    from python_calamine import CalamineWorkbook

    workbook = CalamineWorkbook.from_path(path)
    return "\n".join(_inspect_sheet(workbook.get_sheet_by_name(n)) for n in workbook.sheet_names)


def _inspect_sheet(sheet) -> str:
    if sheet.end is None:
        return f"sheet {sheet.name!r}: empty"
    last_row, last_column = sheet.end
    lines = [f"sheet {sheet.name!r}: {last_row + 1} rows, {last_column + 1} columns"]
    rows = sheet.to_python(skip_empty_area=False, nrows=HEAD_ROWS)
    lines += [f"  row {number}: {row}" for number, row in enumerate(rows, start=1)]
    merged = [f"{_cell(*first)}:{_cell(*last)}" for first, last in sheet.merged_cell_ranges or []]
    return "\n".join(lines + ([f"  merged cells: {', '.join(merged)}"] if merged else []))


def _cell(row: int, column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{row + 1}"
