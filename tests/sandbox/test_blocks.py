"""Several tables in one file, one below the other, and the notes below them."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sandbox
from sandbox import blocks

NAMES = "region,orders,weight"
BODY = "North,12,3.5\nSouth,9,1.25\nWest,30,0.5\n"
OTHERS = "East,7,2.0\nCentre,18,4.75\n"


def of(text, skip=0):
    return blocks.of([[*map(str.strip, row)] for row in csv.reader(io.StringIO(text))], skip, 1)


@pytest.fixture
def read(tmp_path):
    """The tables of a text, each with what the code in its card reads checked against it."""

    def tables_of(text, name="sales.csv"):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        with sandbox.open([file]) as session:
            tables = session.profile()
            names = ["df"] if len(tables) == 1 else [table.name for table in tables]
            for table, own in zip(tables, names, strict=True):
                step = session.run(f"print(({table.load}).equals({own}))")
                assert step.stdout == "True\n", step.error or table.load
            shown = [session.run(f"print({own}.to_csv(index=False), end='')").stdout for own in names]
        return [(table, text) for table, text in zip(tables, shown, strict=True)]

    return tables_of


def test_a_table_below_another_is_called_by_its_title_and_is_one_of_its_own(read):
    (meals, first), (trips, second) = read(
        "Meals,,\nminister,date,guest\nAda,Oct-14,Bo\nAda,Nov-14,Cy\n,,\n"
        "Trips,,\nminister,to,cost\nAda,Rome,20\nBob,Oslo,\n"
    )
    assert (meals.name, meals.source) == ("sales_Meals", "sales.csv, table Meals")
    assert (trips.name, trips.source) == ("sales_Trips", "sales.csv, table Trips")
    assert trips.note == "1 row above the table left out"
    assert first == "minister,date,guest\nAda,Oct-14,Bo\nAda,Nov-14,Cy\n"
    assert second == "minister,to,cost\nAda,Rome,20.0\nBob,Oslo,\n"


def test_words_above_numbers_below_a_blank_row_name_another_table(read):
    tables = read(f"{NAMES}\n{BODY}\nproduct,price\napple,2\npear,3\n")
    assert [table.name for table, _ in tables] == ["sales_part_1", "sales_part_2"]
    assert tables[1][1] == "product,price\napple,2\npear,3\n"


@pytest.mark.parametrize(
    "below",
    [
        "Total,n/a,unknown\nEast,7,2.0\nCentre,18,4.75\n",  # what is missing is no name
        "sum,sum,sum\nEast,7,2.0\nCentre,18,4.75\n",
        "East,7,2.0\nCentre,18,4.75\n",
        ",pieces,kg\nEast,7,2.0\nCentre,18,4.75\n",
        "name,town,\nAda,Rome,\nBo,Oslo,\n",  # words above words may be anything
        "product,price,\napple,2,\n",
    ],
)
def test_a_row_below_a_blank_one_that_names_nothing_is_a_row_of_the_table(below):
    assert [block.rows for block in of(f"{NAMES}\n{BODY},,\n{below}")] == [None]


def test_a_list_of_pairs_in_parts_is_one_table():
    pairs = "turnout,a.org\nages,b.org\n"
    assert len(of(f"North,\n{pairs},\nSouth,\n{pairs.replace('.', '2.')}", skip=1)) == 1


def test_words_above_numbers_directly_below_a_row_are_a_row_of_the_table():
    assert len(of(f"{NAMES}\n{BODY}product,price,\napple,2,\npear,3,\n")) == 1


def test_parts_below_other_titles_are_one_table_that_keeps_the_titles(read):
    ((table, text),) = read(f"Spring,,\n{NAMES}\n{BODY},,\nSummer,,\n{NAMES}\n{OTHERS}")
    assert text.splitlines() == [
        f"{NAMES},title above",
        *(f"{row},Spring" for row in ("North,12,3.5", "South,9,1.25", "West,30,0.5")),
        *(f"{row},Summer" for row in ("East,7,2.0", "Centre,18,4.75")),
    ]
    assert table.note == "1 row above the table left out, 2 parts with titles, in 'title above'"


def test_names_in_several_rows_that_come_again_are_left_out(read):
    names = "region,amount,\n,orders,weight\n"
    ((table, text),) = read(f"{names}{BODY * 3}{names}{OTHERS * 3}")
    assert text == f"region,amount orders,amount weight\n{BODY * 3}{OTHERS * 3}"
    assert table.note == "2 rows of names joined"


def test_a_table_below_another_has_its_own_rows_of_names(read):
    body = BODY.replace("\n", ",4\n")
    _, (second, text) = read(f"{NAMES}\n{BODY},,\nregion,amount,,cost\n,orders,weight,total\n{body * 3}")
    assert text == f"region,amount orders,amount weight,cost total\n{body * 3}"
    assert second.note == "2 rows of names joined"


def test_rows_of_names_further_down_are_none_of_a_table_below_another():
    below = "place,amount,,cost,,\n,count,sum,count,sum,\nEast,7,8,9,1,\nWest,7,8,9,1,\nMid,7,8,9,1,\n"
    found = of(f"{NAMES}\n{BODY}region,orders\n{below}")
    assert [(block.name_rows, block.names) for block in found] == [(1, ()), (1, ())]


def test_a_first_table_of_names_alone_is_not_divided():
    rows = [
        ["region", "amount"],
        ["", "orders"],
        ["", ""],
        ["product", "price"],
        ["apple", "2"],
        ["pear", "3"],
    ]
    assert [block.rows for block in blocks.of(rows, 0, 2, ("region", "amount orders"))] == [None]


def test_tables_below_equal_titles_are_numbered(read):
    tables = read(f"Shop,,\n{NAMES}\n{BODY},,\nShop,,\nproduct,price,\napple,2,\npear,3,\n")
    assert [table.name for table, _ in tables] == ["sales_part_1", "sales_part_2"]


def test_a_last_row_of_one_cell_is_no_title_of_what_follows_below_it(read):
    ((_, text),) = read(f"Spring,,\n{NAMES}\n{BODY}Sum,,\n,,\nSummer,,\n{NAMES}\n{OTHERS}")
    assert "Sum,,,Spring\n" in text


def test_names_below_which_there_is_nothing_are_no_part(read):
    ((_, text),) = read(f"Spring,,\n{NAMES}\n{BODY},,\nSummer,,\n{NAMES}\n{OTHERS},,\nAutumn,,\n{NAMES}\n")
    assert (text.count("Spring"), text.count("Summer"), text.count(NAMES)) == (3, 3, 1)
    assert "Autumn,,,Summer\n" in text


def test_a_part_with_the_rows_of_the_one_above_is_not_counted_twice(read):
    (first, _), (second, again) = read(f"{NAMES}\n{BODY * 4}{NAMES}\n{BODY * 4}")
    assert (first.rows, second.rows) == (12, 12)
    assert (first.note, second.note) == ("", "a copy of the table above")
    assert again == f"{NAMES}\n{BODY * 4}"


def test_a_part_that_has_some_rows_of_the_one_above_goes_on(read):
    ((table, _),) = read(f"{NAMES}\n{BODY}{NAMES}\n{BODY}{OTHERS}")
    assert (table.rows, table.note) == (8, "1 more row of names left out")


@pytest.mark.parametrize(
    ("below", "told"),
    [
        ("Source: the shops.\n", "a note below the table left out: 'Source: the shops.'"),
        (
            ",,\nSource: the shops.,,\nNote: in kg,,\n",
            "2 notes below the table left out: 'Source: the shops.'",
        ),
        ("\n* provisional figures\n", "a note below the table left out: '* provisional figures'"),
        (",,\n(1) without returns,,\n,,\n", "a note below the table left out: '(1) without returns'"),
    ],
)
def test_a_note_below_a_table_is_told_and_no_row_of_it(read, below, told):
    ((table, text),) = read(f"{NAMES}\n{BODY}{below}")
    assert text == f"{NAMES}\n{BODY}"
    assert table.note.startswith(told)
    assert [column.kind for column in table.columns[1:]] == ["number", "number"]


@pytest.mark.parametrize(
    "last", ["* provisional figures,,", "Source: the shops.,1,", "Source:,,", "Sum,,", ",Note: x,"]
)
def test_a_row_that_may_be_one_of_the_table_is_kept(read, last):
    ((table, _),) = read(f"{NAMES}\n{BODY}{last}\n")
    assert (table.rows, table.note) == (4, "")
    assert [block.notes for block in of(f"{NAMES}\n{BODY}{last}\n")] == [()]


def test_a_last_row_that_may_be_a_note_is_kept_and_told(read):
    ((table, text),) = read(f"{NAMES}\n{BODY}\nAll sums are in euros\n")
    assert text.endswith("All sums are in euros,,\n")
    assert table.note == "the last row may be a note: 'All sums are in euros'"


def test_what_stands_above_a_note_and_is_none_is_kept(read):
    ((table, text),) = read(f"{NAMES}\n{BODY}\nAll sums are in euros\n* provisional figures\n")
    assert text.endswith("All sums are in euros,,\n")
    assert table.note == "a note below the table left out: '* provisional figures'"


@pytest.mark.parametrize("last", ["Total,51,5.25\n", ",,\nGrand total,51,\n", ",,\n,Sum,5.25\n,,\n"])
def test_a_last_row_that_may_be_a_total_is_kept_and_told(read, read_sheet, last):
    ((table, text),) = read(f"{NAMES}\n{BODY}{last}")
    name = next(word for word in ("Total", "Grand total", "Sum") if word in last)
    assert table.note.startswith(f"the last row may be a total: {name!r}") and name in text
    ((table, text),) = read_sheet(f"{NAMES}\n{BODY}{last}")
    assert table.note.startswith(f"the last row may be a total: {name!r}") and name in text


@pytest.mark.parametrize("last", ["Totally,51,5.25", "East,51,5.25", "Total,,", "Summer,1,2"])
def test_other_last_rows_are_no_total(last):
    assert [block.total for block in of(f"{NAMES}\n{BODY},,\n{last}\n")] == [""]
    assert [block.total for block in of(f"{NAMES}\n{BODY}Total,1,2\n{last}\n")] == [""]


def test_a_total_has_several_rows_above_it():
    assert [block.total for block in of(f"{NAMES}\nNorth,12,3.5\n,,\nTotal,12,3.5\n")] == [""]


def test_a_last_row_of_one_cell_among_two_is_plain():
    assert [block.unsure for block in of("region,orders\nNorth,1\nSouth,2\n,\nSum of all,\n")] == [""]
    assert [block.unsure for block in of(f"{NAMES}\n{BODY},,\nSum,,\n")] == [""]
    assert [block.unsure for block in of(f"{NAMES}\n{BODY}Sum of all,,\n")] == [""]


def test_a_long_note_is_told_in_part(read):
    ((table, _),) = read(f"{NAMES}\n{BODY}Source: {'very ' * 30}long\n")
    assert len(table.note) < 110 and table.note.endswith("…'")


def test_rows_with_too_many_cells_are_mended_in_each_table(read):
    (first, text), (second, other) = read(
        f"{NAMES}\n{BODY}\n\nNorth,,1,2\n\nPrices\nproduct,price\napple,2\nplum,4\n\n\npear,,,3\n"
    )
    assert text == f"{NAMES}\n{BODY}North,1,2.0\n" and other == "product,price\napple,2\nplum,4\npear,3\n"
    assert first.note == "1 row with too many cells shortened"
    assert second.note == "1 row above the table left out, 1 row with too many cells shortened"


def test_very_many_parts_are_left_to_the_reader(read):
    ((table, _),) = read(f"{NAMES}\n{BODY},,\nproduct,price,\napple,2,\npear,3,\n" + f"{NAMES}\n{BODY}" * 100)
    assert table.rows == 306
    titled = f"{NAMES}\n{BODY},,\nSummer,,\n"
    assert [len(block.parts) for block in of(titled * 100 + f"{NAMES}\n{OTHERS}")] == [0]


@pytest.fixture
def read_sheet(tmp_path):
    """The tables of a sheet with these rows, of a workbook with another one."""

    def tables_of(text, other="a,b\n1,2\n"):
        file = tmp_path / "book.xlsx"
        with pd.ExcelWriter(file) as book:
            for name, sheet in (("Sales", text), ("Other", other)):
                rows = [[_typed(cell) for cell in row] for row in csv.reader(io.StringIO(sheet))]
                pd.DataFrame(rows).to_excel(book, sheet_name=name, header=False, index=False)
        with sandbox.open([file]) as session:
            found = [table for table in session.profile() if table.name != "Other"]
            for table in found:
                step = session.run(f"print(({table.load}).equals({table.name}))")
                assert step.stdout == "True\n", step.error or table.load
            return [
                (table, session.run(f"print({table.name}.to_csv(index=False), end='')").stdout)
                for table in found
            ]

    return tables_of


def _typed(cell):
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell


def test_tables_below_each_other_in_a_sheet_are_told_apart(read_sheet):
    (sales, _), (prices, text) = read_sheet(
        f"{NAMES}\n{BODY},,\nPrices,,\nproduct,price,\napple,2,\npear,3,\n"
    )
    assert (sales.name, sales.rows) == ("Sales_part_1", 3)
    assert (prices.name, prices.source) == ("Sales_Prices", "book.xlsx, sheet Sales Prices")
    assert [column.kind for column in prices.columns[:2]] == ["text", "number"]
    assert text.startswith("product,price,") and text.count("\n") == 3


def test_parts_of_a_sheet_below_other_titles_are_one_table_that_keeps_the_titles(read_sheet):
    ((table, text),) = read_sheet(
        f"Spring,,\n{NAMES}\n{BODY},,\nSummer,,\n{NAMES}\n{OTHERS},,\nSource: the shops.,,\n"
    )
    assert (table.rows, text.count(",Spring\n"), text.count(",Summer\n")) == (5, 3, 2)
    assert "East,7,2.0,Summer\n" in text and table.columns[1].kind == "number"


def test_a_note_below_the_table_of_a_sheet_is_told_and_no_row_of_it(read_sheet):
    ((table, text),) = read_sheet(f"{NAMES}\n{BODY}Source: the shops.,,\n")
    assert (table.name, table.rows) == ("Sales", 3) and "Source" not in text
    assert table.note == "a note below the table left out: 'Source: the shops.'"


ROWS = st.lists(
    st.one_of(
        st.just([]),
        st.just(["", "", ""]),
        st.just(["name", "size", "age"]),
        st.just(["name", "size"]),
        st.lists(st.sampled_from(["", "a", "b", "7", "2.5", "Note: x"]), min_size=3, max_size=3),
    ),
    max_size=14,
)


@given(ROWS)
def test_every_row_of_two_cells_is_in_one_table(rows):
    rows = [["name", "size", "age"], ["x", "1", "2"], *rows]
    used = []
    found = blocks.of(rows, 0, 1)
    for block in found:
        begin = block.skip + block.name_rows
        used += range(block.skip, begin)
        places = [place for place in range(begin, len(rows)) if rows[place] and place not in block.aside]
        used += places[: block.rows]
        used += [place for place in block.aside if rows[place] == rows[block.skip]]
    assert len(used) == len({*used})
    told = {text for block in found for text in (block.title, *block.notes)}
    kept = {place for place, row in enumerate(rows) if sum(map(bool, row)) == 1 and not {*row} & told}
    assert kept <= {*used} or any(block.above > 1 for block in found) or any(block.parts for block in found)
    data = [place for place, row in enumerate(rows) if sum(map(bool, row)) > 1]
    assert {*data} <= {*used}
