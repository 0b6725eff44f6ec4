"""Which tables join by which columns: names and values are looked at, not names alone."""

import time

import numpy as np
import pandas as pd

import sandbox

STUDENTS = "student_id,name,year\n101,Ana,1\n102,Li,1\n103,Sam,2\n104,Eve,3\n"


def joins(tmp_path, **tables):
    files = []
    for name, text in tables.items():
        files.append(tmp_path / f"{name}.csv")
        files[-1].write_text(text)
    with sandbox.open(files) as session:
        return {
            (table.name, join.table): (join.columns, join.others)
            for table in session.profile()
            for join in table.joins
        }


def test_columns_of_one_name_that_share_values_join(tmp_path):
    found = joins(tmp_path, students=STUDENTS, grades="student_id,grade\n101,A\n103,B\n103,C\n")
    assert found == {("students", "grades"): (("student_id",), ("student_id",))}


def test_columns_of_one_name_without_a_value_in_common_do_not(tmp_path):
    assert joins(tmp_path, students=STUDENTS, grades="student_id,grade\nx1,A\nx3,B\n") == {}


def test_columns_of_other_names_join_where_nearly_all_values_are_shared(tmp_path):
    found = joins(
        tmp_path, students=STUDENTS, loans="book,borrower\nEmma,Ana\nDune,Li\nUlysses,Eve\nIt,Ana\n"
    )
    assert found == {("students", "loans"): (("name",), ("borrower",))}


def test_wide_tables_of_measurements_take_no_time(tmp_path):
    generator = np.random.default_rng(0)
    tables = {}
    for name in ("first", "second", "third"):
        numbers = (
            generator.integers(0, 10**6, (5000, 60)) if name != "third" else generator.random((5000, 60))
        )
        tables[name] = pd.DataFrame(numbers, columns=[f"{name}_{i}" for i in range(60)]).to_csv(index=False)
    began = time.monotonic()
    joins(tmp_path, **tables)
    assert time.monotonic() - began < 20  # each pair of columns by all their values took minutes


def test_small_numbers_that_happen_to_be_equal_do_not_join(tmp_path):
    assert joins(tmp_path, students=STUDENTS, floors="level,rooms\n1,20\n2,21\n3,22\n") == {}


def test_tables_of_the_same_columns_are_parts_of_one(tmp_path):
    assert joins(tmp_path, may="day,sold\n1,5\n2,7\n", june="day,sold\n1,6\n2,7\n") == {}


def test_several_columns_of_one_name_join_together(tmp_path):
    found = joins(
        tmp_path,
        sold="shop,day,sold\nA,1,5\nA,2,6\nB,1,7\n",
        open="shop,day,hours\nA,1,8\nA,2,9\nB,1,8\n",
    )
    assert found == {("sold", "open_table"): (("shop", "day"), ("shop", "day"))}
