"""The guard against benchmark tables, however they are shuffled and stored."""

import json
import random
import sqlite3
from contextlib import closing

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import leaks


def frame(rows=30):
    return pd.DataFrame(
        {
            "Name": [f"Person {i}, Jr." for i in range(rows)],
            "Score": [None if i == 3 else i * 1.1 for i in range(rows)],
            "Count": [i * 1000 for i in range(rows)],
            "Born": pd.to_datetime([f"20{i % 20:02}-05-{i % 28 + 1:02}" for i in range(rows)]),
            "Member": [i % 3 == 0 for i in range(rows)],
        }
    )


def shuffled(table, seed=1):
    columns = random.Random(seed).sample(list(table.columns), table.shape[1])
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)[columns]


FORMATS = {
    "csv": lambda table, path: table.to_csv(path, index=False),
    "parquet": lambda table, path: table.to_parquet(path),
    "json": lambda table, path: table.to_json(path, orient="records", date_format="iso"),
    "xlsx": lambda table, path: table.to_excel(path, index=False),
}


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Makes a list of benchmark tables of its own."""

    def made(*paths):
        path = tmp_path / "list.json"
        path.write_text(json.dumps({"a-benchmark": leaks.benchmark_digests(paths)}))
        monkeypatch.setattr(leaks, "LIST", path)
        leaks._listed.cache_clear()

    yield made
    leaks._listed.cache_clear()


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_benchmarks_table_is_refused_by_name_in_any_order_and_format(tmp_path, listed, suffix):
    original, copy = tmp_path / "original.parquet", tmp_path / f"copy.{suffix}"
    frame().to_parquet(original)
    FORMATS[suffix](shuffled(frame()).rename(columns=str.upper), copy)
    listed(original)
    with pytest.raises(leaks.LeakError, match=rf"copy.{suffix} holds a table that a-benchmark tests on"):
        leaks.allowed(copy)


def test_a_benchmarks_table_is_found_in_a_database(tmp_path, listed):
    table = frame().drop(columns="Member")  # SQLite makes numbers of truth values
    original, copy = tmp_path / "original.csv", tmp_path / "copy 50%?.sqlite"
    table.to_csv(original, index=False)
    with closing(sqlite3.connect(copy)) as connection:
        pd.DataFrame({"x": [1]}).to_sql("another", connection, index=False)
        shuffled(table).to_sql("copied", connection, index=False)
    listed(original)
    with pytest.raises(leaks.LeakError, match="holds a table that a-benchmark tests on"):
        leaks.allowed(copy)


def test_the_first_rows_of_a_listed_table_and_a_table_that_begins_with_a_listed_one_are_refused(
    tmp_path, listed
):
    whole, first = tmp_path / "whole.csv", tmp_path / "first.csv"
    frame().to_csv(whole, index=False)
    frame().head(leaks.FIRST_ROWS).to_csv(first, index=False)
    for known, other in ((whole, first), (first, whole)):
        listed(known)
        with pytest.raises(leaks.LeakError):
            leaks.allowed(other)
    assert leaks.related(whole) & leaks.related(first)


def test_another_table_is_allowed_and_its_digest_is_given(tmp_path, listed):
    known, other = tmp_path / "known.csv", tmp_path / "other.csv"
    frame().to_csv(known, index=False)
    frame().assign(Count=7).to_csv(other, index=False)
    listed(known)
    assert leaks.allowed(other) == leaks.digests(other) != leaks.digests(known)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), min_size=2, max_size=8),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_and_columns_never_counts_and_every_value_does(rows, chance):
    table = pd.DataFrame(rows, columns=["x", "y", "z"])
    digest = leaks.table_digest(table)
    assert leaks.table_digest(shuffled(table, chance.randrange(100))) == digest
    changed = table.copy()
    changed.loc[chance.randrange(len(table)), "y"] = 9
    assert leaks.table_digest(changed) != digest


def test_the_same_columns_put_together_in_another_way_are_another_table():
    left = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert leaks.table_digest(left) != leaks.table_digest(left.assign(b=["y", "x"]))
    halves = pd.DataFrame({"a": [1, 1, 0, 0], "b": [1, 1, 0, 0]})
    assert leaks.table_digest(halves) != leaks.table_digest(halves.assign(b=[1, 0, 1, 0]))


def test_the_list_that_is_shipped_holds_digests_only_of_the_benchmarks_that_the_module_says_it_covers():
    held = json.loads(leaks.LIST.read_text())
    assert held.keys() == {"databench-lite", "wtq", "dsbench"}
    assert len(held["databench-lite"]) == 8
    assert all(len(digest) == 64 and int(digest, 16) for of_it in held.values() for digest in of_it)


def test_benchmarks_that_are_not_there_keep_their_place_in_the_list(tmp_path):
    path = tmp_path / "list.json"
    path.write_text('{"gone": ["0a"], "wtq": ["0b"]}')
    (tmp_path / "wtq").mkdir()
    (tmp_path / "wtq" / "t.csv").write_text("a,b\n1,2\n")
    problem = {"id": "1", "question": "?", "tables": ["t.csv"], "answer": "1", "answer_type": "number"}
    (tmp_path / "wtq" / "dev.jsonl").write_text(json.dumps(problem))
    (tmp_path / "mentor-hard.jsonl").write_text(json.dumps(problem | {"tables": ["wtq/t.csv"]}))
    held = leaks.add_benchmarks(tmp_path, path)
    assert held == json.loads(path.read_text()) and held["gone"] == ["0a"]
    assert held["wtq"] == list(leaks.digests(tmp_path / "wtq" / "t.csv"))
    assert "mentor-hard" not in held  # its tables are those of training


def test_digests_that_were_kept_are_not_worked_out_again_unless_the_file_has_changed(tmp_path, monkeypatch):
    path, kept = tmp_path / "t.csv", tmp_path / "kept.json"
    monkeypatch.setattr(leaks, "_known", {})
    frame().to_csv(path, index=False)
    before = leaks.digests(path)
    leaks.remember(kept)

    def again():
        monkeypatch.setattr(leaks, "_known", {})
        leaks._digests.cache_clear()
        leaks.recall(kept)
        return leaks.digests(path)

    frame(31).to_csv(path, index=False)
    assert again() == leaks.digests(path) != before
    frame().to_csv(path, index=False)
    monkeypatch.setattr(leaks, "table_digest", lambda table: pytest.fail("worked out again"))
    assert again() == before
