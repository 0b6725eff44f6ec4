"""Reads text whose cells are told apart by spaces, although one column's words have spaces between them.

    free = spaces.free_column(lines)        # None for any other text
    free.put_together(text)                 # the same, with that column's cells in quotes

Runs inside the child. Such are logs ("date time level message") and reports. In every other column a cell is
known by its looks: a date, a number, a code, one of few words, or what stands in quotes. What is left between
them is the free one.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.layouts import DELIMITERS, NUMBER, is_word

FEWEST_COLUMNS = 3
FEWEST_ROWS = 5
FEWEST_SHAPED = 2  # columns of dates, numbers or codes; words alone are a sentence
ALIKE = 0.95
FEW_WORDS = 5  # rows for each of a column's words that make it one of few
LINE_CHARS = 4000
CELL = r'(?:"(?:[^"\n]|"")*"|[^ "\n]*)'
CELLS = re.compile(rf"(?:^| )({CELL})(?= |$)")


@dataclass(frozen=True)
class FreeColumn:
    """The column `place` of `width`, called `name`, has the words that are too many."""

    name: str
    place: int
    width: int

    @property
    def _pattern(self) -> str:
        before, behind = (rf"(?:{CELL} ){{{self.place}}}", rf"(?: {CELL}){{{self.width - 1 - self.place}}}")
        return rf'(?m)^({before})(?!")([^\n]* [^\n]*)({behind})$'

    def put_together(self, text: str) -> str:
        return re.sub(self._pattern, _in_quotes, text)

    @property
    def code(self) -> str:
        """What stands before the text in code that does so."""
        return f"re.sub({self._pattern!r}, lambda m: {QUOTED}, "


QUOTED = """m[1] + '"' + m[2].replace('"', '""') + '"' + m[3]"""


def _in_quotes(match: re.Match) -> str:
    return match[1] + '"' + match[2].replace('"', '""') + '"' + match[3]


def free_column(lines: Sequence[str]) -> FreeColumn | None:
    """The column that has more than one word, if these first lines are a table with a single such one."""
    lines = [line for line in lines if line.strip()]
    if len(lines) <= FEWEST_ROWS or max(map(len, lines)) > LINE_CHARS:
        return None
    names, *rows = map(CELLS.findall, lines)
    width = len(names)
    if width < FEWEST_COLUMNS or not _are_names(names):
        return None
    enough = [row for row in rows if len(row) >= width]
    if len(enough) < ALIKE * len(rows) or all(len(row) == width for row in enough):
        return None
    for place in range(width):
        others = [[row[at] for row in enough] for at in (*range(place), *range(place + 1 - width, 0))]
        shaped = sum(map(_has_shape, others))
        if shaped >= FEWEST_SHAPED and all(map(_is_known, others)):
            return FreeColumn(names[place].strip('"'), place, width)
    return None


def _are_names(cells: Sequence[str]) -> bool:
    plain = [cell.strip('"') for cell in cells]
    others = {mark for mark in DELIMITERS if mark != " "}
    return len({*plain}) == len(plain) and all(map(is_word, plain)) and not others & {*"".join(plain)}


def _is_known(cells: Sequence[str]) -> bool:
    quoted = sum(not cell or cell[0] == '"' for cell in cells)
    few = len({*cells}) * FEW_WORDS <= len(cells)
    return quoted >= ALIKE * len(cells) or few or _has_shape(cells)


def _has_shape(cells: Sequence[str]) -> bool:
    """Whether they are numbers, or have digits and letters at the same places."""
    if sum(bool(NUMBER.fullmatch(cell)) for cell in cells) >= ALIKE * len(cells):
        return True
    forms = Counter(re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", cell)) for cell in cells)
    form, count = forms.most_common(1)[0]
    return "0" in form and count >= ALIKE * len(cells)
