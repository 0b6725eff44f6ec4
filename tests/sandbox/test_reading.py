"""How a person says that files are to be read, and what of workbooks is found: merged cells, sheets."""

import openpyxl
import pytest

import sandbox
from sandbox import Reading


def read(path, *shown, **reading):
    with sandbox.open([path], reading=Reading(**reading)) as session:
        tables = session.profile()
        return tables, session.run("\n".join(f"print({code})" for code in shown)).stdout.splitlines()


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("made;by,hand\na;b,c\n1;2,x\n3;4,y\n")
    return path


def test_the_delimiter_and_the_row_of_names_are_those_that_were_said(text):
    (table,), (names, first) = read(text, "[*df.columns]", "df.iloc[0].tolist()", delimiter=";", header_row=2)
    assert (names, first) == ("['a', 'b,c']", "[1, '2,x']")
    assert table.note == "semicolon-separated, 1 row above the table left out"
    _, (names, first) = read(text, "[*df.columns]", "df.iloc[0].tolist()", delimiter=",", header_row=0)
    assert (names, first) == ("['column_1', 'column_2']", "['made;by', 'hand']")


def test_the_code_reads_as_it_was_said_too(text):
    (table,), _ = read(text, delimiter=";", header_row=2)
    with sandbox.open([text], reading=Reading(delimiter=";", header_row=2)) as session:
        assert session.run(f"print(({table.load}).equals(df))").stdout == "True\n"


def test_a_row_that_is_not_there_is_refused(text):
    with pytest.raises(sandbox.InputError, match="has no row 99 among its first: choose another"):
        read(text, header_row=99)


@pytest.fixture
def book(tmp_path):
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Sales"
    for row in (["Sales of May"], [], ["region", "shop", "sold"], *ROWS):
        sheet.append(row)
    sheet.merge_cells("A1:A2")
    sheet.merge_cells("A4:A5")
    sheet.merge_cells("A6:A8")
    other = workbook.create_sheet("Notes")
    for row in (["who", "what"], ["Ana", "x"], ["Li", None]):
        other.append(row)
    path = tmp_path / "book.xlsx"
    workbook.save(path)
    return path


ROWS = [
    ["North", "A", 1],
    [None, "B", 2],
    ["South", "C", 3],
    [None, "D", None],
    [None, "E", 5],
]


def test_cells_that_are_merged_over_rows_are_filled_and_missing_ones_are_not(book):
    (sales, _), shown = read(book, "Sales['region'].tolist()", "Sales['sold'].isna().sum()")
    assert shown == ["['North', 'North', 'South', 'South', 'South']", "1"]
    assert sales.note == "2 rows above the table left out, merged cells filled"
    with sandbox.open([book]) as session:
        assert session.run(f"print(({sales.load}).equals(Sales))").stdout == "True\n"


def test_only_the_sheet_that_was_said_is_read(book):
    tables, shown = read(book, "len(df)", sheet="Notes")
    assert len(tables) == 1 and shown == ["2"]
    with pytest.raises(sandbox.InputError, match="has no sheet May: take one of Sales, Notes"):
        read(book, sheet="May")


def test_the_row_of_names_of_a_sheet_is_the_one_that_was_said(book):
    _, (names,) = read(book, "[*df.columns]", sheet="Sales", header_row=4)
    assert names == "['North', 'A', '1']"


def test_a_row_of_names_with_nothing_below_is_refused(book):
    with pytest.raises(sandbox.InputError, match="sheet Notes, has nothing below row 50: choose another"):
        read(book, sheet="Notes", header_row=50)


def test_a_file_over_the_limit_is_refused_with_what_to_do(text):
    with pytest.raises(
        sandbox.InputError, match=r"too large: .* MiB, at most 0 MiB. Leave out columns or rows"
    ):
        sandbox.open([text], sandbox.Limits(input_bytes=10))
