"""Finds out, from the first lines of delimited text, how its cells are told apart and where its table begins.

    layout = of(lines, usual=",")
    layout.delimiter, layout.skip, layout.names

Runs inside the child, on decoded text. What a person sees at once is put as rules: a title stands above a
table that is wider; names of columns stand above numbers and are none.
"""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "space"}
MOST_SKIPPED = 60  # lines above a table
MOST_NAME_ROWS = 3
LINE_CHARS = 2000  # of a line that are looked at for quotes
VALUE_CHARS = 40  # of the longest number or date
BODY_ROWS = 100  # rows from which a column's kind is told
ENOUGH = 0.8  # of a column's cells that are numbers make it one of numbers
NUMBER = re.compile(
    r"[-+(]?\s*[$€£¥]?\s*[-+]?(?:\d[\d,.' \u00a0]*\d|\d)(?:[eE][-+]?\d+)?\s*[%€£)]?"
    r"|[-+]?\.\d+(?:[eE][-+]?\d+)?"
)
MISSING = re.compile(r"(?i)n/?a|n\.a\.|nan|nil|none|null|unknown|missing|tb[cd]|[-–—.?*#]+")
YEAR = re.compile(r"(?:19|20)\d\d")
DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?)?|\d{1,2}:\d{2}(?::\d{2})?"
)


@dataclass(frozen=True)
class Layout:
    """How a file is to be read.

    Attributes:
        delimiter, quote, escape: One character each; `escape` is "" where a doubled quote stands for one.
        spaced: Whether a space follows each delimiter.
        skip: Rows above the names of the columns, blank ones too; one with a line break in a cell is one.
        name_rows: Rows that name the columns; 0 where the first row is data already.
        names: Of the columns, where they are not simply those of one row; empty otherwise.
    """

    delimiter: str
    quote: str = '"'
    escape: str = ""
    spaced: bool = False
    skip: int = 0
    name_rows: int = 1
    names: tuple[str, ...] = ()


def of(lines: Sequence[str], usual: str, delimiter: str = "", header_row: int | None = None) -> Layout:
    """The layout of a file with these first lines.

    Args:
        usual: The delimiter that files of its kind mostly have.
        delimiter, header_row: As in Reading, where a person has said so.
    """
    delimiter = delimiter or _delimiter(lines, usual)
    quote = "'" if _quoted(lines, delimiter, "'") else '"'
    escape = _escape(lines, quote)
    spaced = delimiter != " " and any(f"{delimiter} {quote}" in line for line in lines)
    dialect = {"delimiter": delimiter, "quotechar": quote, "skipinitialspace": spaced}
    if escape:
        dialect |= {"escapechar": escape, "doublequote": False}
    read = csv.reader((line + "\n" for line in lines), **dialect)
    rows = [[cell.strip() for cell in row] for row in read]
    return Layout(delimiter, quote, escape, spaced, *table_at(rows, header_row))


def table_at(
    rows: Sequence[Sequence[str]], header_row: int | None = None
) -> tuple[int, int, tuple[str, ...]]:
    """A Layout's `skip`, `name_rows` and `names` for these first rows."""
    if header_row:
        return header_row - 1, 1, ()
    if header_row == 0:
        return 0, 0, _numbered(rows)
    first = _first_row(rows)
    first -= _is_below_names(rows, first)
    return first, *_names(rows[first:])


def _numbered(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(f"column_{number}" for number in range(1, max(map(len, rows), default=0) + 1))


def told(skip: int, name_rows: int) -> list[str]:
    """What a reader is to know of it."""
    notes = [f"{skip} row{'s' * (skip != 1)} above the table left out"] if skip else []
    notes += [f"{name_rows} rows of names joined"] if name_rows > 1 else []
    return notes + (["no row of names"] if not name_rows else [])


def different(names: Sequence[str]) -> list[str]:
    """The names, made different as pandas does it; one that is empty gets its place."""
    made: dict[str, None] = {}
    for place, name in enumerate(names):
        made[free_name(name or f"Unnamed: {place}", made, join=".", first=1)] = None
    return [*made]


def free_name(name: str, taken: Container[str], join: str = "_", first: int = 2) -> str:
    """The name, or with the first number behind it that makes it none of the taken ones."""
    free, number = name, first
    while (free if join == "." else free.lower()) in taken:
        free = f"{name}{join}{number}"
        number += 1
    return free


# How cells are told apart


def _delimiter(lines: Sequence[str], usual: str) -> str:
    def score(delimiter: str) -> tuple[float, int, bool]:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if any(cell.strip() for cell in row)]
        if not rows:
            return 0.0, 1, delimiter == usual
        widths = Counter(map(len, rows))
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        # Words have spaces between them, too.
        if width == 1 or (delimiter == " " and (count < len(rows) or width < 3)):
            return 0.0, 1, delimiter == usual
        return count / len(rows), width, delimiter == usual

    scores = {delimiter: score(delimiter) for delimiter in DELIMITERS}
    if scores[" "][0] and max(scores[other][0] for other in DELIMITERS if other != " ") >= 0.5:
        del scores[" "]
    return max(scores, key=scores.__getitem__)


def _quoted(lines: Sequence[str], delimiter: str, quote: str) -> bool:
    """Whether cells stand in these quotes: several, and more than in the usual ones."""
    begins = re.compile(rf"(?:^|{re.escape(delimiter)}) ?([\"']).*?\1 ?(?={re.escape(delimiter)}|$)")
    found = Counter(match[1] for line in lines for match in begins.finditer(line[:LINE_CHARS]))
    return found[quote] >= max(2, len(lines) / 4, 10 * found['"'])


def _escape(lines: Sequence[str], quote: str) -> str:
    """What stands before a quote that is meant as one; "" where it is doubled, or none is there."""
    text = "\n".join(lines)
    for mark in ("\\", "\0"):
        if f"{mark}{quote}" in text and f"{mark}{quote}{quote}" not in text.replace(f"{quote}{quote}", ""):
            return mark
    return ""


# Where the table begins, and what names its columns


def _first_row(rows: Sequence[Sequence[str]]) -> int:
    """The first row that is as wide as the table."""
    filled = [sum(map(bool, row)) for row in rows]
    usual = _usual([count for count in filled if count])
    if usual < 2:
        return next((place for place, count in enumerate(filled) if count), 0)
    widths = {len(row) for row in rows[1:] if row}
    if len(widths) == 1 and len(rows[0]) > max(widths) > 1 and _stands_above_numbers(rows[1], rows[2:]):
        return 1
    for place, count in enumerate(filled[:MOST_SKIPPED]):
        below = [other for other in filled[place + 1 : place + 6] if other]
        full = count == len(rows[place]) > 1 and 2 * count >= usual
        if full or (2 * count > usual and (not below or 2 * max(below) > usual)):
            # The names of groups of columns, of which most are blank, stand directly above.
            above = rows[place - 1] if place else []
            groups = len(above) == len(rows[place]) and filled[place - 1] >= 2
            alone = all(rows[place]) and len(set(rows[place])) == count  # names that need no group's
            return place - 1 if groups and (not above[0] or not alone) else place
    return 0


def _is_below_names(rows: Sequence[Sequence[str]], place: int) -> bool:
    """Whether a row is one of several of a form, such as "Table 1", right below the first column's name."""
    if not place or sum(map(bool, rows[place - 1])) != 1 or not is_word(rows[place - 1][0]):
        return False
    cells = [row[0] for row in itertools.takewhile(any, rows[place : place + BODY_ROWS])]
    forms = {re.sub(r"\d+", "0", cell) for cell in cells}
    return len(cells) > 3 and len(forms) == 1 and is_word(cells[0]) and "0" in forms.pop()


def _stands_above_numbers(row: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    numeric = _numeric_columns(body, len(row))
    return bool(numeric) and all(is_word(row[place]) for place in numeric)


def _usual(counts: Sequence[int]) -> int:
    """How many cells a full row has; those of one cell say little, where others have more."""
    several = [count for count in counts if count > 1]
    of = several if 5 * len(several) >= len(counts) else counts
    return max(Counter(of).items(), key=lambda item: (item[1], item[0]))[0] if of else 0


def _names(rows: Sequence[Sequence[str]]) -> tuple[int, tuple[str, ...]]:
    """How many rows name the columns, and the names where they are not those of a single row."""
    width = max(map(len, rows), default=0)
    body = [row for row in rows[MOST_NAME_ROWS : BODY_ROWS + MOST_NAME_ROWS] if any(row)]
    if not body:
        return 1, ()
    numeric = _numeric_columns(body, width)

    def cell(row: Sequence[str], place: int) -> str:
        return row[place] if place < len(row) else ""

    first = rows[0]
    if numeric:
        values = sum(_same_kind(cell(first, place), body, place) for place in numeric)
        words = any(is_word(cell(first, place)) for place in numeric)
        if 2 * values > len(numeric) and not words and not _years(first, body, numeric):
            return 0, _numbered(rows)
    count = 1
    while count < min(MOST_NAME_ROWS, len(rows) - 1) and _names_too(rows[count - 1], rows[count], numeric):
        count += 1
    if count == 1 and len(rows) > MOST_NAME_ROWS and not any(rows[1]) and _are_parts(rows[0], rows[2]):
        count = MOST_NAME_ROWS
    return (count, _joined(rows[:count], width)) if count > 1 else (1, ())


def _same_kind(text: str, body: Sequence[Sequence[str]], place: int) -> bool:
    """Whether it is a date among dates, or a number among numbers: a date above numbers is a name."""
    if not is_value(text):
        return False
    below = [row[place] for row in body if place < len(row) and row[place]]
    dates = sum(bool(DATE.fullmatch(cell)) for cell in below)
    return bool(DATE.fullmatch(text)) == (2 * dates > len(below))


def _years(row: Sequence[str], body: Sequence[Sequence[str]], numeric: Sequence[int]) -> bool:
    """Whether years stand above numbers that are none, beside names."""
    said = [row[place] for place in numeric if place < len(row) and row[place]]
    below = [line[place] for line in body for place in numeric if place < len(line)]
    return (
        len(said) > 1
        and all(YEAR.fullmatch(text) for text in said)
        and not all(YEAR.fullmatch(text) for text in below)
    )


def _names_too(above: Sequence[str], row: Sequence[str], numeric: Sequence[int]) -> bool:
    """Whether the row goes on with names: it repeats those above, or says more where they are blank."""
    if not any(row):
        return False
    if list(row) == list(above):
        return True
    if all(above):
        return _completes(row, numeric)
    words = [row[place] for place in numeric if place < len(row) and row[place]]
    new = any(text and not over for text, over in zip(row, above, strict=False))
    parts = new and not row[0] and sum(map(bool, row)) > 1 and all(map(is_word, filter(None, row)))
    return parts or (bool(words) and all(map(is_word, words)))


def _are_parts(above: Sequence[str], row: Sequence[str]) -> bool:
    """Whether a row names the parts of a group, and nothing else, such as air and rail below travel."""
    filled = [place for place, cell in enumerate(row) if cell]
    if len(filled) < 2 or not filled[0] or not all(is_word(row[place]) for place in filled):
        return False
    over = [place < len(above) and bool(above[place]) for place in filled]
    return over == [True] + [False] * (len(filled) - 1) and filled[-1] - filled[0] == len(filled) - 1


def _completes(row: Sequence[str], numeric: Sequence[int]) -> bool:
    """Whether a row adds to names that are all there: it has but words above numbers, such as units."""
    filled = [place for place, cell in enumerate(row) if cell]
    words = all(is_word(row[place]) and not MISSING.fullmatch(row[place]) for place in filled)
    return words and not row[0] and set(filled) <= {*numeric}


def _joined(rows: Sequence[Sequence[str]], width: int) -> tuple[str, ...]:
    """Names of several rows in one; that of a group holds until the next."""
    names = []
    groups = [""] * (len(rows) - 1)
    for place in range(width):
        parts = []
        for level, row in enumerate(rows):
            text = row[place] if place < len(row) else ""
            if level < len(groups):
                groups[level] = text or groups[level]
                text = groups[level]
                if text and not any(other[place] for other in rows[level + 1 :] if place < len(other)):
                    text = row[place] if place < len(row) else ""
            if text and text not in parts:
                parts.append(text)
        names.append(" ".join(parts))
    return tuple(names)


def _numeric_columns(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    return [place for place in range(width) if _numeric([row[place] for row in rows if place < len(row)])]


def _numeric(cells: Sequence[str]) -> bool:
    present = [cell for cell in cells if cell]
    return bool(present) and sum(map(is_value, present)) >= ENOUGH * len(present)


def is_value(cell: str) -> bool:
    return len(cell) <= VALUE_CHARS and bool(NUMBER.fullmatch(cell) or DATE.fullmatch(cell))


def is_word(cell: str) -> bool:
    return bool(cell) and not is_value(cell)
