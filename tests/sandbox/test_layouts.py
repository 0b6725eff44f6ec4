"""Where a table begins in a text file, how its cells are told apart, and what names its columns."""

import csv
import io
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sandbox
from sandbox import layouts
from sandbox.layouts import Layout

BODY = "North,12,3.5\nSouth,9,1.25\nWest,30,0.5\nEast,7,2.0\nCentre,18,4.75\n"
WORDS = st.from_regex(r"[a-z]{3,9}", fullmatch=True)


def found(text, usual=","):
    return layouts.of(text.splitlines(), usual)


@pytest.mark.parametrize(
    ("above", "skip"),
    [("", 0), ("Sales by region\n", 1), ("Sales,,\n,,\n", 2), ("Sales 2024\nall figures in EUR\n\n", 3)],
)
def test_a_title_is_above_the_table_and_no_part_of_it(above, skip):
    assert found(f"{above}region,orders,weight\n{BODY}") == Layout(",", skip=skip)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_cells_are_told_apart_by_what_gives_every_row_as_many(delimiter):
    text = f"region,orders,weight\n{BODY}".replace(",", delimiter)
    assert found(text).delimiter == delimiter


def test_words_with_spaces_between_them_are_no_cells():
    assert found("name\nNew York\nLos Angeles\nSan Francisco\n").delimiter == ","


def test_a_table_of_numbers_without_names_gets_some():
    layout = found("1,12,3.5\n2,9,1.25\n3,30,0.5\n4,7,2.0\n5,18,4.75\n")
    assert (layout.name_rows, layout.names) == (0, ("column_1", "column_2", "column_3"))


def test_years_as_names_above_numbers_are_data_only_without_a_word_among_them():
    years = "region,2023,2024\n" + BODY
    assert found(years).name_rows == 1


def test_names_in_two_rows_are_joined_and_a_group_holds_until_the_next():
    text = f",sales,,cost\nregion,orders,weight,total\n{BODY.replace(chr(10), ',8' + chr(10))}"
    layout = found(text)
    assert layout.names == ("region", "sales orders", "sales weight", "cost total")
    assert layout.name_rows == 2


def test_units_below_names_are_more_of_the_names():
    text = "region,orders,weight\n,pieces,kg\n" + BODY
    assert found(text).names == ("region", "orders pieces", "weight kg")


@pytest.mark.parametrize("row", ["East,few,3.5", ",n/a,3.5", ",n/a,-", ",12,3.5", ",,"])
def test_a_first_row_that_is_no_row_of_units_is_data(row):
    assert found(f"region,orders,weight\n{row}\n{BODY}").names == ()


def test_words_above_words_are_no_units():
    text = "region,orders,who\n,pieces,names\n" + BODY.replace(".", "").replace("5\n", "5 x\n")
    assert found(text).names == ()
    numbered = "".join(f"{number},{number * 3}\n" for number in range(9))
    assert found(f"number,orders\nnone of ours,pieces\n{numbered}").names == ()


def test_parts_of_a_group_are_found_below_a_blank_row():
    text = "day,travel,,,cost\n,,,,\n,air,rail,bus,\n1 May,£7,,,7\n2 May,,£8,,8\n"
    assert found(text) == Layout(
        ",", name_rows=3, names=("day", "travel air", "travel rail", "travel bus", "cost")
    )


@pytest.mark.parametrize(
    "row", [",air,,bus,", ",air,rail,bus,6", "1 May,air,rail,bus,", ",air,,,", ",,rail,bus,"]
)
def test_a_row_below_a_blank_one_that_names_no_parts_is_data(row):
    assert found(f"day,travel,,,cost\n,,,,\n{row}\n1 May,£7,,,7\n2 May,,£8,,8\n").names == ()


def test_names_of_parts_stand_below_names_and_not_in_the_first_column():
    data = "1 May,£7,,,7\n2 May,,£8,,8\n"
    assert found(f"day,travel,,,cost\n1 May,£7,,,7\n,air,rail,bus,\n{data}").names == ()
    assert found("travel,,,day,cost\n,,,,\nair,rail,bus,,\n£7,,,1 May,7\n,£8,,2 May,8\n").names == ()


def test_a_blank_last_cell_of_each_row_is_no_reason_to_move_the_names(tmp_path):
    file = tmp_path / "runs.csv"
    file.write_text('problem,limit\ngk06,1440,"\n"\ngk07,1440," "\n')
    with sandbox.open([file]) as session:
        (table,) = session.profile()
        step = session.run(f"print(({table.load}).equals(df)); print(df['problem'].tolist())")
    assert step.stdout == "True\n['gk06', 'gk07']\n"


def test_rows_of_a_form_are_data_and_what_stands_above_them_names_the_first_column():
    rows = "Table 1,who came\nTable 2,who left\nTable 3,who stayed\nTable 4,who asked\n"
    assert found(f"All tables\n\nSource\n{rows}").skip == 2
    assert found(f"All tables\n\n{rows}").skip == 2
    others = rows.replace("Table 1", "No.").replace("Table 3", "other")
    assert found(f"All tables\n\nSource\n{others}").skip == 3


def test_names_that_are_repeated_are_said_once():
    assert found(f"region,orders,weight\nregion,orders,weight\n{BODY}").names == (
        "region",
        "orders",
        "weight",
    )


def test_other_quotes_and_marks_before_a_quote_are_found():
    assert found("'a, b','c'\n'd','e'\n'f','g'\n'h','i'\n").quote == "'"
    assert found('name,size\n"18\\" pipe",3\n"24\\" pipe",4\n').escape == "\\"
    assert found('name,size\n"18"" pipe",3\n"24"" pipe",4\n').escape == ""
    assert found('name, size\n"a, b", 3\nc, "4"\n').spaced


@given(
    names=st.lists(WORDS, min_size=3, max_size=6, unique=True),
    rows=st.lists(st.integers(0, 10**6), min_size=4, max_size=30),
    title=st.lists(WORDS, max_size=3),
    delimiter=st.sampled_from(",;\t|"),
)
def test_whatever_the_table_its_names_are_found_below_its_title(names, rows, title, delimiter):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([[line] for line in title])
    writer.writerow(names)
    writer.writerows([row + place for place in range(len(names))] for row in rows)
    assert found(text.getvalue()) == Layout(delimiter, skip=len(title))


@given(st.text(max_size=300))
def test_any_text_has_a_layout(text):
    if any(line.strip() for line in text.splitlines()):
        layouts.of(text.splitlines(), ",")


def test_what_is_read_is_what_the_code_in_the_card_reads(tmp_path):
    file = tmp_path / "sales.csv"
    file.write_text(f"Sales,,\n,,\nregion,orders,weight\n{BODY},,\nNorth,,1,2\n")
    with sandbox.open([file]) as session:
        (table,) = session.profile()
        assert table.note == (
            "2 rows above the table left out, 1 row with too many cells shortened, 1 blank row left out"
        )
        step = session.run(f"print(({table.load}).equals(df)); print(df.shape, df['region'].tolist()[-1])")
    assert step.stdout.splitlines() == ["True", "(6, 3) North"]


def test_names_that_come_again_are_left_out_and_others_begin_another_table(tmp_path):
    file = tmp_path / "sales.csv"
    names, fewer = "region,orders,weight", "region,orders"
    others = BODY.replace(",1", ",2")
    file.write_text(f"{names}\n{BODY}{names}\n{others}{fewer}\nNorth,4\nSouth,5\n")
    with sandbox.open([file]) as session:
        first, second = session.profile()
        assert (first.name, first.source, first.rows) == ("sales_part_1", "sales.csv, part 1", 10)
        assert first.note == "1 more row of names left out" and first.columns[1].kind == "number"
        assert (second.name, second.rows, len(second.columns)) == ("sales_part_2", 2, 2)
        step = session.run(
            f"print(({first.load}).equals(sales_part_1), ({second.load}).equals(sales_part_2))"
        )
    assert step.stdout == "True True\n"


def test_dashes_that_a_wrong_conversion_made_control_characters_are_readable_again(tmp_path):
    file = tmp_path / "trips.csv"
    file.write_text("days,place\n7 \x96 8 Feb,Cos d\x92Estournel\n9 Feb,Oslo\n", encoding="utf-8")
    with sandbox.open([file]) as session:
        (table,) = session.profile()
        step = session.run(f"print(({table.load}).equals(df)); print(df.iloc[0].tolist())")
    assert step.stdout == "True\n['7 – 8 Feb', 'Cos d’Estournel']\n"


def test_a_line_of_quotes_without_end_takes_no_time(tmp_path):
    layouts.of(["'," * 30_000, '"' * 60_000, "1" * 60_000 + "x"], ",")


def test_the_command_line_tells_how_a_file_is_read(tmp_path):
    file = tmp_path / "sales.csv"
    file.write_text(f"Sales by region\nregion;orders;weight\n{BODY}".replace(",", ";"))

    def read(*words):
        command = [sys.executable, "-m", "sandbox", "read", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    (table,) = json.loads(read(file, "--json").stdout)
    assert (table["rows"], [column["name"] for column in table["columns"]]) == (
        5,
        ["region", "orders", "weight"],
    )
    assert "semicolon-separated, 1 row above the table left out" in read(file).stdout
    refused = read(tmp_path / "none.csv")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "error: none.csv does not exist: check the path.\n"
