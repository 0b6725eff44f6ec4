"""Reads SQLite files, inside the child: each table with rows in it, and nothing is ever written."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from sandbox import textfiles
from sandbox.found import Found
from sandbox.records import InputError, Limits

SUFFIXES = (".sqlite", ".sqlite3", ".db")
# A file that is said never to change is read without a lock, which needs files beside it.
READ_ONLY = "?mode=ro&immutable=1"
MOST_TABLES = 100


def read(path: Path, limits: Limits) -> list[Found]:
    """Returns the tables that have rows, in their order.

    Raises InputError if there is none, one is too long, or they are very many, and what sqlite3 raises.
    """
    connection = sqlite3.connect(_address(str(path)), uri=True)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    try:
        return list(_tables(path, _address(path.name), connection, limits))
    finally:
        connection.close()


def _address(name: str) -> str:
    return f"file:{name.replace('%', '%25').replace('?', '%3f').replace('#', '%23')}{READ_ONLY}"


def _tables(path: Path, address: str, connection: sqlite3.Connection, limits: Limits) -> Iterator[Found]:
    listed = _names(connection)
    if len(listed) > MOST_TABLES:
        raise InputError(
            f"{path.name} has {len(listed):,} tables; at most {MOST_TABLES} can be read. "
            "Leave out those that the question does not need."
        )
    empty = True
    for name in listed:
        query = _all_of(name)
        (rows,) = connection.execute(query.replace("*", "count(*)", 1)).fetchone()
        if rows > limits.input_rows:
            raise InputError(
                f"{path.name}, table {name}, has {rows:,} rows; at most {limits.input_rows:,} can be read."
            )
        if not rows:
            continue
        empty = False
        load = f"pd.read_sql_query({query!r}, sqlite3.connect({address!r}, uri=True))"
        frame, load = textfiles.dated(pd.read_sql_query(query, connection), load)
        yield Found(name, frame, load)
    if empty:
        raise InputError(f"{path.name} has no table with rows in it.")


def _names(connection: sqlite3.Connection) -> list[str]:
    """The tables that are to be read, in their order.

    Views would compute whatever their author thought of, and tables of modules need the module. Those for
    full-text search are read if they hold their text themselves; the tables in which they and R-trees keep
    it (https://www.sqlite.org/vtab.html#xshadowname) are no one's.
    """
    kinds = {name: kind for _, name, kind, *_ in connection.execute("pragma table_list")}
    listed = connection.execute(
        "select name, sql like 'create virtual %' from sqlite_master where type = 'table' "
        "and name not like 'sqlite\\_%' escape '\\' order by rowid"
    ).fetchall()
    own = [(name, virtual) for name, virtual in listed if kinds.get(name) != "shadow"]
    return [name for name, virtual in own if not virtual or _is_text(name, kinds, connection)]


def _all_of(name: str) -> str:
    return 'select * from "{}"'.format(name.replace('"', '""'))


def _is_text(name: str, kinds: dict[str, str], connection: sqlite3.Connection) -> bool:
    """Whether a module's table holds text that can be read here: there may be no such tokenizer."""
    if kinds.get(f"{name}_content") != "shadow":
        return False
    try:
        connection.execute(f"{_all_of(name)} limit 1").fetchall()
    except sqlite3.OperationalError:
        return False
    return True
