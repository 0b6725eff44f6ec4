"""Names of uploads are made safe, and files that cannot be taken are refused in one sentence."""

import keyword
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sandbox
from sandbox import inputs, tables

ROOT = Path(__file__).parents[2]
# The command line, which then tells what it has used.
MEASURED = """
from sandbox.__main__ import main
status = main()
print(open("/proc/self/status").read())
raise SystemExit(status)
"""


@given(st.text())
def test_any_name_becomes_a_plain_file_name(tmp_path_factory, name):
    safe = inputs.safe_name(name)
    assert safe not in ("", ".", "..")
    assert not set(safe) & set("/\\\0\n")
    assert len(safe.encode()) < 200
    assert inputs.safe_name(safe) == safe


@given(st.lists(st.text(max_size=3), max_size=8))
def test_names_of_one_session_differ_even_where_case_does_not_count(names):
    taken = set()
    for name in names:
        safe = inputs.safe_name(name, taken)
        assert safe.lower() not in taken
        taken.add(safe.lower())


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("sales.csv", "sales.csv"),
        ("My Sales (1).CSV", "My Sales (1).CSV"),
        ("../../etc/passwd", "passwd"),
        ("/abs/olute.csv", "olute.csv"),
        ("C:\\data\\x.csv", "x.csv"),
        ("..", "file"),
        (".csv", "file.csv"),
        ("a\0b.csv", "ab.csv"),
        ("gnp\u202evsc.exe", "gnpvsc.exe"),
        ("x" * 500 + ".csv", "x" * 120 + ".csv"),
        ("größe.csv", "größe.csv"),
        ("0\xa0.", "0"),
    ],
)
def test_a_name_is_kept_as_far_as_it_is_safe(name, safe):
    assert inputs.safe_name(name) == safe


@given(st.text())
def test_any_text_becomes_a_python_name_that_hides_nothing(text):
    name = tables.python_name(text)
    assert name.isidentifier()
    assert not keyword.iskeyword(name)
    assert name not in tables.RESERVED


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sales", "sales"),
        ("Sales 2024 (EU)", "Sales_2024_EU"),
        ("2024", "table_2024"),
        ("df", "df_table"),
        ("print", "print_table"),
        ("Class", "Class_table"),
        ("sql", "sql_table"),
        ("---", "table"),
        ("\U00010be1", "table"),
    ],
)
def test_a_table_is_called_like_its_file(text, name):
    assert tables.python_name(text) == name


@given(st.lists(st.text(alphabet="ab. 1", max_size=3), max_size=8))
def test_column_names_differ_and_have_no_space_around(names):
    unique = tables.unique_columns(names)
    assert len(unique) == len(set(unique)) == len(names)
    assert all(name == name.strip() != "" for name in unique)


def test_display_names_stand_for_temporary_paths(tmp_path):
    path = tmp_path / "upload-3f2a"
    path.write_text("a\n1\n", encoding="utf-8")
    with sandbox.open([path, path], names=["../sales.csv", "sales.csv"]) as session:
        assert [table.source for table in session.profile()] == ["sales.csv", "sales_2.csv"]
        assert session.run("pd.read_csv('sales.csv').shape").stdout == "(1, 1)\n"


def test_as_many_names_as_files_are_wanted(tmp_path):
    with pytest.raises(ValueError):
        sandbox.open([tmp_path / "a.csv"], names=[])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.csv", "missing.csv does not exist: check the path."),
        ("folder.csv", "folder.csv is not a file: give the path of a data file."),
        ("bad\0.csv", "bad.csv does not exist: check the path."),
        (
            "large.csv",
            "large.csv is too large: 2 MiB, at most 1 MiB. Leave out columns or rows that the question does "
            "not need, or save it as parquet, which takes a fraction of it.",
        ),
    ],
)
def test_what_is_no_usable_file_is_refused(tmp_path, name, message):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "large.csv").write_bytes(b"x" * 2**21)
    with pytest.raises(sandbox.InputError) as refusal:
        sandbox.open([tmp_path / name], sandbox.Limits(input_bytes=2**20))
    assert str(refusal.value) == message


def test_a_file_of_a_gigabyte_is_refused_at_once_and_is_not_read(tmp_path):
    path = tmp_path / "sales.csv"
    with path.open("wb") as file:
        file.truncate(2**30)
    assert path.stat().st_blocks * 512 < 2**20  # it is all hole
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "read", str(path)], capture_output=True, text=True, cwd=ROOT
    )
    assert time.monotonic() - started < 5
    assert done.returncode == 2
    assert done.stderr == (
        "error: sales.csv is too large: 1,024 MiB, at most 512 MiB. Leave out columns or rows that the "
        "question does not need, or save it as parquet, which takes a fraction of it.\n"
    )
    most_memory = int(re.search(r"VmHWM:\s*(\d+) kB", done.stdout)[1])
    assert most_memory < 100 * 1024
