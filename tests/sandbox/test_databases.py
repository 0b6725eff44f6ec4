"""SQLite files: their tables are read, nothing of them is run, and nothing is written."""

import hashlib
import sqlite3

import pandas as pd
import pytest

import sandbox


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop #1 100%.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            '''create table customers (id text, name text, since text);
            insert into customers values ('007', 'Ana', '2024-01-02'), ('008', 'Li', '2024-03-04 10:00:00');
            create table "order ""lines""" (customer text, price real, paid integer);
            insert into "order ""lines""" values ('007', 1.5, 1), ('007', null, 0);
            create table unused (a);
            create view doubled as select price * 2 from "order ""lines""";'''
        )
    connection.close()
    return path


def test_every_table_with_rows_is_read_and_views_are_not(shop):
    before = hashlib.sha256(shop.read_bytes()).digest()
    with sandbox.open([shop]) as session:
        customers, lines = session.profile()
        assert customers.source == "shop #1 100%.sqlite, table customers"
        assert [column.kind for column in customers.columns] == ["text", "text", "date"]
        assert (lines.name, lines.rows) == ("order_lines", 2) and lines.columns[1].missing == 1
        assert session.run("print(customers['id'].tolist())").stdout == "['007', '008']\n"
    assert hashlib.sha256(shop.read_bytes()).digest() == before
    assert [path.name for path in shop.parent.iterdir()] == [shop.name]


def test_the_code_in_the_card_reads_the_same_outside(shop, monkeypatch):
    with sandbox.open([shop]) as session:
        tables = session.profile()
        inside = [session.run(f"print({table.name}.to_json())").stdout.strip() for table in tables]
    monkeypatch.chdir(shop.parent)
    outside = [eval(table.load, {"pd": pd, "sqlite3": sqlite3}).to_json() for table in tables]
    assert outside == inside


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("create table a (b);", "has no table with rows in it"),
        (
            "create view a as with recursive n(i) as (select 1 union all select 2 from n) select i from n;",
            "has no",
        ),
        ("".join(f"create table t{i} (a);" for i in range(101)), "has 101 tables; at most 100 can be read"),
    ],
)
def test_a_database_without_a_table_to_read_is_refused_in_words(tmp_path, script, reason):
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
    connection.close()
    with pytest.raises(sandbox.InputError, match=reason):
        sandbox.open([path])


def test_a_table_that_is_too_long_is_refused_before_it_is_read(shop):
    with pytest.raises(sandbox.InputError, match=r"table customers, has 2 rows; at most 1 can be read"):
        sandbox.open([shop], sandbox.Limits(input_rows=1))


def test_columns_that_the_database_computes_are_read(tmp_path):
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """create table sold
            (n integer, price real, total as (n * price), label text as ('no ' || n) stored);
            insert into sold (n, price) values (2, 1.5), (3, 2);"""
        )
    connection.close()
    with sandbox.open([path]) as session:
        (table,) = session.profile()
        assert [column.name for column in table.columns] == ["n", "price", "total", "label"]
        code = "print(df['total'].tolist(), df['label'].tolist())"
        assert session.run(code).stdout == "[3.0, 6.0] ['no 2', 'no 3']\n"


@pytest.fixture
def searched(tmp_path):
    """A database with tables of modules: for full-text search, an R-tree, and of one that is not here."""
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            '''create table docs_mine (a); insert into docs_mine values (1);
            create virtual table docs using fts5 (title, body); insert into docs values ('Oslo', 'cold');
            create virtual table "old ""docs""" using fts4 (body); insert into "old ""docs""" values ('warm');
            create virtual table mine using fts5 (a, content = 'docs_mine');
            insert into mine (mine) values ('rebuild');
            create virtual table places using rtree (id, low, high); insert into places values (1, 2, 3);
            pragma writable_schema = 1;
            insert into sqlite_master
            select 'table', 'odd', 'odd', 0, 'CREATE VIRTUAL TABLE odd USING odd9(a)';
            insert into sqlite_master
            select 'table', 'icu', 'icu', 0, 'CREATE VIRTUAL TABLE icu USING fts5(a, tokenize="icu9")';
            create table icu_content (id integer primary key, c0); insert into icu_content values (1, 'x');'''
        )
    connection.close()
    return path


def test_of_tables_of_modules_those_that_hold_text_are_read_and_what_is_behind_them_is_not(searched):
    with sandbox.open([searched]) as session:
        tables = session.profile()
        assert [table.source for table in tables] == [
            "a.db, table docs_mine",
            "a.db, table docs",
            'a.db, table old "docs"',
        ]
        assert session.run("print(docs.iloc[0].to_dict())").stdout == "{'title': 'Oslo', 'body': 'cold'}\n"


def test_odd_names_and_odd_bytes_are_read(tmp_path, monkeypatch):
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "create table t (self text, b text); insert into t values ('2024-01-02', 'x');"
        )
        connection.execute("insert into t values ('2024-01-03', cast(x'E9' as text))")
    connection.close()
    with sandbox.open([path]) as session:
        (table,) = session.profile()
        assert table.columns[0].kind == "date"
        assert session.run("print(df['b'].tolist())").stdout == "['x', '\ufffd']\n"


def test_what_is_no_database_is_refused(tmp_path):
    path = tmp_path / "a.sqlite"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(sandbox.InputError, match="cannot be read as sqlite: file is not a database"):
        sandbox.open([path])
