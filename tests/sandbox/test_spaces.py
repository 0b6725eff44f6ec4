"""Text whose cells are told apart by spaces, with one column whose words have spaces between them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sandbox
from sandbox import spaces

LOG = [
    "date time level message",
    "2024-01-02 10:00:01 INFO ready",
    "2024-01-02 10:00:02 INFO took the file",
    '2024-01-02 10:00:07 WARN 3 rows, two of them "odd"',
    "2024-01-03 09:10:00 INFO closed",
    "2024-01-03 09:12:00 INFO ready",
    "2024-01-03 09:12:05 INFO took the other file",
    "2024-01-03 09:13:00 WARN slow: 12 s",
    "2024-01-03 09:14:00 INFO closed",
    "2024-01-03 09:14:00 INFO all done",
    "2024-01-03 09:15:00 INFO off",
]
SALES = [
    'day qty code product "note" extra',
    '1/2/2024 2 AB-123 Garden Chair "for two, in oak" ',
    '1/2/2024 1 AB-124 Lamp "small" ',
    '2/2/2024 4 CD-001 Long Wooden Table "seats ten" ',
    '3/2/2024 1 CD-002 "Table, Round 4"" " "" ',
    '3/2/2024 1 CD-003 Stool "" ',
    '4/2/2024 7 CD-004 Bar Stool "high" ',
]


@pytest.fixture
def read(tmp_path):
    def table_of(lines, name="file.txt", **reading):
        file = tmp_path / name
        file.write_text("\n".join(lines) + "\n")
        with sandbox.open([file], reading=sandbox.Reading(**reading)) as session:
            (table,) = session.profile()
            code = f"import io, re\nprint(({table.load}).equals(df))\nprint(df.to_json(orient='split'))"
            same, _, text = session.run(code).stdout.partition("\n")
        assert same == "True"
        return table, json.loads(text)

    return table_of


def test_the_words_of_a_message_at_the_end_are_one_cell(read):
    table, found = read(LOG)
    assert table.note == "space-separated, words of 'message' put together"
    assert found["columns"] == ["date", "time", "level", "message"]
    assert [row[3] for row in found["data"]][1:3] == ["took the file", '3 rows, two of them "odd"']


def test_the_words_of_a_column_in_the_middle_are_one_cell(read):
    table, found = read(SALES)
    assert [row[3] for row in found["data"]] == [
        "Garden Chair", "Lamp", "Long Wooden Table", 'Table, Round 4" ', "Stool", "Bar Stool",
    ]  # fmt: skip
    assert [row[4] for row in found["data"]][:2] == ["for two, in oak", "small"]


@pytest.mark.parametrize(
    "lines",
    [
        LOG[:5],  # too few to tell
        [*LOG, "trace", "of it"],
        ["The report of the day", *["it was a fine day, and they all went out"] * 9],
        [line.replace(" ", ",", 3) for line in LOG],
        ["date time level, message", *LOG[1:]],
        ["date time date message", *LOG[1:]],
        ["2024-01-01 10:00:00 INFO start", *LOG[1:]],
        ["date time level message", *[line[:23].strip() + " x" for line in LOG[1:]]],  # no column is free
        ["level who message", *[f"INFO {'ab'[n % 2]} went to {n}" for n in range(10)]],  # words alone
    ],
)
def test_other_text_has_no_free_column(lines):
    assert spaces.free_column(lines) is None


def test_a_delimiter_that_was_said_is_kept(read):
    table, _ = read(LOG, delimiter=",")
    assert "put together" not in table.note


@given(st.lists(st.text(alphabet='ab1 ",;', max_size=30), max_size=12))
def test_any_text_has_a_free_column_or_none_and_keeps_every_letter(lines):
    if free := spaces.free_column(lines):
        text = "\n".join(lines)
        assert [*free.put_together(text).replace('"', "")] == [*text.replace('"', "")]


def test_a_line_of_spaces_and_quotes_without_end_takes_no_time():
    free = spaces.FreeColumn("message", 3, 9)
    for line in ('a "' * 20_000, " " * 60_000, '"" ' * 20_000, "x y " * 15_000):
        assert free.put_together(line)
