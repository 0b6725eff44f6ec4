"""Suites: which problems, cut into which shards, in processes and on Ray, and what is printed of them."""

import json

import pytest

from training import records, suite
from training.__main__ import main
from training.bench import Settings
from training.problems import Problem, ProblemError, save


@pytest.fixture
def data(tmp_path, pets_csv):
    """A data folder with the first two parts of the suite: 20 and 4 problems, half of them answered right."""
    for name, count in (("databench/validation_lite", 20), ("dsbench/sample", 4)):
        lines = [
            Problem(f"p{i}", f"print(len(df) + {i})", (pets_csv,), str(4 + i if i % 2 else 0), "number")
            for i in range(count)
        ]
        path = tmp_path / f"{name}.jsonl"
        path.parent.mkdir()
        save(lines, path)
    return tmp_path


def test_the_suite_takes_the_same_problems_each_time_and_names_what_is_missing(data):
    found, missing = suite.gather("hackathon", data)
    assert {name: len(part) for name, part in found.items()} == {"databench-lite": 15, "dsbench": 4}
    assert found == suite.gather("hackathon", data)[0]
    assert list(missing) == ["mentor-hard"] and "mentor-hard.jsonl is not there" in missing["mentor-hard"]


def test_a_part_that_is_there_but_broken_is_named_too(data):
    (data / "mentor-hard.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(ProblemError, match="mentor-hard.jsonl:1"):
        suite.find(suite.PARTS["mentor-hard"], data)
    assert "mentor-hard" in suite.gather("hackathon", data)[1]


def test_shards_hold_every_problem_once_and_take_the_gpus_in_turn(data, tmp_path):
    found, _ = suite.gather("hackathon", data)
    made = suite.shards(["a", "b@none"], found, tmp_path, Settings(), workers=6, cards=["0", "3"])
    assert [(shard.model, shard.adapter, shard.gpu) for shard in made] == [
        ("a", None, "0"), ("a", None, "3"), ("a", None, "0"),
        ("b", "none", "3"), ("b", "none", "0"), ("b", "none", "3"),
    ]  # fmt: skip
    of_b = [problem for shard in made[3:] for problem in shard.problems["databench-lite"]]
    assert of_b == found["databench-lite"]
    assert len({shard.folder for shard in made}) == 6


@pytest.mark.parametrize(
    ("allowed", "usable"),
    [(None, ["0", "1"]), ("1", ["1"]), ("0,1", ["0", "1"]), ("", []), ("-1", []), ("0,-1,1", ["0"])],
)
def test_only_the_gpus_that_the_process_may_use_are_taken(tmp_path, monkeypatch, allowed, usable):
    for card in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / card).mkdir()
    monkeypatch.setattr(suite, "GPUS", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if allowed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    assert suite.gpus() == usable
    monkeypatch.setattr(suite, "GPUS", tmp_path / "no driver")
    assert suite.gpus() == []


def run_suite(echo, data, out, *more):
    words = ["bench", "--suite", "hackathon", "--data", str(data), "--model", echo.name, "--out", str(out)]
    return main([*words, *more])


def short(out):
    """Part, id and answer of every prediction of the shards."""
    return sorted(
        (path.parent.name, line["id"], line["answer"], line["official"])
        for path in out.rglob(records.PREDICTIONS)
        for line in map(json.loads, path.read_text().splitlines())
    )


def test_shards_run_in_processes_and_the_table_has_all_parts_and_the_average(echo, data, capsys):
    assert run_suite(echo, data, data / "out", "--workers", "2") == 0
    printed = capsys.readouterr().out
    assert f"| | other `{echo.name}` |" in printed
    assert "| DSBench (4), letter | 50.0 % (100.0 %) |" in printed
    assert "| DSBench (4), value-aware | 50.0 % (100.0 %) |" in printed
    right = sum(row[3] for row in short(data / "out") if row[0] == "databench-lite")
    assert f"| DataBench lite (15), official | {100 * right / 15:.1f} % (100.0 %) |" in printed
    average = (right / 15 + 0.5) / 2
    assert f"| **macro average**, official or letter | {100 * average:.1f} % (100.0 %) |" in printed
    assert "Not run: Mentor-hard." in printed


def test_a_suite_that_was_done_asks_nothing_again(echo, data):
    run_suite(echo, data, data / "out")
    echo.asked.clear()
    assert run_suite(echo, data, data / "out") == 0
    assert echo.asked == []


def test_ray_gives_what_processes_give(echo, data):
    pytest.importorskip("ray", reason="Ray is not installed")
    assert run_suite(echo, data, data / "ray", "--ray", "local", "--workers", "2") == 0
    assert run_suite(echo, data, data / "processes", "--workers", "2") == 0
    assert short(data / "ray") == short(data / "processes") and len(short(data / "ray")) == 19


def test_a_column_says_what_kind_of_model_it_is():
    assert suite.heading("coder-0.5b") == "Base `coder-0.5b`"
    assert suite.heading("coder-0.5b+sft") == "SFT `coder-0.5b+sft`"
    assert suite.heading("hf:large") == "other `hf:large`"
