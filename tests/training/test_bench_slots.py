"""The benchmark of how many questions are worked on side by side."""

import sys

import pytest

from benchmarks import slots
from training import problems, results


def test_each_number_of_slots_is_measured_from_nothing(echo, asked):
    two = asked(("print(df['Weight (kg)'].max())", "31.5", "number"), ("print(len(df))", "5", "number"))
    result = slots.measure(two, echo.name, None, [1, 2])
    assert [run["slots"] for run in result["runs"]] == [1, 2]
    assert len(echo.asked) == 4
    for run in result["runs"]:
        assert (run["official"], run["exec_ok"], run["verified"]) == (0.5, 1.0, 1.0)
        assert run["problems_per_hour"] > 0 and 0 < run["model_share"] + run["sandbox_share"] <= 1
    assert {"model", "model_digest", "data_sha256", "seed", "hardware", "command"} <= result.keys()


def test_the_command_prints_its_table_and_publishes_it(echo, asked, tmp_path, monkeypatch, capsys):
    problems.save(asked(("print(len(df))", "4", "number")), tmp_path / "asked.jsonl")
    monkeypatch.setattr(results, "PUBLISHED", tmp_path)
    words = ["--problems", str(tmp_path / "asked.jsonl"), "--model", echo.name, "--slots", "2", "--publish"]
    monkeypatch.setattr(sys, "argv", ["slots", *words])
    slots.main()
    assert "| 2 side by side |" in capsys.readouterr().out
    assert len(list(tmp_path.glob("slots-*.json"))) == 1


@pytest.mark.parametrize("wrong", ["0", "two", "1,,2", ""])
def test_what_is_no_number_of_slots_is_told(wrong, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["slots", "--problems", "x", "--slots", wrong])
    with pytest.raises(SystemExit):
        slots.main()
    assert "is no whole number from 1 on" in capsys.readouterr().err


def test_problems_that_are_not_there_are_told_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["slots", "--problems", "nowhere.jsonl"])
    with pytest.raises(SystemExit):
        slots.main()
    told = capsys.readouterr().err
    assert "nowhere.jsonl is neither a file nor a benchmark" in told and told.count("\n") == 1
