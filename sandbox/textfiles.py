"""Reads delimited text, inside the child: finds encoding, delimiter, numbers and dates."""

import codecs
import csv
import itertools
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from sandbox.records import InputError

SUFFIXES = (".csv", ".tsv", ".txt")
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
HEAD_BYTES = 64 * 1024
SAMPLE_LINES = 50
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


def read(path: Path, most_columns: int) -> tuple[pd.DataFrame, str, str]:
    """Returns the table, a note of what was found to be unusual ("" if nothing), and code to load it.

    Raises InputError if it is no text or too wide, and what pandas raises.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    encoding = _encoding(path, head)
    lines = head.decode(encoding, "replace").splitlines()[:SAMPLE_LINES]
    if not any(line.strip() for line in lines):
        raise InputError(f"{path.name} holds nothing but blank lines.")
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    delimiter = _delimiter(lines, usual)
    width = max(line.count(delimiter) for line in lines) + 1
    if width > most_columns:
        raise InputError(f"{path.name} has {width:,} columns; at most {most_columns:,} can be read.")
    frame, load, skipped = _read_csv(path, encoding, delimiter)
    as_read = frame.dtypes
    for number, dtype in enumerate(as_read):
        if dtype == "str":
            frame.isetitem(number, _typed(frame.iloc[:, number], delimiter == ";"))
    load += _typing(as_read, frame, delimiter == ";")
    notes = [] if encoding in ("utf-8", "utf-8-sig") else [f"encoding {encoding}"]
    notes += [] if delimiter == usual else [f"{DELIMITERS[delimiter]}-separated"]
    notes += [f"{skipped} malformed lines skipped"] if skipped else []
    return frame, ", ".join(notes), load


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
        # It has a character for every byte.
        return "latin-1"
    return encoding


def _is_western(odd: bytes) -> bool:
    # "Müller" has one odd letter among plain ones; a Russian or Chinese word has no plain ones.
    words = b"".join(ODD_WORD.findall(odd))
    return sum(byte >= 0x80 for byte in words) < len(words) / 2


def _guessed(odd: bytes) -> str:
    # Imported here: few files need it, and it is not part of the warm process.
    from charset_normalizer import from_bytes

    best = from_bytes(odd, cp_isolation=CODE_PAGES).best()
    return best.encoding if best else "cp1252"


def _delimiter(lines: list[str], usual: str) -> str:
    def score(delimiter: str) -> tuple[float, int, bool]:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if row)
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        return (count / widths.total() if width > 1 else 0.0, width, delimiter == usual)

    return max(DELIMITERS, key=score)


def _read_csv(path: Path, encoding: str, delimiter: str) -> tuple[pd.DataFrame, str, int]:
    """Returns the table as pandas reads it, the code that does so, and how many lines were skipped."""
    options = {"sep": delimiter, "encoding": encoding, "low_memory": False}
    skipped = 0
    try:
        frame = pd.read_csv(path, **options)
    except pd.errors.ParserError:
        options["on_bad_lines"] = "skip"
        frame = pd.read_csv(path, **options)
        with path.open(encoding=encoding, newline="") as file:
            records = sum(1 for row in csv.reader(file, delimiter=delimiter) if row)
        skipped = max(0, records - 1 - len(frame))
    if frame.index.equals(pd.RangeIndex(len(frame))):
        return frame, _code(path, options), skipped
    # Rows are longer than the header: each ends in a delimiter, or starts with a row name.
    if len(frame) and frame.iloc[:, -1].isna().all():
        options["index_col"] = False
        return pd.read_csv(path, **options), _code(path, options), skipped
    return frame.reset_index(), f"{_code(path, options)}.reset_index()", skipped


def _code(path: Path, options: dict[str, object]) -> str:
    usual = {"sep": ",", "encoding": "utf-8"}
    if path.stat().st_size < PIECE_BYTES:
        usual["low_memory"] = False
    said = [f"{key}={value!r}" for key, value in options.items() if usual.get(key, ...) != value]
    return f"pd.read_csv({', '.join([repr(path.name), *said])})"


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
