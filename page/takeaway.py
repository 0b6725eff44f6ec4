"""What an answer leaves to take home: notebook, script, report, figures, and the last table it printed.

for kind, path in write(folder, trajectory, earlier, table).items(): ...
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from agent import notebook
from agent.trajectory import Trajectory
from page import pictures

KINDS = {
    "notebook": "Download notebook",
    "script": "Python",
    "report": "Markdown",
    "figures": "Figures",
    "table": "Table as CSV",
}
TABLE_BYTES = 8 * 2**20
# What a spreadsheet takes for the beginning of a formula
# (CSV injection, https://owasp.org/www-community/attacks/CSV_Injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write(
    folder: Path, trajectory: Trajectory, earlier: Sequence[Trajectory], table: bytes | None
) -> dict[str, Path]:
    """Writes into the folder what there is of each of KINDS.

    Args:
        earlier: What was asked before in the same Python process, the oldest first.
        table: As `Session.shown` gives it.
    """
    written = {"notebook": folder / "datasense.ipynb", "script": folder / "datasense.py"}
    for path in written.values():
        notebook.write(trajectory, path, earlier)
    written["report"] = folder / "datasense.md"
    notebook.write(trajectory, written["report"])
    figures = [pictures.drawn_anew(png) for execution in trajectory.executions for png in execution.figures]
    if figures := list(filter(None, figures)):
        written["figures"] = _figures(folder, figures)
    if table and len(table) <= TABLE_BYTES and (text := without_formulas(table.decode("utf-8", "replace"))):
        written["table"] = folder / "table.csv"
        # A spreadsheet knows UTF-8 by its mark alone.
        written["table"].write_text(text, encoding="utf-8-sig")
    return written


def without_formulas(text: str) -> str:
    """CSV in which no cell is a formula: one that might be begins with an apostrophe.

    "" where it cannot be read as CSV, or has a cell of more than 131,072 characters. Every cell stands in
    quotes: a spreadsheet that divides cells by another mark would find formulas within them.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    try:
        for row in csv.reader(io.StringIO(text, newline="")):
            writer.writerow([f"'{cell}" if _is_formula(cell) else cell for cell in row])
    except csv.Error:
        return ""
    return out.getvalue()


def _is_formula(cell: str) -> bool:
    if not cell.startswith(FORMULA):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


def _figures(folder: Path, figures: Sequence[bytes]) -> Path:
    if len(figures) == 1:
        path = folder / "figure.png"
        path.write_bytes(figures[0])
        return path
    path = folder / "figures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, figure in enumerate(figures, 1):
            archive.writestr(f"figure-{number}.png", figure)
    return path
