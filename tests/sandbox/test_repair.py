"""Lines of a text file that do not fit: which are mended, and that nothing else is."""

import csv
import gzip
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sandbox
from sandbox import layouts, repair

ROWS = [
    [f"{day:02d}/03/2018", f"{9 + day % 10}:15", f"XY-{4000 + day}", "A vest" + day % 3 * ", warm", "wool"]
    for day in range(1, 25)
]
NAMES = ["day", "time", "code", "about", "stuff"]


def written(rows, quote='"', delimiter=","):
    """Every description in quotes, as exports have it."""
    lines = []
    for row in rows:
        cells = [quote + cell + quote if place == 3 else cell for place, cell in enumerate(row)]
        lines.append(delimiter.join(cells))
    return lines


def text_of(lines):
    return "\n".join([",".join(NAMES), *lines]) + "\n"


def mended(text):
    return repair.mend(text, layouts.of(text.splitlines()[:200], ","))


def rows_of(result):
    layout = result.layout
    return list(csv.reader(io.StringIO(result.text), delimiter=layout.delimiter, quotechar=layout.quote))[1:]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('"08/03/2018,17:15,XY-4008,"A vest, warm, warm",wool', ['"08/03/2018', *ROWS[7][1:]]),
        ('08/03/2018,"17:15,XY-4008,"A vest, warm, warm",wool', [ROWS[7][0], '"17:15', *ROWS[7][2:]]),
        (
            '08/03/2018,17:15,""XY-4008","A vest, warm, warm",wool',
            [*ROWS[7][:2], '"XY-4008', *ROWS[7][3:]],
        ),
        ('08/03/2018,17:15,XY-4008,"A 6" vest, warm",wool', [*ROWS[7][:3], 'A 6" vest, warm', "wool"]),
        ('08/03/2018,17:15,XY-4008,"A "warm", vest",wool', None),  # two ways to read it
        ('08/03/201817:15,XY-4008,"A vest, warm, warm",wool', ROWS[7]),
        ('08/03/2018,17:15XY-4008,"A vest, warm, warm",wool', ROWS[7]),
        ('08/03/2018,17:15,XY-4008"A vest, warm, warm",wool', ROWS[7]),
        ('08/03/2018,17:15,XY-4008,"A vest, warm, warm"wool', ROWS[7]),
        ('08/03/2018 17:15 XY-4008 "A vest, warm, warm" wool', ROWS[7]),
        ('08/03/2018;17:15;XY-4008;"A vest, warm, warm";wool', ROWS[7]),
        ("08/03/2018\t17:15\tXY-4008\tA vest, warm, warm\twool", ROWS[7]),
        ("08/03/2018,17:15,XY-4008", None),
        ("Total,24", None),
        ("", None),
    ],
)
def test_a_line_that_can_be_read_in_one_way_is_mended(line, cells):
    lines = written(ROWS)
    result = mended(text_of([*lines[:7], line, *lines[8:]]))
    if cells is None:
        assert result is None
    else:
        assert rows_of(result) == [*ROWS[:7], cells, *ROWS[8:]]
        assert result.note == "1 line with a stray quote or delimiter"


def test_lines_behind_a_quote_without_end_are_not_swallowed(tmp_path, monkeypatch):
    lines = written(ROWS)
    lines[5] = lines[5].replace("09", '"09', 1).replace("06/03", '"06/03')
    frame, table = opened(tmp_path / "vests.csv", text_of(lines), monkeypatch)
    assert len(frame) == len(ROWS) and table.note == "1 line with a stray quote or delimiter"
    assert frame["code"].tolist() == [row[2] for row in ROWS]


def test_quotes_within_quotes_are_kept_in_every_line(tmp_path, monkeypatch):
    rows = [[*row[:3], f'Men\'s "warm" vest, {row[2]}', *row[4:]] for row in ROWS]
    frame, table = opened(tmp_path / "vests.csv", text_of(written(rows, quote="'")), monkeypatch)
    assert table.note == "quotes within quotes"
    assert frame["about"].tolist() == [row[3] for row in rows]


def test_a_quote_behind_a_backslash_is_a_quote(tmp_path, monkeypatch):
    lines = written(ROWS)
    lines[5] = lines[5].replace("A vest", r"A 6\" vest in C:\temp")
    lines[9] = lines[9].replace("A vest", r"A 7\" vest")
    frame, _ = opened(tmp_path / "vests.csv", text_of(lines), monkeypatch)
    assert frame["about"][5] == r'A 6" vest in C:\temp'
    assert frame["about"][9] == 'A 7" vest, warm'


def test_a_backslash_behind_a_backslash_is_one(tmp_path, monkeypatch):
    lines = written(ROWS)
    lines[5] = lines[5].replace("A vest", r"A 6\" vest in C:\\dir")
    lines[9] = lines[9].replace("A vest, warm", r"C:\\dir\\")
    frame, table = opened(tmp_path / "vests.csv", text_of(lines), monkeypatch)
    assert frame["about"][5] == r'A 6" vest in C:\dir' and frame["about"][9] == r"C:\dir\\"[:-1]
    assert table.note == ""


@pytest.mark.timeout(30)
def test_a_large_file_of_which_no_line_fits_takes_no_time():
    many = ["1,2"] * 30_000 + ['a","b'] * 10_000
    repair.mend("a,b\n" + "\n".join(many), layouts.Layout(","))
    repair.mend("a,b,c\n" + "\n".join([',"a' * 20_000] * 30 + ["1,2,3"] * 50), layouts.Layout(","))


def test_a_packed_file_is_mended_too(tmp_path, monkeypatch):
    lines = written(ROWS)
    lines[3] = lines[3].replace(",", "", 1)
    packed = gzip.compress(text_of(lines).encode())
    frame, table = opened(tmp_path / "vests.csv.gz", packed, monkeypatch)
    assert frame["time"][3] == ROWS[3][1] and "gzip.open('vests.csv.gz', 'rt'" in table.load


def test_a_cell_of_many_lines_is_left_as_it_is(tmp_path, monkeypatch):
    rows = [[*row[:3], 'one\n"two"\n\nthree, four', row[4]] for row in ROWS]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([NAMES, *rows, ["25/03/2018", "9:15"]])
    assert mended(out.getvalue()) is None
    frame, _ = opened(tmp_path / "vests.csv", out.getvalue(), monkeypatch)
    assert frame["about"].tolist()[:-1] == [row[3] for row in rows]


def test_two_numbers_that_ran_together_are_left():
    rows = [f"{number},{number + 3},{number % 7}" for number in range(5, 60)]
    assert mended("a,b,c\n" + "\n".join([*rows, "1,234"]) + "\n") is None


def test_very_many_lines_that_do_not_fit_are_left_to_the_reader():
    lines = [line.replace(",", "", 1) for line in written(ROWS)]
    assert mended(text_of([*written(ROWS) * 3, *lines])) is None


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=12)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=2, max_size=8), st.sampled_from(",;\t|"))
def test_a_text_that_fits_is_never_changed(rows, delimiter):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    assert repair.mend(out.getvalue(), layouts.Layout(delimiter)) is None


@given(st.text('ab1,;" \n\t', max_size=300), st.sampled_from(",; \t"))
def test_any_text_is_mended_or_left_and_the_code_gives_what_was_read(text, delimiter):
    result = repair.mend(text, layouts.Layout(delimiter))
    if result is not None:
        assert eval(f"{result.before}text{result.after}", {"re": re, "text": text}) == result.text


@pytest.mark.timeout(20)
def test_lines_that_fit_nowhere_take_no_time():
    many = [[f"word {place}", *["a, b"] * 40] for place in range(30)]
    whole = ['"' + '","'.join(row) + '"' for row in many]
    hard = [line.replace('b"', 'b" c"', 39) + ',"' for line in whole[:9]]
    mended("\n".join([*whole, *hard]))
    lines = ['"' * 1999 + "," * 1999, '1,"' * 1300, "a" * 3999, "a " * 1999, '" ' * 1999]
    mended(text_of([*written(ROWS), *lines]))


def opened(path, content, monkeypatch):
    """The table as the code in its profile reads it, outside, and the profile; inside it is the same."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with sandbox.open([path]) as session:
        (table,) = session.profile()
        inside = session.run("print(df.to_json())")
    monkeypatch.chdir(path.parent)
    known = {"pd": pd, "np": np, "io": io, "re": re, "gzip": gzip, "json": json}
    frame = eval(table.load, known)
    assert json.loads(frame.to_json()) == json.loads(inside.stdout)
    return frame, table
