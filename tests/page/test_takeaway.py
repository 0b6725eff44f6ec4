"""What is taken home: the files, and that no cell of a table is a formula in a spreadsheet."""

import csv
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from agent import Episode, EpisodeLimits
from page import takeaway
from sandbox import Execution


def png(colour):
    out = io.BytesIO()
    Image.new("RGB", (4, 3), colour).save(out, "PNG")
    return out.getvalue()


def trajectory(*figures):
    episode = Episode("How many?", (), EpisodeLimits())
    step = episode.receive("```python\nprint(3)\n```")
    episode.observe(Execution(step.code, stdout="3\n", figures=figures))
    return episode.trajectory()


def test_there_is_a_notebook_a_script_and_a_report_and_no_more_than_there_is(tmp_path):
    written = takeaway.write(tmp_path, trajectory(), (), None)
    assert [*written] == ["notebook", "script", "report"]
    assert all("print(3)" in path.read_text() for path in written.values())


def test_one_figure_is_a_picture_and_several_are_packed(tmp_path):
    written = takeaway.write(tmp_path, trajectory(png("red")), (), None)
    assert Image.open(written["figures"]).size == (4, 3)
    written = takeaway.write(tmp_path, trajectory(png("red"), b"no picture", png("blue")), (), None)
    assert zipfile.ZipFile(written["figures"]).namelist() == ["figure-1.png", "figure-2.png"]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", '=HYPERLINK("x")']
)
def test_a_formula_is_text(cell, tmp_path):
    out = io.StringIO()
    csv.writer(out).writerow([cell, "-5", "+3.5e2", "a-b", ""])
    written = takeaway.write(tmp_path, trajectory(), (), out.getvalue().encode())
    (row,) = csv.reader(written["table"].open(encoding="utf-8-sig", newline=""))
    assert row == [f"'{cell}", "-5", "+3.5e2", "a-b", ""]


def test_a_formula_behind_a_semicolon_stands_in_quotes():
    assert takeaway.without_formulas("a\nx;=1+1\n") == '"a"\n"x;=1+1"\n'


def test_a_cell_that_is_longer_than_any_should_be_costs_the_table_alone(tmp_path):
    table = b"a\n" + b"x" * 200_000 + b"\n"
    assert [*takeaway.write(tmp_path, trajectory(), (), table)] == ["notebook", "script", "report"]


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=1, max_size=3), max_size=4))
def test_no_cell_of_any_table_begins_a_formula(rows):
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    for row in csv.reader(io.StringIO(takeaway.without_formulas(out.getvalue()), newline="")):
        for cell in row:
            assert not cell.startswith(("=", "@", "\t", "\r"))
            assert not cell.startswith(("+", "-")) or float(cell) is not None
