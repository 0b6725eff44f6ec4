"""Reads Excel workbooks, inside the child: each sheet with cells in it is a table."""

from pathlib import Path

import pandas as pd
from openpyxl.cell import cell

from sandbox.records import InputError

SUFFIXES = (".xlsx", ".xls")
HEAD_ROWS = 3


def read(path: Path) -> dict[str, pd.DataFrame]:
    """Returns the sheets that have cells, by name, in order; the first row is the header.

    Raises InputError if there is none, and what the reader raises.
    """
    sheets = pd.read_excel(path, sheet_name=None, engine="calamine")
    tables = {name: frame for name, frame in sheets.items() if len(frame.columns)}
    # A sheet of notes or an unfilled one is no reason to refuse the others.
    filled = {name: frame for name, frame in tables.items() if len(frame)} or tables
    if not filled:
        raise InputError(f"{path.name} has no sheet with cells in it.")
    return filled


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
