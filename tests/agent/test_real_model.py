"""The real coder-0.5b on the real sandbox; its weights are fetched once (about 490 MB)."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import sandbox
from agent import models
from agent.run import new_episode, run

ROOT = Path(__file__).parent.parent.parent
SALES = ROOT / "assets/examples/sales.csv"


@pytest.fixture(scope="module")
def model(small_weights):
    loaded = models.load("coder-0.5b")
    yield loaded
    loaded.close()


def without_times(trajectory):
    data = trajectory.to_json()
    for turn in data["turns"]:
        turn["execution"] = turn["execution"] and turn["execution"] | {"seconds": 0}
    return data | {"run": 0}


def test_the_adapter_that_was_measured_better_is_loaded_by_default(model):
    assert model.name == "coder-0.5b+sft-v1"


def test_it_answers_from_real_output_and_the_same_way_twice(model):
    trajectories = []
    for _ in range(2):
        with sandbox.open([SALES]) as session:
            question = "Which region has the most orders?"
            trajectories.append(run(new_episode(question, session.profile(), model), model, session))
    first, second = trajectories
    assert first.verified and first.answer == "West"
    assert first.evidence.lines[0].strip().startswith("West")
    assert without_times(first) == without_times(second)


def test_the_command_prints_one_trajectory_and_writes_the_notebook(model, tmp_path):
    out = tmp_path / "answer.ipynb"
    command = [sys.executable, "-m", "agent", "ask", str(SALES), "--model", "coder-0.5b", "--json"]
    command += ["-q", "How many rows does the table have?", "--notebook", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    trajectory = json.loads(done.stdout)
    assert done.returncode == (0 if trajectory["verified"] else 1), done.stderr
    assert trajectory["answer"] == "2007"
    nbformat.validate(nbformat.read(out, as_version=4))
