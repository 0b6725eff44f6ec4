"""A trajectory to take home runs on the user's own file and says the same."""

import os
import subprocess
import sys

import nbclient
import nbformat
import pytest

import sandbox
from agent.notebook import markdown, notebook, script, write
from agent.run import new_episode, run
from agent.trajectory import Trajectory

from .conftest import ScriptedModel

# Read differently by a plain `read_csv`: padded names, thousands, a delimiter at each line's end.
MESSY = 'Name , Species, Price\nRex,dog,"1,250",\nMia,cat,"3,100",\nBo,dog,120,\n'
LEAK = "![x](https://example.com/leak.png) <img src=x> `a` **b** $c$"


def code(*lines):
    return "```python\n" + "\n".join(lines) + "\n```"


def ask(session, question, *replies, after=None):
    """The trajectory of a question, and the episode for a follow-up."""
    model = ScriptedModel(*replies)
    episode = new_episode(question, session.profile(), model, after=after)
    return run(episode, model, session), episode


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop.csv").write_text(MESSY)
    with sandbox.open([tmp_path / "shop.csv"], sandbox.Limits(wall_seconds=2)) as session:
        yield session


@pytest.fixture
def trajectory(shop):
    replies = (
        code('text = """first', 'second"""', "kept = df['Price'].sum()", "print(text)", "df['nope']"),
        code("df.plot(x='Name', y='Price', kind='bar')", "print(sql('select max(Price) m from df').m[0])"),
        "Answer: 3100\nSummary: The dearest costs 3100.",
    )
    return ask(shop, "What does the dearest cost?", *replies)[0]


def executed(book, folder):
    """The text that each code cell prints when the notebook is run in the folder."""
    book = nbclient.NotebookClient(book, timeout=60, resources={"metadata": {"path": folder}}).execute()
    return texts(book)


def texts(book):
    cells = (cell for cell in book.cells if cell.cell_type == "code")
    return ["".join(out.text for out in cell.outputs if out.output_type == "stream") for cell in cells]


def test_run_again_beside_the_users_file_the_notebook_prints_the_same(trajectory, tmp_path):
    book = notebook(trajectory)
    nbformat.validate(book)
    printed = texts(book)
    assert printed == ["", "first\nsecond\nKeyError: 'nope'\n", "3100\n"]
    assert executed(book, tmp_path) == printed


def test_a_follow_up_brings_along_the_steps_that_it_builds_on(shop, tmp_path):
    asked = "What do all cost together?"
    replies = code("total = df['Price'].sum()", "print(total)"), "Answer: 4470"
    first, episode = ask(shop, asked, *replies)
    replies = code("print(total * 2)"), "Answer: 8940"
    second, _ = ask(shop, "And twice that?", *replies, after=episode)
    assert second.verified
    book = notebook(second, [first])
    assert executed(book, tmp_path) == ["", "4470\n", "8940\n"]
    assert f"## {asked}\n\n### Step 1" in [cell.source for cell in book.cells]


def test_steps_are_numbered_as_the_answer_names_them(trajectory):
    cells = notebook(trajectory).cells
    named = next(index for index, cell in enumerate(cells) if cell.source == "### Step 2")
    assert cells[named + 1].outputs[0].text == "3100\n"
    assert cells[-1].source.endswith("Verified: found in step 2's output.")


def test_what_ran_before_python_was_restarted_is_left_out(shop, tmp_path):
    replies = (
        code("kept = 1", "print(kept)"),
        code("while True: pass"),
        code("print(df['Price'].max())"),
        "Answer: 3100",
    )
    trajectory, _ = ask(shop, "What does the dearest cost?", *replies)
    book = notebook(trajectory)
    assert executed(book, tmp_path) == ["", "3100\n"]
    assert "### Step 3" in [cell.source for cell in book.cells]


def test_a_workbook_can_be_looked_into_at_home(tmp_path):
    path = tmp_path / "book.xlsx"
    pandas = "import pandas as pd; pd.DataFrame({'a': [1, 2]}).to_excel('book.xlsx', index=False)"
    subprocess.run([sys.executable, "-c", pandas], cwd=tmp_path, check=True)
    with sandbox.open([path]) as session:
        replies = code("print(inspect_source('book.xlsx'))", "print(len(df))"), "Answer: 2"
        trajectory, _ = ask(session, "How many rows?", *replies)
    looked, count = executed(notebook(trajectory), tmp_path)[1].rsplit("\n", 2)[:2]
    assert "sheet 'Sheet1'" in looked and count == "2"


def test_words_of_a_person_or_a_model_are_no_markup():
    tables = ({"name": "t", "source": f"{LEAK}.csv", "load": "0"},)
    trajectory = Trajectory(f"{LEAK}\n# {LEAK}", tables, (), (), "unverified", LEAK, LEAK)
    shown = [cell.source for cell in notebook(trajectory).cells if cell.cell_type == "markdown"]
    for text in [*shown, markdown(trajectory)]:
        unescaped = text.replace("\\\\", "")
        for mark in ("[", "<", "`a", "$"):
            assert mark in unescaped and unescaped.count(mark) == unescaped.count(f"\\{mark}")
    assert shown[0].count("\n") == 2


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("unverified", "**Answer:** 7\n\nIt is 7.\n\nUnverified: this value was not found in any output."),
        ("stopped", "**Stopped** before there was an answer."),
        ("failed", "**Failed:** It is 7."),
        ("no_answer", "**No answer** was found."),
    ],
)
def test_only_an_answer_is_called_one(outcome, said):
    trajectory = Trajectory("How many?", (), (), (), outcome, "7", "It is 7.")
    assert notebook(trajectory).cells[-1].source == said
    assert markdown(trajectory).endswith(f"{said}\n")


def test_the_same_trajectory_gives_the_same_file(trajectory):
    assert notebook(trajectory) == notebook(trajectory)


def test_the_script_prints_the_same_beside_the_users_file(trajectory, tmp_path):
    (tmp_path / "answer.py").write_text(script(trajectory))
    command = [sys.executable, "answer.py"]
    environment = os.environ | {"MPLBACKEND": "Agg"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "first\nsecond\nKeyError: 'nope'\n3100\n"


def test_the_report_tells_failed_steps_too(trajectory):
    report = markdown(trajectory)
    assert "KeyError" in report and "**Answer:** 3100" in report and "Verified: found in step 2" in report


def test_the_suffix_names_the_form(trajectory, tmp_path):
    for suffix, beginning in ((".ipynb", "{"), (".py", "# What"), (".md", "# What")):
        write(trajectory, tmp_path / f"answer{suffix}")
        assert (tmp_path / f"answer{suffix}").read_text().startswith(beginning)
    with pytest.raises(ValueError, match="cannot be written as '.txt': use .ipynb, .py, .md"):
        write(trajectory, tmp_path / "answer.txt")
