"""Mends lines of delimited text that do not fit, inside the child, without guessing at what fits.

    mended = mend(text, layout)
    mended.text, mended.note     # mended is None where nothing is to be mended, or can be

Three things are mended: a quote that opens or closes no cell, a delimiter that is missing, and a line with
another delimiter. What a cell of a column looks like is learned from the lines that fit: a date, a number or
a code has a shape. A line whose delimiters are wrong is changed only if it can then be read in one way as the
others are.
"""

import csv
import functools
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sandbox.layouts import DELIMITERS, NUMBER, Layout

MOST_LINES = 20  # that are mended one by one, and shown in the code that loads the table
MOST_JOINED = 50  # lines of one cell
MOST_BAD = 1000  # lines that do not fit, after which a file is left as it is
LINE_CHARS = 4000  # of a line that is mended
MOST_COLUMNS = 60
SHAPED_ROWS = 300
BLANK = r"\s*"  # the shape of a column without values
ALIKE = 0.95  # of a column's cells that have the same shape
RUNS = re.compile(r"\d+|[^\W\d_]+")


@dataclass(frozen=True)
class Mended:
    """The text that can be read, and how it is to be read.

    Attributes:
        before, after: What is to be put around code for the original text, such as ".replace('a', 'b')".
        note: What was done, in a few words.
    """

    text: str
    layout: Layout
    before: str = ""
    after: str = ""
    note: str = ""


def mend(text: str, layout: Layout) -> Mended | None:
    """The whole file's text with its lines mended, None where it needs none or they cannot be."""
    mended = Mended(text, layout)
    if layout.escape:
        # A doubled quote is the one way in which all readers know a quote; what escapes itself is one.
        quote, doubled = layout.quote, 2 * layout.quote
        pattern = f"{re.escape(layout.escape)}([{quote}{re.escape(layout.escape)}])"
        changed = re.sub(pattern, lambda m: doubled if m[1] == quote else m[1], text)
        plain = f"lambda m: {doubled!r} if m[1] == {quote!r} else m[1]"
        mended = Mended(changed, replace(layout, escape=""), f"re.sub({pattern!r}, {plain}, ", ")")
    width = _width(mended.text, mended.layout)
    if not 1 < width <= MOST_COLUMNS:
        return mended if mended.after else None
    good, bad = _sorted(mended.text, mended.layout, width)
    broken = sum(of_quotes for _, of_quotes in bad)
    if broken > MOST_LINES and len(bad) < MOST_BAD and all(len(line) <= LINE_CHARS for line, _ in bad):
        quoted = _quoted_anew(mended)
        again = _sorted(quoted.text, quoted.layout, width)
        if sum(of_quotes for _, of_quotes in again[1]) < broken:
            mended, (good, bad) = quoted, again
    if len(bad) <= MOST_LINES:
        mended = _line_by_line(mended, good, bad)
    return mended if mended.after else None


def _width(text: str, layout: Layout) -> int:
    """How many cells most rows have; 0 if all do and each can be read by the letter."""
    try:
        rows = csv.reader(io.StringIO(text), **_dialect(layout))
        widths = Counter(map(len, filter(None, itertools.islice(rows, layout.skip, None))))
        return widths.most_common(1)[0][0] if len(widths) > 1 else 0
    except csv.Error:
        pass
    try:
        lines = csv.reader(text.split("\n"), **_dialect(layout) | {"strict": False})
        return Counter(map(len, filter(None, lines))).most_common(1)[0][0]
    except csv.Error:  # a cell that is longer than any should be
        return 0


def _dialect(layout: Layout) -> dict:
    dialect = {"delimiter": layout.delimiter, "quotechar": layout.quote, "strict": True}
    return dialect | {"skipinitialspace": layout.spaced}


def _sorted(text: str, layout: Layout, width: int) -> tuple[list[list[str]], list[tuple[str, bool]]]:
    """The rows that fit, and the lines that do not, each with whether its quotes are what is wrong."""
    lines = text.split("\n")
    if not lines[-1]:
        del lines[-1]
    good, bad, place = [], [], 0
    while place < len(lines) and len(bad) < MOST_BAD:
        cells, taken = _read(lines, place, layout)
        if place >= layout.skip and lines[place].strip():
            if cells and len(cells) == width:
                good.append(cells)
            elif taken == 1:
                bad.append((lines[place], cells is None))
        place += taken
    return good, bad


def _read(lines: Sequence[str], place: int, layout: Layout) -> tuple[list[str] | None, int]:
    """The row that begins here, None if it cannot be read by the letter, and how many lines it takes."""
    following = (f"{line}\n" for line in itertools.islice(lines, place, place + MOST_JOINED))
    reader = csv.reader(following, **_dialect(layout))
    try:
        return next(reader, []), reader.line_num
    except csv.Error:
        return None, 1


def _quoted_anew(mended: Mended) -> Mended:
    """With the quotes inside of cells doubled, where only one before a delimiter can be the closing one."""
    quote, delimiter = mended.layout.quote, re.escape(mended.layout.delimiter)
    cell = rf"(?m)(^|{delimiter}){quote}((?:[^{quote}\n]|{quote}(?!{delimiter}|$))*){quote}(?={delimiter}|$)"
    twice = 2 * quote

    def anew(match: re.Match) -> str:
        return match[1] + '"' + match[2].replace(twice, quote).replace('"', '""') + '"'

    inner = f"m[2].replace({twice!r}, {quote!r}).replace('\"', '\"\"')"
    return Mended(
        re.sub(cell, anew, mended.text),
        replace(mended.layout, quote='"'),
        f"re.sub({cell!r}, lambda m: m[1] + '\"' + {inner} + '\"', {mended.before}",
        f"{mended.after})",
        "quotes within quotes",
    )


# Line by line


def _line_by_line(mended: Mended, good: Sequence[Sequence[str]], bad: Sequence[tuple[str, bool]]) -> Mended:
    shapes = [
        _shape([row[place] for row in good[:SHAPED_ROWS]]) for place in range(len(good[0]) if good else 0)
    ]
    if not shapes:
        return mended
    text, after, count = mended.text, mended.after, 0
    whole = Counter(text.split("\n"))
    for line, broken in bad:
        if len(line) > LINE_CHARS or text.count(line) != whole[line]:
            continue
        if cells := _cells(line, broken, mended.layout, shapes):
            new = _written(cells, mended.layout)
            text, after, count = (
                text.replace(line, new),
                f"{after}.replace({line!r}, {new!r})",
                count + whole[line],
            )
    told = f"{count} line{'s' * (count != 1)} with a stray quote or delimiter" if count else ""
    return replace(mended, text=text, after=after, note=" and ".join(filter(None, [mended.note, told])))


def _shape(cells: Sequence[str]) -> str:
    """A regular expression for what the cells look like: "" if they look like nothing in particular."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not filled:
        return BLANK
    optional = len(filled) < len(cells)
    forms = Counter(RUNS.sub(_kind, cell) for cell in filled)
    form, count = forms.most_common(1)[0]
    if count >= ALIKE * len(filled) and "0" in form:
        shape = _of_form(form, [cell for cell in filled if RUNS.sub(_kind, cell) == form])
    elif sum(bool(NUMBER.fullmatch(cell)) for cell in filled) >= ALIKE * len(filled):
        shape = r"[-+]?[\d.,]+"
    else:
        return ""
    return f"(?:{shape})?" if optional else shape


def _of_form(form: str, cells: Sequence[str]) -> str:
    """For cells of one form, such as 0/0/0 for dates: as many digits and letters as they have."""
    runs = [RUNS.findall(cell) for cell in cells]
    shape, place = "", 0
    for part in re.split("(0|a)", form):
        if part in ("0", "a"):
            lengths = {len(run[place]) for run in runs}
            what = r"\d" if part == "0" else r"[^\W\d_]"
            shape += f"{what}{{{min(lengths)},{max(lengths)}}}"
            place += 1
        else:
            shape += re.escape(part)
    return shape


def _kind(run: re.Match) -> str:
    return "0" if run[0][0].isdigit() else "a"


def _cells(line: str, broken: bool, layout: Layout, shapes: Sequence[str]) -> list[str] | None:
    """The line's cells, in the one way in which they have the columns' shapes; None if there is none."""
    shaped = sum(bool(shape) and shape != BLANK for shape in shapes)
    if broken and (found := _matched(line, layout, shapes, layout.delimiter)):
        return found
    if shaped < 2:
        return None
    seams = [_matched(line, layout, shapes, layout.delimiter, seam) for seam in range(len(shapes) - 1)]
    ways = [way for way in seams if way]
    if ways:
        return ways[0] if len(ways) == 1 else None
    others = [other for other in DELIMITERS if other != layout.delimiter] if shaped > 2 else []
    ways = [way for other in others if (way := _matched(line, layout, shapes, other))]
    return ways[0] if len(ways) == 1 else None


def _matched(
    line: str, layout: Layout, shapes: Sequence[str], delimiter: str, seam: int | None = None
) -> list[str] | None:
    """The cells, if the line is these shapes between delimiters; behind column `seam` there is none."""
    # Where a cell of the column can begin, and where the one before it has begun. A regular expression for
    # the whole line would try every combination of what can be read in two ways.
    begins: list[dict[int, int]] = [{0: 0}]
    for place, shape in enumerate(shapes):
        last, at_seam = place == len(shapes) - 1, place == seam
        beside = at_seam or place - 1 == seam
        following: dict[int, int] = {}
        for begin in begins[-1]:
            for end in _ends(line, begin, shape, layout.quote, delimiter, beside, at_seam):
                if last:
                    if end == len(line):
                        following.setdefault(end, begin)
                elif at_seam or line[end : end + 1] == delimiter:
                    following.setdefault(end + (not at_seam), begin)
        begins.append(following)
    if len(line) not in begins[-1]:
        return None
    cells, next_one = [], len(line)
    for place in reversed(range(len(shapes))):
        begin = begins[place + 1][next_one]
        cells.append(line[begin : next_one - (place not in (seam, len(shapes) - 1))])
        next_one = begin
    cells.reverse()
    if seam is not None and not _is_seam(cells[seam], cells[seam + 1], shapes[seam], layout.quote):
        return None
    return [_bare(cell, layout.quote) for cell in cells]


def _ends(
    line: str, begin: int, shape: str, quote: str, delimiter: str, beside: bool, at_seam: bool
) -> Iterator[int]:
    """Where a cell that begins here can end; without a delimiter beside it, only as it says by itself."""
    mark = re.escape(delimiter)
    if shape:
        bare = f"{quote}{shape}{quote}|{shape}" if beside else f"{quote}{{0,2}}{shape}{quote}{{0,2}}"
        patterns = [bare]
    elif at_seam:
        patterns = [f"{quote}[^{quote}]*{quote}", f"[^{mark}{quote}]+"]
    else:
        patterns = [f"{quote}(?:[^{quote}]|{quote}(?!{mark}|$))*{quote}"]
        patterns += [] if beside or delimiter == " " else [f"[^{mark}]*"]
        patterns += [f"[^{mark}{quote}]+"] if beside else []
    for pattern in patterns:
        if match := _compiled(pattern).match(line, begin):
            yield match.end()
            # Words before a number, with nothing between them.
            if at_seam and not shape and match[0][0] != quote:
                yield from range(begin + 1, match.end())
    if delimiter == " " and not shape and not beside:
        free = _compiled(f"[^{quote}]*").match(line, begin)
        yield from (place for place in range(begin, free.end() + 1) if line[place : place + 1] in (" ", ""))


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern:
    return re.compile(pattern)


def _is_seam(left: str, right: str, shape: str, quote: str) -> bool:
    """Whether one of the two cells says by itself where it ends: by its shape, or by its quotes."""
    quoted = left[-1:] == quote or right[:1] == quote
    length = re.search(r"\{(\d+),(\d+)\}(?:\)\?)?$", shape)
    if left[-1:].isdigit() and right[:1].isdigit() and not (length and length[1] == length[2]):
        return False  # where one number ends and the next begins, nobody can tell
    return bool(left and right) and (quoted or shape not in ("", BLANK))


def _bare(cell: str, quote: str) -> str:
    if len(cell) > 1 and cell[0] == cell[-1] == quote:
        return cell[1:-1].replace(2 * quote, quote)
    return cell


def _written(cells: Sequence[str], layout: Layout) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=layout.delimiter, quotechar=layout.quote, lineterminator="").writerow(cells)
    return out.getvalue()
