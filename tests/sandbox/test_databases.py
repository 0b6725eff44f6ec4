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
