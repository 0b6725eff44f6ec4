"""What the benchmark of the example questions calls grounded, and how it sums up."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import sandbox
from agent.run import new_episode, run
from benchmarks import examples, files, peer_ydata
from tests.agent.conftest import ScriptedModel
from training import problems
from training.problems import Problem

SALES = Path(__file__).parent.parent / "assets/examples/sales.csv"


@pytest.fixture(scope="module")
def trajectory():
    model = ScriptedModel(
        "```python\nprint(len(df))",
        "```python\nprint(df['region'].nunique())",
        "Answer: 5\nSummary: There are five regions.",
    )
    with sandbox.open([SALES]) as session:
        return run(new_episode("How many regions are there?", session.profile(), model), model, session)


def with_second_step(trajectory, **changes):
    first, second, *rest = trajectory.turns
    second = replace(second, execution=replace(second.execution, **changes))
    return replace(trajectory, turns=(first, second, *rest))


def test_a_verified_answer_is_found_again_in_the_stored_output(trajectory):
    assert trajectory.verified and examples.is_grounded(trajectory)


def test_an_answer_is_not_grounded_where_the_record_does_not_bear_it_out(trajectory):
    error = sandbox.ExecutionError("KeyError", "'region'")
    assert not examples.is_grounded(replace(trajectory, answer="4"))
    assert not examples.is_grounded(with_second_step(trajectory, stdout="3\n"))
    assert not examples.is_grounded(with_second_step(trajectory, error=error))
    assert not examples.is_grounded(with_second_step(trajectory, code="print(5)"))


def test_a_row_counts_the_time_from_before_the_files_are_opened(monkeypatch):
    problem = {
        "id": "a",
        "question": "How many rows?",
        "tables": ["sales.csv"],
        "answer": "2007",
        "answer_type": "number",
    }
    model = ScriptedModel("```python\nprint(len(df))", "Answer: 2007")
    trajectory, row = examples.answer(problem, SALES.parent, model, seed=0)
    assert row["correct"] and row["grounded"]
    assert row["seconds"] > trajectory.run["seconds"]
    assert row["model_share"] + row["sandbox_share"] + row["own_share"] == pytest.approx(1)


def test_rates_that_a_server_does_not_tell_are_left_out_of_the_median():
    report = json.loads((SALES.parents[1] / "results/examples-coder-1.5b.json").read_text())
    rows = [row | {"prompt_tokens_per_second": None} for row in report["rows"][:3]]
    rows[0]["output_tokens_per_second"] = None
    summed = examples.summary(rows)
    assert summed["median"]["prompt_tokens_per_second"] is None
    assert summed["median"]["output_tokens_per_second"] > 1
    assert "| prompt tokens per second | – |" in examples.table(report | summed)


def test_the_name_of_a_server_makes_a_plain_file_name():
    assert (
        examples.run_name("endpoint:http://host:80/v1#a/b", gallery=True)
        == "gallery-endpoint-http-host-80-v1-a-b"
    )
    assert examples.run_name("coder-1.5b", gallery=False) == "examples-coder-1.5b"


def test_a_messy_set_is_judged_by_shape_header_and_every_cell(tmp_path):
    polluted = tmp_path / "pollock" / "polluted"
    for name, messy in (("title.csv", "A title\na,b,c\n1,2,x\n3,4,y\n5,6,z\n7,8,w\n"), ("empty.csv", "")):
        for part, text in (("csv", messy), ("clean", "a,b,c\n1,2.0,x\n3,4,y\n5,6,z\n7,8,w\n")):
            (polluted / part).mkdir(parents=True, exist_ok=True)
            (polluted / part / name).write_text(text)
    expected = dict(files.gold(tmp_path))
    right, wrong = (files.judge(files.ours, path, expected[path]) for path in reversed(expected))
    assert (right.shape, right.header, right.cells, right.problem) == (True, True, True, "")
    assert not (wrong.shape or wrong.cells) and "is empty (0 bytes)" in wrong.problem
    judged = {"DataSense": {Path("right"): right, Path("wrong"): wrong}}
    assert "| DataSense | 2 | 50.0% | 50.0% | 1 |" in files.table(judged)
    assert files.rest([polluted / "csv" / "title.csv", polluted / "csv" / "empty.csv"]).startswith(
        "2 other files: 1 read, 1 refused with a sentence, 0 worse."
    )


def test_several_tables_are_right_as_the_first_alone_or_as_all_one_below_the_other():
    first, second = (
        files.Grid(["a", "b", "c"], [["1", "2", "3"]]),
        files.Grid(["a", "Unnamed: 1"], [["x", "y"]]),
    )
    for rows, right in (
        ([["1", "2", "3"]], True),
        ([["1", "2", "3"], ["a", "", ""], ["x", "y", ""]], True),
        ([["1", "2", "3"], ["x", "y", ""]], False),
    ):
        verdict = files.judge(lambda path: [first, second], SALES, files.Grid(["a", "b", "c"], rows))
        assert (verdict.shape, verdict.cells) == (right, right)


@pytest.mark.parametrize(
    ("header", "cell", "right"), [("Unnamed: 1", "", True), ("Unnamed: 1", "x", False), ("b", "", False)]
)
def test_a_column_with_neither_name_nor_value_is_left_aside(header, cell, right):
    wide, plain = files.Grid(["a", header], [["1", cell]]), files.Grid(["a"], [["1"]])
    assert files.judge(lambda path: [wide], SALES, plain).shape == right
    assert files.judge(lambda path: [plain], SALES, wide).shape == right


def test_cells_are_the_same_as_text_number_or_moment():
    assert files.same("1,204", "1204.0") and files.same("2024-01-02", "2024-01-02 00:00:00")
    assert files.same("", "NaN") and files.same("TRUE", "True")
    assert (
        not files.same("12", "1.2") and not files.same("a", "") and not files.same("2024-01-02", "2024-02-01")
    )


@pytest.fixture
def columns(tmp_path):
    path = tmp_path / "a.parquet"
    days = pd.date_range("2024-01-01", periods=3, tz="Europe/Oslo")
    frame = {"n": [1.123456789, 2.0, None], "big": [2**62 + 1, 1, 1], "day": days, "what": ["x", "y", None]}
    pd.DataFrame(frame).to_parquet(path)
    with sandbox.open([path]) as session:
        return {column.name: column for column in session.profile()[0].columns}


@pytest.mark.parametrize(
    ("name", "theirs", "how"),
    [
        ("n", {"missing": 1, "distinct": 2, "smallest": 1.123456789, "largest": 2}, ["same"] * 4),
        (
            "n",
            {"missing": 0, "distinct": 3, "smallest": 1.1234, "largest": 2.001},
            ["other"] * 4,
        ),
        ("big", {"smallest": 1, "largest": 2**62 + 1}, ["ours alone"] * 2 + ["same"] * 2),
        ("big", {"smallest": 1.0, "largest": 2**62}, ["ours alone"] * 2 + ["same"] + ["other"]),
        (
            "day",
            {"missing": 0, "distinct": 3, "smallest": "2024-01-01 00:00:00+01:00", "largest": "2024-01-04"},
            ["same", "same", "same", "other"],
        ),
        ("what", {"missing": 1, "distinct": 2}, ["same"] * 2),
        ("what", {"missing": 1, "distinct": 2, "smallest": 0}, ["same", "same", "its alone"]),
    ],
)
def test_figures_of_another_profiler_are_the_same_as_far_as_a_profile_shows_them(columns, name, theirs, how):
    assert [*peer_ydata.agreement(columns[name], theirs).values()] == how


def test_tables_are_handed_to_another_profiler_as_they_were_read(tmp_path):
    (tmp_path / "a.csv").write_text("Made by hand\n\nday;n\n2024-01-02;1,5\n2024-01-03;2\n")
    found, seconds = peer_ydata.described([tmp_path / "a.csv", tmp_path / "no.csv"], tmp_path)
    assert [table.source for table in found.values()] == ["a.csv"] and len(seconds) == 1
    handed = pd.read_parquet(tmp_path / "00000.parquet")
    assert handed["n"].tolist() == [1.5, 2.0] and handed["day"].dt.year.tolist() == [2024, 2024]


def peers_frames(*paths):
    peer = pytest.importorskip("benchmarks.peer_smolagents")
    with sandbox.open(paths) as session:
        return peer.frames(Problem("1", "?", paths, "1", "number"), session.profile())


def test_a_peer_gets_a_plain_csv_or_parquet_file_as_pandas_reads_it(tmp_path):
    csv, parquet = tmp_path / "a.csv", tmp_path / "a.parquet"
    plain = pd.DataFrame({"n": [1.5, None], "k": [1, 2], "name": ["x", None], "b": [True, False]})
    plain.to_csv(csv, index=False)
    plain.assign(day=pd.Timestamp("2024-01-02")).to_parquet(parquet)
    pd.testing.assert_frame_equal(peers_frames(csv)["df"], pd.read_csv(csv))
    pd.testing.assert_frame_equal(peers_frames(parquet)["df"], pd.read_parquet(parquet))


def test_a_peer_gets_the_tables_of_the_card_under_its_names_of_whatever_kind_the_file_is(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x, y", "z"]})
    frame.to_csv(tmp_path / "t.TSV", sep="\t", index=False)
    frame.to_csv(tmp_path / "packed.csv.gz", index=False)
    frame.to_json(tmp_path / "rows.json", orient="records")
    with sqlite3.connect(tmp_path / "base.sqlite") as base:
        frame.to_sql("rows", base, index=False)
    for path in [*tmp_path.iterdir()]:
        assert peers_frames(path)["df"].to_dict() == frame.to_dict(), path.name
    book = tmp_path / "book.xlsx"
    upper = pd.DataFrame({"a": range(5), "b": list("vwxyz"), "c": range(5)})
    with pd.ExcelWriter(book) as writer:
        pd.DataFrame().to_excel(writer, sheet_name="empty")
        upper.to_excel(writer, sheet_name="two", index=False)
        upper.set_axis([*"def"], axis=1).to_excel(writer, sheet_name="two", index=False, startrow=9)
    assert ["".join(table) for table in peers_frames(book).values()] == ["abc", "def"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--problems", "nowhere.jsonl"], "nowhere.jsonl is neither a file nor a benchmark"),
        (["--problems", "{problems}", "--model", "nothing-of-the-kind"], "nothing-of-the-kind"),
    ],
)
def test_a_peers_command_that_fails_ends_with_one_line(tmp_path, monkeypatch, capsys, given, told):
    peer = pytest.importorskip("benchmarks.peer_smolagents")
    problems.save([Problem("1", "?", (SALES,), "1", "number")], tmp_path / "one.jsonl")
    given = [part.format(problems=tmp_path / "one.jsonl") for part in given]
    monkeypatch.setattr("sys.argv", ["peer_smolagents", *given])
    with pytest.raises(SystemExit) as end:
        peer.main()
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.startswith("error: ") and told in said and said.count("\n") == 1
