"""Training runs side by side: the table, the published files, what is refused."""

import json
import re

import pytest

from training import curves, results
from training.__main__ import main

LOSSES = [0.4, 0.3, 0.2, 0.1]


def card(**changes):
    """A run card as `training.sft` writes it, in what `runs` reads."""
    return {
        "model": "coder-0.5b",
        "data_sha256": "a",
        "samples": {"train": 1234, "validation": 50},
        "settings": {"epochs": 2, "rank": 16, "learning_rate": 3e-4},
        "problems": 89,
        "steps": 4,
        "best_step": 2,
        "tokens": 2_000_000,
        "seconds": 40.4,
        "tokens_per_second": 49_505,
        "loss": [{"step": step, "loss": loss} for step, loss in enumerate(LOSSES, 1)],
        "validation": [
            {"step": 2, "eval_loss": 0.25, "eval_accuracy": 0.8, "eval_exec_ok": 0.95},
            {"step": 4, "eval_loss": 0.35, "eval_accuracy": 0.7, "eval_exec_ok": 0.9},
        ],
    } | changes


@pytest.fixture
def run(tmp_path):
    """Writes a run's folder with its card; returns it."""

    def made(name, **changes):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(card(**changes)))
        return str(folder)

    return made


def test_each_models_runs_are_in_a_table_with_what_their_kept_step_was_measured_at(run, capsys):
    plain = card()["validation"]
    without = [{key: entry[key] for key in ("step", "eval_loss")} for entry in plain]
    folders = [run("one"), run("two", model="coder-1.5b"), run("by-loss", validation=without, problems=0)]
    assert main(["runs", *folders]) == 0
    first, second = capsys.readouterr().out.split("## coder-1.5b")
    ran = "1,234 | 2 | 16 | 0.0003 | 2,000,000 | 40 | 49,505 | 2 of 4 | 0.2500"
    row = f"| one | {ran} | 89 | 80.0% | 95.0% |"
    assert first.startswith("## coder-0.5b") and row in first and "| two |" not in first
    assert f"| by-loss | {ran} | 0 |  |  |" in first
    assert "| two |" in second


def test_what_is_published_holds_the_cards_and_draws_every_run(run, tmp_path, monkeypatch):
    published = tmp_path / "published"
    published.mkdir()
    monkeypatch.setattr(results, "PUBLISHED", published)
    words = ["runs", run("with"), run("without", best_step=4), "--publish"]
    assert main(words) == 0
    kept = json.loads((published / "sft-coder-0.5b.json").read_text())
    assert kept["model"] == "coder-0.5b" and [*kept["runs"]] == ["with", "without"]
    accuracy = kept["runs"]["with"].pop("accuracy")
    assert kept["runs"]["with"] == card()
    assert accuracy["rate"] == 0.8 and 0.7 < accuracy["low"] < 0.75 < 0.85 < accuracy["high"] < 0.9
    assert kept["runs"]["without"]["accuracy"]["rate"] == 0.7
    drawn = (published / "sft-coder-0.5b.svg").read_bytes()
    assert b"<!-- with -->" in drawn and b"<!-- without -->" in drawn
    assert b"<!-- accuracy on validation questions -->" in drawn
    assert main(words) == 0 and (published / "sft-coder-0.5b.svg").read_bytes() == drawn


def test_runs_of_one_set_are_drawn_together_and_each_set_has_a_row(tmp_path):
    sets = {"one": "a", "two": "b", "one-again": "a"}
    curves.compare({name: card(data_sha256=data) for name, data in sets.items()}, tmp_path / "runs.svg")
    drawn = re.sub(r"\s+", " ", (tmp_path / "runs.svg").read_text())
    rows = [re.findall(r"<!-- (one|two|one-again) -->", row) for row in drawn.split('id="legend_')[1:]]
    assert rows == [["one", "one-again"], ["two"]]
    assert drawn.count('id="axes_') == 2 * 3


def test_a_folder_without_a_run_and_one_name_for_two_are_refused(run, tmp_path, capsys):
    assert main(["runs", str(tmp_path)]) == 2
    assert "holds no finished run: there is no run.json in it" in capsys.readouterr().err
    assert main(["runs", run("a/one"), run("b/one")]) == 2
    assert "Two runs of coder-0.5b are called one: rename one's folder." in capsys.readouterr().err
