"""`TableProfile.load`, run outside the sandbox, reads the same table as the session has."""

import contextlib
import datetime
import decimal
import io
import json

import numpy as np
import pandas as pd
import pytest

import sandbox

DESCRIBE = "print([*df.index], [(name, str(df[name].dtype), [*df[name]]) for name in df.columns])"

TEXTS = {
    "plain.csv": "name,size\nMüller,3\nAn,4\n",
    "bom.csv": "\ufeffname,size\nMüller,3\nAn,4\n",
    "tabs.tsv": "name\tsize\nMüller\t3\nAn\t4\n",
    "pipes.txt": "name|size\nMüller|3\nAn|4\n",
    "old.csv": "name;size\nMüller;3\nAn;4\n".encode("latin-1"),
    "wide characters.csv": "name,size\nMüller,3\nAn,4\n".encode("utf-16"),
    "chinese.csv": "city,n\n北京市,1\n上海市,2\n".encode("gb18030"),
    "padded.csv": " name , size \nMüller,3\nAn,4",
    "padded twice.csv": "a, a,print,df,\n1,2,3,4,5\n",
    "trailing.csv": "name,size\nMüller,3,\nAn,4,\n",
    "malformed.csv": "name,size\nMüller,3\nx,1,2,3\nAn,4\n",
    "malformed and trailing.csv": "name,size\nMüller,3,\nx,1,2,3,4\nAn,4,\n",
    "row names.csv": "size,weight\nMüller,3,1.5\nAn,4,2.5\n",
    "thousands.csv": 'n,t,u\n"1,234.5","1,2","1,2"\n-7,x,3\n',
    "european.csv": "n;t;u\n1.234,5;1.5;a\n-7;2.5;\n",
    "dates.csv": "day,time,us\n2024-01-02,2024-01-02 10:30:00,1/2/2024\n,2024-01-03T11:00,2/3/2024\n",
    "ids.json": '[{"id": "007", "date": "1", "size": 3}, {"id": "1.0", "date": null}]',
    "columns.json": '{"name": ["Müller", "An"], "size": [3, 4]}',
    "wrapped.json": '{"n": 2, "rows": [{"name": "Müller"}, {"name": "An"}]}',
    "lines.jsonl": '{"id": "007", "size": 12345678901234567890}\n\n{"id": "a\u2028b", "size": 4}\n',
}


def read_outside(load, folder, monkeypatch):
    """The table as it is read where there is no sandbox, but the file lies beside."""
    monkeypatch.chdir(folder)
    return eval(load, {"pd": pd, "np": np, "json": json})


def check(path, monkeypatch):
    with sandbox.open([path]) as session:
        (table,) = session.profile()
        inside = session.run(DESCRIBE)
    assert inside.error is None and not inside.truncated
    with contextlib.redirect_stdout(io.StringIO()) as outside:
        exec(DESCRIBE, {"df": read_outside(table.load, path.parent, monkeypatch)})
    assert outside.getvalue() == inside.stdout
    return table.load


@pytest.mark.filterwarnings("ignore::pandas.errors.ParserWarning")
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_file_is_read_alike(name, tmp_path, monkeypatch):
    content = TEXTS[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check(path, monkeypatch)


def test_parquet_of_odd_columns_and_with_a_named_index_is_read_alike(tmp_path, monkeypatch):
    table = pd.DataFrame(
        {
            "size": pd.Categorical(["S", "L", None], ordered=True),
            "code": pd.Categorical([1, 2, 2]),
            "tags": [["a"], ["a", "b"], None],
            "day": [datetime.date(2024, 1, 1)] * 3,
            "price": [decimal.Decimal("1.50"), decimal.Decimal("2"), None],
            " ok ": [True, None, False],
        }
    )
    indexes = {"plain": table.index, "named": pd.Index([5, 6, 7], name="key"), "other": pd.Index([5, 6, 7])}
    for name, index in indexes.items():
        table.set_index(index).to_parquet(tmp_path / f"{name}.parquet")
        check(tmp_path / f"{name}.parquet", monkeypatch)


def test_a_sheet_is_read_alike(tmp_path, monkeypatch):
    table = pd.DataFrame({2024: [1, 2], " b ": ["x", None], "day": [datetime.datetime(2024, 1, 1)] * 2})
    table.to_excel(tmp_path / "book.xlsx", sheet_name="it's", index=False)
    check(tmp_path / "book.xlsx", monkeypatch)


def test_a_large_file_whose_column_is_text_at_its_end_only_is_read_alike(tmp_path, monkeypatch):
    path = tmp_path / "large.csv"
    path.write_text(",".join(f"c{i}" for i in range(600)) + "\n" + ("1," * 599 + "1\n") * 2000 + "x\n")
    with sandbox.open([path]) as session:
        (table,) = session.profile()
    column = read_outside(table.load, tmp_path, monkeypatch)["c0"]
    assert (table.columns[0].dtype, str(column.dtype), set(map(type, column))) == ("str", "str", {str})


def test_a_plain_file_needs_no_more_than_its_name(tmp_path, monkeypatch):
    (tmp_path / "plain.csv").write_text("a,b\n1,x\n")
    assert check(tmp_path / "plain.csv", monkeypatch) == "pd.read_csv('plain.csv')"
