"""The first look at a table: how values are spread, and what would mislead."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sandbox


def looked(tmp_path, text, name="a.csv"):
    file = tmp_path / name
    file.write_text(text)
    with sandbox.open([file]) as session:
        (look,) = session.look()
    return look


def test_numbers_and_dates_are_spread_over_twelve_parts_and_text_is_counted(tmp_path):
    rows = [f"{i},{'dog' if i % 3 else 'cat'},2024-01-{i % 28 + 1:02d}" for i in range(120)]
    look = looked(tmp_path, "\n".join(["n,kind,day", *rows]))
    number, kind, day = look.columns
    assert number.bars == (10,) * 12 and kind.bars == (80, 40)
    assert len(day.bars) == 12 and sum(day.bars) == 120
    assert look.warnings == ()


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("a,b\n1,x\n2,x\n3,x\n", ["“b” is “x” in every row."]),
        ("a,b\n1,x\n2,y\n2,y\n", ["1 row repeats another in every cell."]),
        ("a,b\n1,\n2,\n", ["“b” is empty."]),
        ("a,b\n1,5\n2,6\n3,n.a.\n4,8\n5,old\n6,1\n7,9\n", ["“b” holds numbers, and also “n.a.”, “old”."]),
        (
            "place,n\nOslo,1\nLima,2\nCairo,4\nTotal,7\n",
            ["The row “Total” sums up the others: leave it out where you add up."],
        ),
        ("place,n\nOslo,1\nLima,2\nCairo,4\nTotal,8\n", []),
        ("place,n\nAll Saints,3\nLima,1\nCairo,2\n", []),
        ("a,b\n1,x\n2,\n3,\n", []),
    ],
)
def test_what_would_mislead_is_told(tmp_path, text, warnings):
    assert [*looked(tmp_path, text).warnings] == warnings


def test_tables_of_any_kind_of_cell_are_looked_at(tmp_path):
    frame = pd.DataFrame(
        {
            "lists": [[1], [1], [2, 3]],
            "infinite": [np.inf, -np.inf, np.nan],
            "missing": pd.array([pd.NA, pd.NA, pd.NA], dtype="Int64"),
            "truth": [True, False, None],
            "span": pd.to_timedelta(["1s", "2s", "3s"]),
            "zoned": pd.date_range("2024-01-01", periods=3, tz="Europe/Oslo"),
            "big": [2**62, -(2**62), 0],
            "huge": [1.7e308, -1.7e308, 0.0],
            "near": [1.0, 1.0 + 2e-16, 1.0],
            "same": [7, 7, 7],
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    with sandbox.open([tmp_path / "a.parquet"]) as session:
        (look,) = session.look()
    assert [column.name for column in look.columns] == [*frame.columns]
    bars = {column.name: column.bars for column in look.columns}
    assert bars["lists"] == bars["infinite"] == () and bars["same"] == (3,)
    assert all(sum(bars[name]) == 3 for name in ("zoned", "big", "huge", "near"))


def test_a_total_of_durations_and_numbers_past_all_bounds_do_not_end_the_session(tmp_path):
    spans = pd.to_timedelta(["1s", "2s", "3s", "6s"])
    frame = pd.DataFrame({"what": ["a", "b", "c", "Total"], "span": spans, "n": [1, 2, 3, 6]})
    frame.to_parquet(tmp_path / "a.parquet")
    with sandbox.open([tmp_path / "a.parquet"]) as session:
        assert session.look()[0].warnings[0].startswith("The row “Total”")
    (tmp_path / "b.json").write_text(f'[{{"a": {10**400}}}, {{"a": 5}}]')
    with sandbox.open([tmp_path / "b.json"]) as session:
        assert session.look()[0].columns[0].bars == ()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.text('01a.,-"\n t%€', max_size=6), min_size=2, max_size=2), min_size=1, max_size=9)
)
def test_any_small_table_is_looked_at(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("look") / "a.csv"
    pd.DataFrame(rows, columns=["a", "b"]).to_csv(file, index=False)
    try:
        session = sandbox.open([file])
    except sandbox.InputError:
        return
    with session:
        assert all(len(table.warnings) <= 6 for table in session.look())
