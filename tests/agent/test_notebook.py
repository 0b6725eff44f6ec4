"""A trajectory to take home runs on the user's own file and says the same."""

import os
import subprocess
import sys

import nbformat
import pytest

from agent.notebook import markdown, notebook, script
from agent.run import new_episode, run

from .conftest import ScriptedModel


@pytest.fixture
def trajectory(pets):
    model = ScriptedModel(
        "```python\nprint(df['nope'])",
        "```python\ndf.plot(x='Name', y='Weight (kg)', kind='bar')\n"
        "print(sql('select max(\"Weight (kg)\") m from df').m[0])",
        "Answer: 31.5\nSummary: The heaviest weighs 31.5 kg.",
    )
    return run(new_episode("How heavy is the heaviest?", pets.profile(), model), model, pets)


def test_the_notebook_is_valid_and_holds_only_what_ran(trajectory):
    book = notebook(trajectory)
    nbformat.validate(book)
    assert not any("nope" in cell.source for cell in book.cells)
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert {output.output_type for output in outputs} == {"stream", "display_data"}
    assert notebook(trajectory) == book


def test_the_script_gives_the_same_output_beside_the_users_file(trajectory, pets_csv, tmp_path):
    (tmp_path / "answer.py").write_text(script(trajectory))
    (tmp_path / "pets.csv").write_bytes(pets_csv.read_bytes())
    done = subprocess.run(
        [sys.executable, "answer.py"],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "31.5", done.stderr


def test_the_report_tells_failed_steps_too(trajectory):
    report = markdown(trajectory)
    assert "KeyError" in report and "**Answer:** 31.5" in report and "Verified: found in step 2" in report
