"""Finds the tables that stand one below the other in a text or a sheet, and the notes below them.

    for block in of(rows, skip=2, name_rows=1, names=()):
        block.skip, block.rows, block.title

Runs inside the child. A person sees where a table begins: a row names columns, below a blank row or a title.
What is not as plain as that stays a row of the table that it stands in.
"""

import itertools
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sandbox import layouts

MOST_PARTS = 100  # each is read by itself, or shown in the code that loads the table
TITLE_CHARS = 60  # of a title or note that are told
NAME_CHARS = 40  # of a title that names a table
REPEATED = 0.9  # of a part's rows that stood at the same place before make it a copy
NOTE_WORD = re.compile(
    r"(?i)(?:sources?|(?:foot)?notes?|quellen?|anmerkung(?:en)?|fuentes?|notas?|remarks?) ?: ?\S"
)
TOTAL = re.compile(r"(?i)(?:(?:grand|sub)[ -]?)?totale?s?\b|sum(?:me)?\b|overall\b|(?:ins)?gesamt\b")
NOTE_MARK = re.compile(r"(?:[*†‡§¹²³⁴]+|\(\d\)|\[\d\]) ?\w[^\n]{8,}")

Rows = Sequence[Sequence[str]]
Span = tuple[int, int]  # from the row of names up to where it ends


@dataclass(frozen=True)
class Block:
    """A table in a text or a sheet.

    Attributes:
        skip, name_rows, names: As in Layout; the tables that stand above are skipped, too.
        rows: Below its names, blank ones too, but not lines without anything; None for all that there are.
        lines: The same with those, and with what is aside.
        title, above: What stands above it, and how many rows of such there are, which are left out.
        aside: Rows further down that are none of it: titles, and names that come again.
        parts: Title and number of rows of each part, where it goes on below other titles.
        notes: What stands below it and is left out.
        repeats: Whether its rows are those of the table above.
        unsure: What stands below it, is a note as it seems, and is its last row.
        total: How its last row is called, if that is the total of the others, as it seems.
    """

    skip: int
    name_rows: int = 1
    names: tuple[str, ...] = ()
    rows: int | None = None
    lines: int | None = None
    title: str = ""
    above: int = 0
    aside: tuple[int, ...] = ()
    parts: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    repeats: bool = False
    unsure: str = ""
    total: str = ""


def of(rows: Rows, skip: int, name_rows: int, names: tuple[str, ...] = ()) -> list[Block]:
    """The tables in these rows, of which the first is known; a row is a list of cells, space around stripped.

    One that names the same columns again goes on, unless its rows are those that were there before.
    """
    first = Block(skip, name_rows, names, title=_title(rows, 0, skip), above=skip)
    starts = [skip, *_starts(rows, skip, name_rows)]
    if len(starts) > MOST_PARTS:
        return [first]
    spans: list[Span] = []
    end = len(rows)
    for start in reversed(starts):
        # What has no rows below it names no table.
        if any(map(any, rows[start + 1 : end])):
            spans.insert(0, (start, end))
            end = _gap(rows, start)
    if not spans or spans[0][0] != skip:
        return [first]
    groups: list[tuple[Block, list[Span]]] = []
    for span in spans:
        above, others = groups[-1] if groups else (None, [])
        again = above and _same_names(rows, others[0], span, above.name_rows)
        if again and not _is_copy(rows, others[0], span, above.name_rows):
            others.append(span)
        else:
            known = _known(rows, span) if groups else first
            groups.append((replace(known, repeats=bool(again)), [span]))
    found = [_block(rows, known, parts) for known, parts in groups]
    plain = len(found) == 1 and not (found[0].aside or found[0].notes)
    if plain or not all(block.rows for block in found):
        last = found[0] if plain else first
        return [replace(first, unsure=last.unsure, total=last.total)]
    return found


def maybe_several(text: str, names: Sequence[str], delimiter: str) -> bool:
    """Whether every row is worth a look: the first name begins a line again, or a row is blank or a note."""
    text = text.rstrip()
    again = rf"""(?m)^["' ]*{re.escape(names[0].strip())}""" if names and names[0].strip() else r"(?!)"
    blank = rf"""(?m)^[ \t"'{re.escape(delimiter)}]*$"""
    last = text[text.rfind("\n") + 1 :].lstrip(f"\"' {delimiter}")
    if len(re.findall(again, text)) > 1 or re.search(blank, text.lstrip()):
        return True
    return bool(NOTE_WORD.match(last) or TOTAL.match(last))


def named(blocks: Sequence[Block]) -> list[str]:
    """What to call each of them: its title, or which it is; "" for a single one."""
    if len(blocks) == 1:
        return [""]
    titles = [block.title if len(block.title) <= NAME_CHARS else "" for block in blocks]
    return [
        title if title and titles.count(title) == 1 else f"part {number}"
        for number, title in enumerate(titles, 1)
    ]


def with_titles(frame: pd.DataFrame, load: str, block: Block) -> tuple[pd.DataFrame, str, str]:
    """Returns the table with a column of its parts' titles, code that adds it, and the column's name."""
    column = layouts.free_name("title above", {str(name).lower() for name in frame.columns})
    if not block.parts or sum(count for _, count in block.parts) != len(frame):
        return frame, load, ""
    titles, counts = map(list, zip(*block.parts, strict=True))
    code = f".assign(**{{{column!r}: np.repeat({titles!r}, {counts!r})}})"
    return frame.assign(**{column: np.repeat(titles, counts)}), load + code, column


def told(block: Block, column: str) -> list[str]:
    """What a reader is to know of it; `column` has the titles of its parts."""
    said = ["a copy of the table above"] if block.repeats else []
    said += [f"{len(block.parts)} parts with titles, in {column!r}"] if column else []
    if block.notes:
        many = f"{len(block.notes)} notes" if len(block.notes) > 1 else "a note"
        said.append(f"{many} below the table left out: {_short(block.notes[0])!r}")
    said += [f"the last row may be a note: {_short(block.unsure)!r}"] if block.unsure else []
    return said + ([f"the last row may be a total: {_short(block.total)!r}"] if block.total else [])


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= TITLE_CHARS else f"{text[: TITLE_CHARS - 1].rstrip()}…"


# Where a table begins


def _starts(rows: Rows, skip: int, name_rows: int) -> list[int]:
    names = _trimmed(rows[skip]) if skip < len(rows) else []
    if not name_rows or not names or not names[0]:
        return []
    found = []
    for place in range(skip + name_rows, len(rows)):
        row = _trimmed(rows[place])
        if len(row) < 2 or not row[0]:
            continue
        if _names_again(row, names) or (_below_gap(rows, place) and _is_names(rows, place, names[0])):
            found.append(place)
    return found


def _names_again(row: Sequence[str], names: Sequence[str]) -> bool:
    """Whether it names the same columns, with some more or fewer at the end."""
    shared = min(len(row), len(names))
    return shared >= 2 and all(names[:shared]) and row[:shared] == names[:shared]


def _is_names(rows: Rows, place: int, first: str) -> bool:
    """Whether a row below a gap is one of names: it begins as the first does, or has words above numbers."""
    row = _trimmed(rows[place])
    filled = [cell for cell in row if cell]
    if not all(map(layouts.is_word, filled)) or any(map(layouts.MISSING.fullmatch, filled)):
        return False
    # Pairs, such as what was taken from where, may begin alike in every part of a list.
    if len(filled) > 2 and row[0].casefold() == first.casefold():
        return True
    below = [*itertools.takewhile(any, rows[place + 1 : place + 1 + layouts.BODY_ROWS])]
    if len(below) < 2 or len(set(row)) < len(row) or not all(row):
        return False
    columns = ([other[column] for other in below if column < len(other)] for column in range(len(row)))
    return any(all(cells) and all(map(layouts.is_value, cells)) for cells in columns)


def _below_gap(rows: Rows, place: int) -> bool:
    return _gap(rows, place) < place


def _gap(rows: Rows, place: int) -> int:
    """Where the blank rows and titles begin that stand above a row; the row itself if there are none.

    A title has a blank row above it: what follows on a table without one is its last row.
    """
    top = place
    while top and (not any(rows[top - 1]) or _is_title(rows[top - 1])):
        top -= 1
    return next((at for at in range(top, place) if not any(rows[at])), place)


def _is_title(row: Sequence[str]) -> bool:
    return len(_trimmed(row)) == 1


def _title(rows: Rows, top: int, place: int) -> str:
    """What stands directly above a row of names, blank rows aside."""
    above = [row for row in rows[top:place] if any(row)]
    return " ".join(above[-1][0].split()) if above and _is_title(above[-1]) else ""


def _trimmed(row: Sequence[str]) -> list[str]:
    """The cells without the empty ones at its end."""
    cells = [*row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


# What belongs to it


def _same_names(rows: Rows, first: Span, span: Span, name_rows: int) -> bool:
    names, again = (rows[start : start + name_rows] for start, _ in (first, span))
    return [_trimmed(row) for row in names] == [_trimmed(row) for row in again]


def _is_copy(rows: Rows, first: Span, span: Span, name_rows: int) -> bool:
    before, now = ([row for row in rows[start + name_rows : end] if any(row)] for start, end in (first, span))
    return sum(map(operator.eq, before, now)) >= REPEATED * len(now)


def _known(rows: Rows, span: Span) -> Block:
    """A table that is not the first, with what stands above it."""
    start, end = span
    skip, name_rows, names = layouts.table_at(rows[start:end])
    own = (
        (name_rows, names)
        if name_rows and not skip and any(map(any, rows[start + name_rows : end]))
        else (1, ())
    )
    top = _gap(rows, start)
    return Block(start, *own, title=_title(rows, top, start), above=sum(map(any, rows[top:start])))


def _block(rows: Rows, known: Block, spans: Sequence[Span]) -> Block:
    start, end = spans[0][0], spans[-1][1]
    end, notes, unsure = _without_notes(rows, start + known.name_rows, end)
    ends = [*(top for _, top in spans[:-1]), end]
    begins = [start + known.name_rows, *(begin + known.name_rows for begin, _ in spans[1:])]
    titles = [known.title, *(_title(rows, top, begin) for (_, top), (begin, _) in itertools.pairwise(spans))]
    aside, parts = (), ()
    if any(titles[1:]) or (len(spans) > 1 and known.name_rows > 1):
        data = [place for place in range(begins[0], end) if any(rows[place]) and rows[place] != rows[start]]
        kept = [[at for at in data if top <= at < last] for top, last in zip(begins, ends, strict=True)]
        parts = tuple(zip(titles, map(len, kept), strict=True)) if any(titles[1:]) else ()
        aside = tuple(sorted({*range(begins[0], end)}.difference(*kept)))
    count = sum(1 for row in rows[begins[0] : end] if row) - sum(1 for at in aside if rows[at])
    return replace(
        known,
        rows=count,
        lines=end - begins[0],
        aside=aside,
        parts=parts,
        notes=tuple(notes),
        unsure=unsure,
        total=_total(rows[begins[0] : end]),
    )


def _without_notes(rows: Rows, begin: int, end: int) -> tuple[int, list[str], str]:
    """Where the table ends, the notes below it, and what may be one.

    A note is the only cell of its row, and says that it is one; with a mark such as * below a blank row.
    """
    last = end
    while last > begin and not any(rows[last - 1]):
        last -= 1
    top = last
    while top > begin and (not any(rows[top - 1]) or _is_title(rows[top - 1])):
        top -= 1
    if top == begin:
        return end, [], ""
    gap = next((at for at in range(top, last) if not any(rows[at])), last)
    at = next((at for at in range(top, last) if _is_note(rows[at], at > gap)), last)
    if at < last:
        notes = [row[0] for row in rows[at:last] if any(row)]
        while not any(rows[at - 1]):
            at -= 1
        return at, notes, ""
    text = rows[last - 1][0]
    sentence = last - gap > 1 and " " in text and len(_trimmed(rows[top - 1])) > 2
    return end, [], text if sentence else ""


def _total(rows: Rows) -> str:
    """What the last row is called if it says that it is a total, and has a number; "" for any other."""
    filled = [row for row in rows if any(row)]
    cells = [cell for cell in filled[-1] if cell] if len(filled) > 2 else [""]
    return cells[0] if TOTAL.match(cells[0]) and any(map(layouts.is_value, cells)) else ""


def _is_note(row: Sequence[str], below_gap: bool) -> bool:
    text = row[0] if row else ""
    return bool(NOTE_WORD.match(text) or (below_gap and NOTE_MARK.match(text)))
