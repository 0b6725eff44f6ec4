"""What files of all kinds become: tables, profiles, notes, or one clear sentence."""

import contextlib
import datetime
import decimal
import gzip
import re

import numpy as np
import pandas as pd
import pytest

import sandbox


@pytest.fixture
def opened(tmp_path):
    """Writes a file, opens a session on it, and returns that; closes them all in the end."""
    sessions = []

    def open_file(name, content, limits=None):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        sessions.append(sandbox.open([path], limits or sandbox.Limits()))
        return sessions[-1]

    yield open_file
    for session in sessions:
        session.close()


def only(session):
    (table,) = session.profile()
    return table


def kinds(table):
    return {column.name: column.kind for column in table.columns}


def rows(session):
    return session.run("df.astype(str).values.tolist()").stdout


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("a.csv", "name,size\nMüller,3\nAn,4\n", ""),
        ("a.csv", "\ufeffname,size\nMüller,3\nAn,4\n", ""),
        ("a.tsv", "name\tsize\nMüller\t3\nAn\t4\n", ""),
        ("a.txt", "name|size\nMüller|3\nAn|4\n", "pipe-separated"),
        ("a.CSV", "name;size\nMüller;3\nAn;4\n", "semicolon-separated"),
        (
            "a.csv",
            "name;size\nMüller;3\nAn;4\n".encode("latin-1"),
            "encoding cp1252, semicolon-separated",
        ),
        ("a.csv", "name,size\nMüller,3\nAn,4\n".encode("utf-16"), "encoding utf-16"),
        ("a.csv", "name,size\r\nMüller,3\r\nAn,4\r\n", ""),
        ("a.csv", " name , size \nMüller,3\nAn,4", ""),
        ("a.csv", "name,size\nMüller,3,\nAn,4,\n", ""),
        ("a.json", '[{"name": "Müller", "size": 3}, {"name": "An", "size": 4}]', ""),
        ("a.json", '{"name": ["Müller", "An"], "size": [3, 4]}', ""),
        (
            "a.json",
            '{"n": 2, "rows": [{"name": "Müller", "size": 3}, {"name": "An", "size": 4}]}',
            "",
        ),
        ("a.jsonl", '{"name": "Müller", "size": 3}\n\n{"name": "An", "size": 4}\n', ""),
    ],
)
def test_the_same_table_is_read_from_any_text(opened, name, content, note):
    session = opened(name, content)
    assert only(session).note == note
    assert kinds(only(session)) == {"name": "text", "size": "number"}
    assert rows(session) == "[['Müller', '3'], ['An', '4']]\n"


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1251", ["Москва", "Санкт-Петербург"]),
        ("shift_jis", ["東京都", "大阪府"]),
        ("gb18030", ["北京市", "上海市"]),
        ("cp1252", ["São Paulo", "“Zürich”"]),
    ],
)
def test_text_in_an_old_code_page_is_read(opened, encoding, words):
    session = opened("a.csv", f"city,n\n{words[0]},1\n{words[1]},2\n".encode(encoding))
    assert rows(session) == f"[['{words[0]}', '1'], ['{words[1]}', '2']]\n"


def test_numbers_with_thousands_are_numbers(opened):
    english = opened("a.csv", 'n,t\n"1,234.5","1,2"\n-7,x\n')
    assert rows(english) == "[['1234.5', '1,2'], ['-7.0', 'x']]\n"
    european = opened("b.csv", "n;t\n1.234,5;a\n-7;x\n")
    assert rows(european) == "[['1234.5', 'a'], ['-7.0', 'x']]\n"


def test_only_iso_dates_are_taken_for_dates(opened):
    session = opened(
        "a.csv",
        "day,time,us,bad\n"
        "2024-01-02,2024-01-02 10:30:00,1/2/2024,2024-02-30\n"
        ",2024-01-03T11:00,2/3/2024,2024-01-01\n",
    )
    assert kinds(only(session)) == {"day": "date", "time": "date", "us": "text", "bad": "text"}
    day, time = only(session).columns[:2]
    assert (day.missing, day.minimum, day.maximum) == (1, "2024-01-02", "2024-01-02")
    assert time.maximum == "2024-01-03 11:00:00"


def test_column_names_are_stripped_and_made_different(opened):
    session = opened("a.csv", "a, a,print,df,\n1,2,3,4,5\n")
    assert [column.name for column in only(session).columns] == [
        "a", "a.1", "print", "df", "Unnamed: 4",
    ]  # fmt: skip


def test_a_profile_tells_ranges_and_values(opened):
    content = "city,ok,n,x\n" + "".join(
        f"{'Rome' if i % 3 else 'Oslo'},{i % 2 == 0},{i},{i / 4}\n" for i in range(20)
    )
    table = only(opened("cities.csv", content + "Rome,,,\n"))
    assert (table.name, table.source, table.rows) == ("cities", "cities.csv", 21)
    city, ok, n, x = table.columns
    assert (city.kind, city.missing, city.distinct, city.values) == ("text", 0, 2, ("Rome", "Oslo"))
    assert (ok.kind, ok.missing, ok.values) == ("boolean", 1, ("True", "False"))
    assert (x.minimum, x.maximum, x.missing, x.distinct) == ("0.0", "4.75", 1, 20)
    assert len(n.values) == 3
    assert table.sample[1] == ("Rome", "False", "1.0", "0.25")


def test_many_values_are_told_by_the_three_most_frequent_in_short(opened):
    cells = ["x" * 100] * 3 + ["often"] * 2 + [f"v{i}" for i in range(20)]
    (column,) = only(opened("a.csv", "c\n" + "\n".join(cells) + "\n")).columns
    assert column.values == ("x" * 39 + "…", "often", "v0")


def test_a_preview_is_the_first_rows_as_text(opened):
    session = opened("a.csv", "n,d\n" + "".join(f"{i},2024-01-{i:02}\n" for i in range(1, 10)))
    preview = session.preview("a", rows=2)
    assert preview.columns == ("n", "d")
    assert preview.rows == (("1", "2024-01-01"), ("2", "2024-01-02"))
    with pytest.raises(sandbox.InputError, match="b is not a table; there are a"):
        session.preview("b")
    assert session.alive


@pytest.fixture
def odd(tmp_path):
    path = tmp_path / "odd.parquet"
    pd.DataFrame(
        {
            "size": pd.Categorical(["S", "L", None], categories=["L", "S"], ordered=True),
            "code": pd.Categorical([1, 2, 2]),
            "tags": [["a"], ["a", "b"], None],
            "day": [datetime.date(2024, 1, 1)] * 3,
            "price": [decimal.Decimal("1.50"), decimal.Decimal("2"), None],
            "ok": [True, None, False],
        }
    ).to_parquet(path)
    return path


def test_odd_parquet_columns_are_described_and_usable(odd):
    with sandbox.open([odd]) as session:
        assert kinds(only(session)) == {
            "size": "text",
            "code": "number",
            "tags": "other",
            "day": "date",
            "price": "number",
            "ok": "boolean",
        }
        assert only(session).columns[2].distinct == 2
        assert session.run("df['tags'].str.len().max()").stdout == "2.0\n"


def test_categories_are_plain_text_to_code(odd):
    with sandbox.open([odd]) as session:
        assert session.run("df['size'].min(), (df['size'] == 'S').sum()").stdout == "('L', 1)\n"
        assert session.run("df['size'].dtype == 'category'").stdout == "False\n"


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"a": [1, 2]}).to_excel(writer, sheet_name="Sales 2024", index=False)
        pd.DataFrame({"b": ["x"]}).to_excel(writer, sheet_name="df", index=False)
        pd.DataFrame().to_excel(writer, sheet_name="Empty", index=False)
        writer.sheets["Sales 2024"].merge_cells("C1:AA2")
    return path


def test_each_sheet_with_cells_is_a_table(book):
    with sandbox.open([book]) as session:
        named = {table.name: table.source for table in session.profile()}
        assert named == {
            "Sales_2024": "book.xlsx, sheet Sales 2024",
            "df_table": "book.xlsx, sheet df",
        }
        assert session.run("Sales_2024.a.sum(), list(tables)").stdout == ("(3, ['Sales_2024', 'df_table'])\n")
        assert session.run("df").error.kind == "NameError"


def test_a_workbooks_structure_can_be_looked_at(book):
    with sandbox.open([book]) as session:
        text = session.run("inspect_source('book.xlsx')").stdout
        assert "sheet 'Sales 2024': 3 rows, 1 columns\n  row 1: ['a']" in text
        assert "merged cells: C1:AA2" in text
        assert "sheet 'Empty': empty" in text
        assert session.run("inspect_source('df_table')").stdout == text


def test_a_workbook_of_one_sheet_is_called_by_its_file(tmp_path):
    pd.DataFrame({"a": [1]}).to_excel(tmp_path / "plan.xlsx", index=False)
    with sandbox.open([tmp_path / "plan.xlsx"]) as session:
        assert (only(session).name, only(session).source) == ("plan", "plan.xlsx")
        assert session.run("df is plan is tables['plan']").stdout == "True\n"


@pytest.mark.parametrize(
    ("name", "columns", "rows"), [("t.xlsx", 2, 2), ("t.xlsx", 1, 3), ("t.parquet", 2, 3)]
)
def test_rows_of_blanks_are_left_out_where_a_person_may_have_put_them(tmp_path, name, columns, rows):
    frame = pd.DataFrame({"a": [1, None, 3], "b": [4, None, 6]}).iloc[:, :columns]
    path = tmp_path / name
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_excel(path, index=False)
    with sandbox.open([path]) as session:
        assert only(session).rows == rows


def test_packed_text_is_read_like_plain(tmp_path):
    path = tmp_path / "sales.csv.gz"
    path.write_bytes(gzip.compress(b"region;amount\nNorth;1,5\nSouth;2,5\n"))
    with sandbox.open([path]) as session:
        table = only(session)
        assert (table.name, table.source, table.rows) == ("sales", "sales.csv.gz", 2)
        assert table.note == "semicolon-separated"
        step = session.run(f"import os; print(({table.load}).equals(df), os.listdir())")
        assert step.stdout == "True ['sales.csv.gz']\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"a,b\n" + b"1,2\n" * 2**19)[:900], "many.csv.gz cannot be unpacked: Compressed file"),
        (b"no gzip", "many.csv.gz cannot be unpacked: Not a gzipped file"),
        (gzip.compress(b"\n\n"), "many.csv.gz holds nothing but blank lines."),
        (gzip.compress(b"1,2\n" * 2**20), "many.csv.gz is too large unpacked: more than 2 MiB. Split it"),
    ],
)
def test_packed_text_that_is_none_or_too_large_is_refused(tmp_path, content, message):
    path = tmp_path / "many.csv.gz"
    path.write_bytes(content)
    with pytest.raises(sandbox.InputError, match=re.escape(message)):
        sandbox.open([path], sandbox.Limits(input_bytes=2 * 2**20))


@pytest.fixture
def plan(tmp_path):
    """A workbook as people make them: titles, groups of columns, notes on a hidden sheet."""
    path = tmp_path / "plan.xlsx"
    sheets = {
        "Costs": [
            ["Plan 2024", None, None, None],
            [None] * 4,
            [None, "first half", None, "second half"],
            ["team", "people", "cost", "people"],
            ["North", 3, 1.5, 4],
            ["South", 5, 2.5, 6],
            [None] * 4,
            ["West", 2, 0.5, 2],
            ["East", 1, 0.25, 1],
            ["Centre", 4, 2, 5],
        ],
        "Months": [
            ["team", datetime.date(2024, 1, 1), datetime.date(2024, 2, 1)],
            *[[t, 1, 2] for t in "abcde"],
        ],
        "Old": [["x"], [1]],
    }
    with pd.ExcelWriter(path) as writer:
        for name, rows in sheets.items():
            pd.DataFrame(rows).to_excel(writer, sheet_name=name, index=False, header=False)
        writer.sheets["Old"].sheet_state = "hidden"
    return path


def test_a_sheets_table_is_found_below_its_title_with_all_rows_of_names(plan):
    with sandbox.open([plan]) as session:
        costs, months, old = session.profile()
        assert [column.name for column in costs.columns] == [
            "team", "first half people", "first half cost", "second half people",
        ]  # fmt: skip
        assert costs.rows == 5 and costs.columns[1].kind == "number"
        assert costs.note == "2 rows above the table left out, 2 rows of names joined, 1 blank row left out"
        assert months.rows == 5 and months.columns[0].name == "team"  # dates above numbers are names
        assert old.note == "hidden sheet"
        step = session.run(f"print(({costs.load}).equals(Costs), ({old.load}).equals(Old))")
    assert step.stdout == "True True\n"


def test_several_files_are_several_tables(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text(f"n\n{len(folder)}\n", encoding="utf-8")
    with sandbox.open([tmp_path / "one/t.csv", tmp_path / "two/t.csv"]) as session:
        assert [table.name for table in session.profile()] == ["t", "t_2"]
        assert session.run("t.n.sum() + t_2.n.sum()").stdout == "6\n"
        assert session.run("sql('select count(*) as n from t join t_2 using (n)').n[0]").stdout == ("1\n")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv is empty (0 bytes): choose a file with a table in it."),
        ("a.csv", "\n\n  \n", "a.csv holds nothing but blank lines."),
        ("a.csv", "a,b\n", "a.csv has a header but no rows: choose a file with data in it."),
        ("a.csv", bytes(range(256)), "a.csv is not a text file: it looks like binary data."),
        ("a.csv", b"\x89PNG\r\n\x1a\n", "a.csv is not a text file: it looks like an image."),
        ("a.csv", "a,b,c,d\n1,2,3,4\n", "a.csv has 4 columns; at most 3 can be read."),
        ("a.csv", "a\n" + "1\n" * 101, "a.csv has 101 rows; at most 100 can be read."),
        ("a.json", "[1, 2]", "a.json holds no table: a list of objects is expected."),
        ("a.json", "[]", "a.json holds no columns: choose a file with a table in it."),
        ("a.doc", "x", "a.doc is not of a kind that can be read (.csv, .tsv, .txt, "),
        ("a.json", "{", "a.json cannot be read as json: Expecting property name"),
        ("a.parquet", "PAR1 no", "a.parquet cannot be read as parquet: "),
        ("a.xlsx", "PK no", "a.xlsx cannot be read as xlsx: "),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(opened, name, content, message):
    with pytest.raises(sandbox.InputError) as refusal:
        opened(name, content, sandbox.Limits(input_rows=100, input_columns=3))
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize(
    ("name", "content"), [("a.json", "{"), ("a.parquet", "PAR1 no"), ("a.xlsx", "PK no")]
)
def test_what_a_reader_cannot_make_out_says_what_to_do(opened, name, content):
    with pytest.raises(sandbox.InputError, match="may be damaged, or of another kind: save it again where"):
        opened(name, content)


def test_a_small_file_of_very_many_rows_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "bomb.parquet"
    pd.DataFrame({"n": [0]}).loc[[0] * 1_000_000].to_parquet(path, index=False)
    with pytest.raises(sandbox.InputError, match="1,000,000 rows"):
        sandbox.open([path], sandbox.Limits(input_rows=1000))


def test_a_table_that_needs_too_much_memory_is_refused(opened):
    content = "a,b\n" + "1.5,some text\n" * 2_000_000
    with pytest.raises(sandbox.InputError, match="a.csv needs more than 600 MiB of memory to be read. Leave"):
        opened("a.csv", content, sandbox.Limits(memory_bytes=600 * 2**20))


def test_a_file_that_takes_too_long_to_read_is_refused(opened):
    content = "a,b\n" + "1.5,some text\n" * 500_000
    with pytest.raises(sandbox.InputError, match="a.csv cannot be read: No end after 0.001 s") as refusal:
        opened("a.csv", content, sandbox.Limits(load_seconds=0.001))
    assert "Reading may take 4,096 MiB of memory and 0.001 s. Leave out columns" in str(refusal.value)


@pytest.mark.parametrize(("height", "width"), [(300_000, 4), (100, 1_000)])
def test_large_tables_are_read_and_described(opened, height, width):
    line = ",".join(str(i % 7) for i in range(width)) + "\n"
    header = ",".join(f"c{i}" for i in range(width)) + "\n"
    table = only(opened("big.csv", header + line * height))
    assert (table.rows, len(table.columns)) == (height, width)
    assert table.columns[3].maximum == "3"


def test_columns_of_arrays_lists_and_dictionaries_are_profiled(tmp_path):
    """As in exports of social networks; compared each with each, as many arrays would take minutes."""
    rows = 8_000
    frame = pd.DataFrame(
        {
            "mentions": [np.arange(number % 3) for number in range(rows)],
            "links": [["a"] * (number % 4) for number in range(rows)],
            "place": [{"city": number % 5} for number in range(rows)],
        }
    )
    path = tmp_path / "posts.parquet"
    frame.to_parquet(path)
    with sandbox.open([path]) as session:
        (profile,) = session.profile()
    assert [(column.kind, column.distinct) for column in profile.columns] == [
        ("other", 3),
        ("other", 4),
        ("other", 5),
    ]


@pytest.mark.parametrize(("count", "refused"), [(100, False), (101, True)])
def test_a_workbook_of_very_many_sheets_is_refused_with_their_number_and_what_to_do(tmp_path, count, refused):
    path = tmp_path / "many.xlsx"
    with pd.ExcelWriter(path) as writer:
        for number in range(count):
            pd.DataFrame({"a": [number]}).to_excel(writer, sheet_name=f"S{number}", index=False)
    told = "many.xlsx has 101 sheets; at most 100 can be read. Leave out those"
    expected = pytest.raises(sandbox.InputError, match=told) if refused else contextlib.nullcontext()
    with expected, sandbox.open([path]) as session:
        assert len(session.profile()) == count
