"""Reads Excel workbooks, inside the child: each sheet with cells in it is a table, or several."""

import re
import zipfile
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
from openpyxl.cell import cell

from sandbox import blocks, layouts, textfiles
from sandbox.blocks import Block
from sandbox.found import Found
from sandbox.records import MIB, SMALLER, InputError, Limits, Reading

SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
MOST_SHEETS = 100
HEAD_ROWS = 3
SAMPLE_ROWS = 200
MOST_CELLS = 500_000  # of a sheet whose rows are looked at one by one
# The parts of a packed workbook that are read; the others are pictures.
PARTS = (".xml", ".bin")


def read(path: Path, limits: Limits, reading: Reading = Reading()) -> list[Found]:  # noqa: B008 (frozen)
    """Returns the sheets that have cells, in order.

    Raises InputError if it is too large, there is none, or not the one that is wanted, and what the reader
    raises.
    """
    _check_unpacked(path, limits)
    _check_sheets(path)
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
    return [
        sheet
        for name, frame in filled.items()
        for sheet in _sheets(path, name, frame, ["hidden sheet"] * (name in hidden), reading.header_row)
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


def _check_sheets(path: Path) -> None:
    """Raises InputError if there are very many: each would be a table of its own."""
    from python_calamine import CalamineWorkbook

    with CalamineWorkbook.from_path(path) as book:
        if len(book.sheet_names) > MOST_SHEETS:
            raise InputError(
                f"{path.name} has {len(book.sheet_names):,} sheets; at most {MOST_SHEETS} can be read. "
                "Leave out those that the question does not need."
            )


def _sheets(
    path: Path, name: str, frame: pd.DataFrame, notes: list[str], header_row: int | None
) -> list[Found]:
    """The tables of a sheet, found in what pandas made of it by taking the first row for its names."""
    skip, name_rows, names = layouts.table_at(_rows(frame.head(SAMPLE_ROWS)), header_row)
    found = [Block(skip, name_rows, names, above=skip)]
    if name_rows and frame.size <= MOST_CELLS and _maybe_several(frame, skip):
        found = blocks.of(_rows(frame), skip, name_rows, names)
    if len(found) == 1:
        return [_table(path, name, frame, notes, found[0], header_row)]
    parts = zip(found, blocks.named(found), strict=True)
    tables = [(_table(path, name, frame, notes, block, header_row), part) for block, part in parts]
    return [replace(table, name=f"{name} {part}") for table, part in tables]


def _maybe_several(frame: pd.DataFrame, skip: int) -> bool:
    """Whether every row is worth a look: one is blank, or the last has but its first cell, or is a total."""
    below = frame.iloc[skip:]
    if below.isna().all(axis=1).any() or below.iloc[-1:, 1:].isna().all(axis=None):
        return True
    cells = (cell for cell in _rows(below.tail(1))[-1] if cell)
    return bool(blocks.TOTAL.match(next(cells, "")))


def _table(
    path: Path, name: str, frame: pd.DataFrame, notes: list[str], block: Block, header_row: int | None
) -> Found:
    options: dict[str, object] = {}
    if block.names:
        options = {"header": None, "names": layouts.different(block.names)}
    if lines := block.skip + (block.name_rows if block.names else 0):
        options["skiprows"] = lines
    if block.aside:
        # All others are left out: of a sheet pandas counts those that it skips to nrows, too.
        begin, last = block.skip + block.name_rows, len(frame) + 1
        used = sorted({*range(begin, last)}.difference(block.aside))[: block.rows]
        options["skiprows"] = sorted({*range(last)}.difference(range(lines, begin), used))
    elif block.rows is not None:
        options["nrows"] = block.rows
    if options:
        found = pd.read_excel(path, sheet_name=name, engine="calamine", **options)
        if len(found):
            frame = found
        elif header_row is not None:
            raise InputError(
                f"{path.name}, sheet {name}, has nothing below row {header_row:,}: choose another."
            )
        else:  # there was nothing but names
            options, block = {}, Block(0)
    said = "".join(f", {key}={value!r}" for key, value in options.items())
    load = f'pd.read_excel({path.name!r}, sheet_name={name!r}, engine="calamine"{said})'
    notes = [*notes, *layouts.told(block.above, block.name_rows)]
    if merged := _merged(path, name, frame, block.skip + block.name_rows):
        for column in merged:
            frame[column] = frame[column].ffill()
        load += textfiles.in_columns(merged, "t[c].ffill()")
        notes.append("merged cells filled")
    frame, load, column = blocks.with_titles(frame, load, block)
    return Found(name, frame, load, ", ".join([*notes, *blocks.told(block, column)]))


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
    """The sheet's rows as text, the names with it that pandas took from the first."""
    head = frame.astype(object)
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
