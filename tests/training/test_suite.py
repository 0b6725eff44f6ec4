"""Suites: which problems, cut into which shards, in processes and on Ray, and what is printed of them."""

import json

import pytest

from training import problems, records, suite
from training.__main__ import main
from training.bench import Settings
from training.problems import Problem, ProblemError, save
from training.suite import MissingError, Outcome


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
    found, missing, broken = suite.gather("hackathon", data)
    assert {name: len(part) for name, part in found.items()} == {"databench-lite": 15, "dsbench": 4}
    assert found == suite.gather("hackathon", data)[0]
    assert list(missing) == ["mentor-hard"] and "mentor-hard.jsonl is not there" in missing["mentor-hard"]
    assert broken == {}


def test_a_part_that_is_there_but_broken_is_an_error_after_the_rest_was_printed(echo, data, capsys):
    (data / "mentor-hard.jsonl").write_text('{"id": "x"}\n')
    assert run_suite(echo, data, data / "out") == 2
    printed = capsys.readouterr()
    assert "| DSBench (4), letter | 50.0 % (100.0 %) |" in printed.out
    (error,) = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert "mentor-hard.jsonl:1: 'question' is missing" in error


def publish_dsbench(folder):
    """A copy of the published files, of one question."""
    task = folder / "data" / "00001"
    task.mkdir(parents=True)
    (folder / "data.json").write_text('{"id": "00001", "questions": ["q1"], "answers": ["B"]}\n')
    (task / "introduction.txt").write_text("Pets.")
    (task / "q1.txt").write_text("Which? A. Rex B. Mia")


def test_all_of_a_benchmark_is_its_published_copy_and_a_few_of_it_the_sample_beside_it(data):
    publish_dsbench(data / "dsbench")
    assert [problem.id for problem in suite.gather("full", data)[0]["dsbench"]] == ["dsbench-00001-q1"]
    assert len(suite.gather("hackathon", data)[0]["dsbench"]) == 4


def test_all_of_a_benchmark_without_a_published_copy_is_its_file(data):
    assert len(suite.gather("full", data)[0]["dsbench"]) == 4


def test_a_copy_that_is_there_but_broken_is_no_missing_part(data):
    publish_dsbench(data / "dsbench")
    (data / "dsbench" / "data" / "00001" / "q1.txt").unlink()
    _, missing, broken = suite.gather("full", data)
    assert "q1.txt cannot be read" in broken["dsbench"]
    assert "nor is a copy of the published files" in missing["dabench"]


def test_a_folder_without_a_copy_leaves_databench_to_the_hub(data, monkeypatch):
    monkeypatch.setattr(problems, "_from_hub", lambda split, table: data / "hub")
    part = suite.PARTS["databench-full"]
    with pytest.raises(MissingError, match="hub/data has no folder 058"):
        suite.find(part, data)
    (data / "databench" / "data").mkdir()
    with pytest.raises(ProblemError, match="databench/data has no folder 058") as broken:
        suite.find(part, data)
    assert broken.type is ProblemError


def test_shards_hold_every_problem_once_and_take_the_gpus_in_turn(data, tmp_path):
    found, *_ = suite.gather("hackathon", data)
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


def test_a_model_that_is_given_twice_is_refused_before_anything_is_asked(echo, data, capsys):
    assert run_suite(echo, data, data / "out", "--model", echo.name) == 2
    assert "give each once" in capsys.readouterr().err
    assert echo.asked == []


def test_two_names_of_one_model_are_refused(echo, data, capsys):
    assert run_suite(echo, data, data / "out", "--model", f"{echo.name}@none") == 2
    assert f"{echo.name} and {echo.name}@none are the same model" in capsys.readouterr().err


def test_models_of_one_name_have_a_column_each(asked, tmp_path, capsys):
    pytest.importorskip("gguf", reason="gguf is not installed: training is not tested")
    from .tiny import write_gguf

    save(asked(("print(len(df))", "4", "number")), tmp_path / "mentor-hard.jsonl")
    first, second = (tmp_path / folder / "tiny.gguf" for folder in ("a", "b"))
    for path in (first, second):
        path.parent.mkdir()
        write_gguf(path)
    second.write_bytes(second.read_bytes() + bytes(32))  # of another digest
    words = ["bench", "--suite", "hackathon", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*words, "--control", "no-data", "--model", str(first), "--model", str(second)]) == 0
    printed = capsys.readouterr().out
    assert "| | Base `tiny (1)` | Base `tiny (2)` |" in printed
    assert "| Mentor-hard (1), official |" in printed
    stored = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("tiny*/mentor-hard.json")]
    assert len({one["model_digest"] for one in stored}) == 2


def test_the_shards_of_a_model_become_one_column():
    outcomes = [Outcome("m@x.gguf", "m+x", "d", {"wtq": [place]}) for place in "ab"]
    (whole,) = suite.joined(outcomes)
    assert (whole.model, whole.predictions) == ("m+x", {"wtq": ["a", "b"]})


def test_ray_gives_what_processes_give(echo, data):
    pytest.importorskip("ray", reason="Ray is not installed")
    assert run_suite(echo, data, data / "ray", "--ray", "local", "--workers", "2") == 0
    assert run_suite(echo, data, data / "processes", "--workers", "2") == 0
    assert short(data / "ray") == short(data / "processes") and len(short(data / "ray")) == 19


def test_a_column_says_what_kind_of_model_it_is():
    assert suite.heading("coder-0.5b") == "Base `coder-0.5b`"
    assert suite.heading("coder-0.5b+sft") == "SFT `coder-0.5b+sft`"
    assert suite.heading("hf:large") == "other `hf:large`"
