"""Reads delimited text, inside the child: finds encoding, delimiter, numbers and dates."""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from sandbox import blocks, layouts, repair, spaces
from sandbox.blocks import Block
from sandbox.found import Found
from sandbox.layouts import DELIMITERS, Layout
from sandbox.records import InputError, Reading

SUFFIXES = (".csv", ".tsv", ".txt")
HEAD_BYTES = 64 * 1024
SAMPLE_LINES = 200
# Of larger files rows are not looked at one by one.
MENDED_BYTES = 4 * 2**20
# Where Unicode has controls, which nobody writes, Windows has dashes and quotes.
CONTROLS = re.compile("[\x80-\x9f]")
SAMPLE_CELLS = 100
# pandas reads files of some 2**20 cells in pieces, and a column may change its type from one to the next.
PIECE_BYTES = 2**20
MAGIC = {
    b"PK\x03\x04": "an Excel workbook (.xlsx) or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"PAR1": "a parquet file (.parquet)",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"\x1f\x8b": "a gzip archive",
}
# On the few odd bytes of a table of names a free guess is often some rare code page.
CODE_PAGES = ["cp1252", "cp1251", "cp1253", "shift_jis", "gb18030", "big5", "euc_kr"]
ODD_WORD = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
ISO_DATE = r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
POINT_NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
COMMA_NUMBER = r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?"


@dataclass(frozen=True)
class Source:
    """Where the text of a file comes from: the file itself, or its text with lines mended.

    Attributes:
        text: None for the file itself.
        before, after: Code around that which reads the file, as in `repair.Mended`.
    """

    path: Path
    encoding: str
    text: str | None = None
    before: str = ""
    after: str = ""

    def read(self) -> str:
        return self.path.read_text(self.encoding, errors="replace") if self.text is None else self.text

    @property
    def for_pandas(self) -> Path | io.StringIO:
        return self.path if self.text is None else io.StringIO(self.text)

    @property
    def code(self) -> str:
        if self.text is None:
            return repr(self.path.name)
        errors = ", errors='replace'" if self.encoding == "cp1252" else ""
        opened = f"open({self.path.name!r}, encoding={self.encoding!r}{errors}).read()"
        return f"io.StringIO({self.before}{opened}{self.after})"


def read(path: Path, most_columns: int, reading: Reading = Reading()) -> list[Found]:  # noqa: B008 (frozen)
    """Returns the file's table, or its tables where the names of the columns come again further down.

    Raises InputError if it is no text or too wide, and what pandas raises.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    encoding = _encoding(path, head)
    text = head.decode(encoding, "replace")
    lines = text.splitlines()[:SAMPLE_LINES]
    if not any(line.strip() for line in lines):
        raise InputError(f"{path.name} holds nothing but blank lines.")
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    source, free = _with_free_column(Source(path, encoding), lines, reading)
    lines = free.put_together("\n".join(lines)).split("\n") if free else lines
    layout = layouts.of(lines, usual, " " if free else reading.delimiter, reading.header_row)
    if layout.skip >= len(lines):
        raise InputError(f"{path.name} has no row {reading.header_row:,} among its first: choose another.")
    width = max(line.count(layout.delimiter) for line in lines) + 1
    if width > most_columns:
        raise InputError(f"{path.name} has {width:,} columns; at most {most_columns:,} can be read.")
    repaired = ""
    if path.stat().st_size <= MENDED_BYTES and (mended := repair.mend(source.read(), layout)):
        layout, repaired = mended.layout, mended.note
        around = {"before": mended.before + source.before, "after": source.after + mended.after}
        source = replace(source, text=mended.text, **around)
    notes = [] if encoding in ("utf-8", "utf-8-sig") else [f"encoding {encoding}"]
    named = DELIMITERS.get(layout.delimiter, repr(layout.delimiter))
    notes += [] if layout.delimiter == usual else [f"{named}-separated"]
    notes += [f"words of {free.name!r} put together"] if free else []
    notes += [repaired] if repaired else []
    found = _blocks(source, layout)
    return [
        _part(source, layout, block, name, notes, text)
        for block, name in zip(found, blocks.named(found), strict=True)
    ]


def _with_free_column(
    source: Source, lines: list[str], reading: Reading
) -> tuple[Source, spaces.FreeColumn | None]:
    """The text with the words of one column put together, where spaces tell the others apart."""
    small = source.path.stat().st_size <= MENDED_BYTES
    if not small or reading.delimiter not in ("", " ") or not (free := spaces.free_column(lines)):
        return source, None
    return replace(source, text=free.put_together(source.read()), before=free.code, after=")"), free


def _part(source: Source, layout: Layout, block: Block, name: str, notes: list[str], text: str) -> Found:
    here = replace(layout, skip=block.skip, name_rows=block.name_rows, names=block.names)
    frame, load, unfit = _read_csv(source, here, block)
    frame, load, again = _without_names(frame, load)
    frame, load = _readable(frame, load, text)
    frame, load = _all_typed(frame, load, layout.delimiter == ";")
    frame, load, column = blocks.with_titles(frame, load, block)
    told = [*layouts.told(block.above, block.name_rows), unfit, again, *blocks.told(block, column)]
    return Found(name, frame, load, ", ".join(filter(None, [*notes, *told])))


def _blocks(source: Source, layout: Layout) -> list[Block]:
    """The tables of the file; a large one's rows are not looked at."""
    whole = [Block(layout.skip, layout.name_rows, layout.names, above=layout.skip)]
    if not layout.name_rows or source.path.stat().st_size > MENDED_BYTES:
        return whole
    text = source.read()
    dialect = {"delimiter": layout.delimiter, "quotechar": layout.quote, "skipinitialspace": layout.spaced}
    records = csv.reader(io.StringIO(text, newline=""), **dialect)
    try:
        head = [*itertools.islice(records, layout.skip + 1)]
        if len(head) <= layout.skip or not blocks.maybe_several(text, head[-1], layout.delimiter):
            return whole
        rows = [[cell.strip() for cell in row] for row in itertools.chain(head, records)]
    except csv.Error:  # a cell that is longer than any should be
        return whole
    return blocks.of(rows, layout.skip, layout.name_rows, layout.names)


def _without_names(frame: pd.DataFrame, load: str) -> tuple[pd.DataFrame, str, str]:
    """Returns the table without rows that only name its columns again, code for it, and a note of them."""
    first = frame.columns[0]
    if frame[first].dtype != "str" or not (again := frame[first] == first).any():
        return frame, load, ""
    again &= (frame == frame.columns).all(axis=1)
    if not again.any() or again.all():
        return frame, load, ""
    count = int(again.sum())
    kept = frame[~again].reset_index(drop=True)
    load += ".pipe(lambda t: t[~(t == t.columns).all(axis=1)].reset_index(drop=True))"
    return kept, load, f"{count} more row{'s' * (count != 1)} of names left out"


def _readable(frame: pd.DataFrame, load: str, text: str) -> tuple[pd.DataFrame, str]:
    """Returns the table with the dashes and quotes that a wrong conversion has made control characters."""
    if not CONTROLS.search(text):
        return frame, load
    change = str.maketrans(
        {chr(code): bytes([code]).decode("cp1252", "ignore") for code in range(0x80, 0xA0)}
    )
    texts = [number for number, dtype in enumerate(frame.dtypes) if dtype == "str"]
    for number in texts:
        frame.isetitem(number, frame.iloc[:, number].str.translate(change))
    frame.columns = [str(name).translate(change) for name in frame.columns]
    controls = "str.maketrans({chr(n): bytes([n]).decode('cp1252', 'ignore') for n in range(128, 160)})"
    return frame, (
        f"{load}.rename(columns=lambda c: c.translate({controls}))"
        f".pipe(lambda t: t.assign(**{{c: t[c].str.translate({controls}) for c in t.select_dtypes('str')}}))"
    )


def _all_typed(frame: pd.DataFrame, load: str, decimal_comma: bool) -> tuple[pd.DataFrame, str]:
    """Returns the table with dates and numbers where its text is all of such, and the code for it."""
    as_read = frame.dtypes
    for number, dtype in enumerate(as_read):
        if dtype == "str":
            frame.isetitem(number, _typed(frame.iloc[:, number], decimal_comma))
    return frame, load + _typing(as_read, frame, decimal_comma)


def dated(frame: pd.DataFrame, load: str) -> tuple[pd.DataFrame, str]:
    """Returns the table with dates where its text is all of such, and the code for it."""
    texts = [name for name, dtype in frame.dtypes.items() if dtype == "str"]
    dates = [name for name in texts if _all_match(frame[name], ISO_DATE)]
    made = {name: pd.to_datetime(frame[name], format="ISO8601", errors="coerce") for name in dates}
    dates = [name for name in dates if made[name].isna().sum() == frame[name].isna().sum()]
    for name in dates:
        frame[name] = made[name]
    return frame, load + in_columns(dates, "pd.to_datetime(t[c], format='ISO8601')")


def _encoding(path: Path, head: bytes) -> str:
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    kind = next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "")
    if kind or b"\0" in head:
        raise InputError(f"{path.name} is not a text file: it looks like {kind or 'binary data'}.")
    return "utf-8" if _is_utf8(path) else _code_page(path)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(2**22):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _code_page(path: Path) -> str:
    with path.open("rb") as file:
        odd = b"".join(itertools.islice((line for line in file if not line.isascii()), 200))
    encoding = "cp1252" if _is_western(odd) else _guessed(odd)
    try:
        path.read_bytes().decode(encoding)
    except UnicodeDecodeError:
        if encoding == "cp1252":
            return encoding  # but for a few bytes that it has no character for
        # It has a character for every byte.
        return "latin-1"
    return encoding


def _is_western(odd: bytes) -> bool:
    # "Müller" has one odd letter among plain ones; a Russian or Chinese word has no plain ones.
    # A lone odd byte is a dash or the like.
    words = b"".join(word for word in ODD_WORD.findall(odd) if len(word) > 1)
    return sum(byte >= 0x80 for byte in words) <= len(words) / 2


def _guessed(odd: bytes) -> str:
    # Imported here: few files need it, and it is not part of the warm process.
    from charset_normalizer import from_bytes

    best = from_bytes(odd, cp_isolation=CODE_PAGES).best()
    return best.encoding if best else "cp1252"


def _read_csv(source: Source, layout: Layout, block: Block) -> tuple[pd.DataFrame, str, str]:
    """Returns the table as pandas reads it, the code that does so, and a note of rows that did not fit."""
    options, note = _options(source, layout), ""
    if block.rows is not None:
        options["nrows"] = block.rows
    if block.aside:
        above = options.get("skiprows", 0)
        options["skiprows"] = [*range(above), *block.aside]
    try:
        frame = pd.read_csv(source.for_pandas, **options)
    except pd.errors.ParserError:
        frame, options, note = _shortened(source, options, layout, block)
    code = _code(source, options)
    if not frame.index.equals(pd.RangeIndex(len(frame))):
        # Rows are longer than the header: each ends in a delimiter, or starts with a row name.
        if len(frame) and _is_blank(frame.iloc[:, -1]):
            options["index_col"] = False
            frame, code = pd.read_csv(source.for_pandas, **options), _code(source, options)
        else:
            frame, code = frame.reset_index(), f"{code}.reset_index()"
    return frame, code, note


def _is_blank(column: pd.Series) -> bool:
    values = column.dropna()
    return values.empty or (values.dtype == "str" and not values.str.strip().any())


def _shortened(
    source: Source, options: dict[str, object], layout: Layout, block: Block
) -> tuple[pd.DataFrame, dict[str, object], str]:
    """The table where rows have more cells than names: without their empty ones, or else without the rest.

    A large file's are left out, as the reader that can mend rows is slow.
    """
    width = len(layout.names) or len(pd.read_csv(source.for_pandas, **options | {"nrows": 0}).columns)
    with (
        io.StringIO(source.text)
        if source.text
        else source.path.open(encoding=source.encoding, errors="replace", newline="") as file
    ):
        rows = csv.reader(file, delimiter=layout.delimiter, quotechar=layout.quote)
        last = None if block.lines is None else layout.skip + block.name_rows + block.lines
        count = _count(len(row) > width for row in itertools.islice(rows, layout.skip, last))
    told = f"{count} row{'s' * (count != 1)} with too many cells"
    if source.path.stat().st_size > MENDED_BYTES:
        options = options | {"on_bad_lines": "skip"}
        return pd.read_csv(source.for_pandas, **options), options, f"{told} left out"
    mending = Code(f"lambda r: ([c for c in r if c.strip()] + [''] * {width})[:{width}]")
    options = {name: value for name, value in options.items() if name != "low_memory"}
    options |= {"engine": "python", "index_col": False, "on_bad_lines": mending}
    if block.lines is not None:  # this reader counts blank ones, too, and not those that it skips
        options["nrows"] = block.lines - len(block.aside)
    frame = pd.read_csv(source.for_pandas, **options | {"on_bad_lines": _without_empty(width)})
    return frame, options, f"{told} shortened"


def _count(found: Iterator[bool]) -> int:
    try:
        return sum(found)
    except csv.Error:
        return 0


def _without_empty(width: int) -> Callable[[list[str]], list[str]]:
    return lambda row: ([cell for cell in row if cell.strip()] + [""] * width)[:width]


class Code(str):
    """An option's value that is code, to be written as it is."""

    def __repr__(self) -> str:
        return str(self)


def _options(source: Source, layout: Layout) -> dict[str, object]:
    """The layout as pd.read_csv takes it."""
    options: dict[str, object] = {"sep": layout.delimiter, "low_memory": False}
    if source.text is None:
        options["encoding"] = source.encoding
        if source.encoding == "cp1252":
            options["encoding_errors"] = "replace"
    if layout.quote != '"':
        options["quotechar"] = layout.quote
    if layout.escape:
        options |= {"escapechar": layout.escape, "doublequote": False}
    if layout.spaced:
        options["skipinitialspace"] = True
    if layout.names:
        options |= {"header": None, "names": layouts.different(layout.names)}
    if lines := layout.skip + (layout.name_rows if layout.names else 0):
        options["skiprows"] = lines
    return options


def _code(source: Source, options: dict[str, object]) -> str:
    usual = {"sep": ",", "encoding": "utf-8"}
    if source.path.stat().st_size < PIECE_BYTES:
        usual["low_memory"] = False
    said = [f"{key}={value!r}" for key, value in options.items() if usual.get(key, ...) != value]
    return f"pd.read_csv({', '.join([source.code, *said])})"


def _typing(as_read: pd.Series, frame: pd.DataFrame, decimal_comma: bool) -> str:
    """Returns the code, to be put behind `_code`'s, that does what `_typed` did to some columns."""
    typed = [name for name, dtype in as_read.items() if dtype == "str" and frame[name].dtype != "str"]
    dates = [name for name in typed if frame[name].dtype.kind == "M"]
    numbers = [name for name in typed if name not in dates]
    changes = [(".", ""), (",", ".")] if decimal_comma else [(",", "")]
    plain = "t[c]" + "".join(f".str.replace({old!r}, {new!r})" for old, new in changes)
    to_dates = in_columns(dates, "pd.to_datetime(t[c], format='ISO8601')")
    return to_dates + in_columns(numbers, f"pd.to_numeric({plain})")


def in_columns(names: list[str], change: str) -> str:
    """Returns code, to be put behind a table's, that makes `change` of each column `t[c]`; "" for none."""
    if "self" in names:  # which `assign` takes for itself
        return f".pipe(lambda t: pd.DataFrame({{**t, **{{c: {change} for c in {names!r}}}}}))"
    return f".pipe(lambda t: t.assign(**{{c: {change} for c in {names!r}}}))" if names else ""


def _typed(column: pd.Series, decimal_comma: bool) -> pd.Series:
    if _all_match(column, ISO_DATE):
        try:
            return pd.to_datetime(column, format="ISO8601")
        except ValueError:
            return column
    if _all_match(column, COMMA_NUMBER if decimal_comma else POINT_NUMBER):
        if decimal_comma:
            column = column.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        return pd.to_numeric(column.str.replace(",", "", regex=False))
    return column


def _all_match(column: pd.Series, pattern: str) -> bool:
    cells = column.dropna()
    # Most columns of text are told from a few cells.
    few = cells.iloc[:SAMPLE_CELLS].str.fullmatch(pattern)
    return len(few) > 0 and bool(few.all()) and bool(cells.str.fullmatch(pattern).all())
