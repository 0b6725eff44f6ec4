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
    address = f"file:{path.name.replace('%', '%25').replace('?', '%3f').replace('#', '%23')}{READ_ONLY}"
    connection = sqlite3.connect(address, uri=True)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    try:
        return list(_tables(path, address, connection, limits))
    finally:
        connection.close()


def _tables(path: Path, address: str, connection: sqlite3.Connection, limits: Limits) -> Iterator[Found]:
    # Views would compute whatever their author thought of, and tables of modules need the module.
    listed = connection.execute(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\' "
        "and sql not like 'create virtual %' order by rowid"
    ).fetchall()
    if len(listed) > MOST_TABLES:
        raise InputError(f"{path.name} has {len(listed):,} tables; at most {MOST_TABLES} can be read.")
    empty = True
    for (name,) in listed:
        query = 'select * from "{}"'.format(name.replace('"', '""'))
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
