"""What programs call: the answer, what is refused, and that nothing of a call is left."""

import json
from types import SimpleNamespace

import gradio as gr
import pytest

from page import api, visit
from tests.agent.conftest import ScriptedModel


@pytest.fixture
def pets(tmp_path):
    path = tmp_path / "pets.csv"
    path.write_text("name\nRex\nTom\n")
    return str(path)


@pytest.fixture
def model(monkeypatch):
    """Has the calls answered by a model of these replies."""

    def use(*replies):
        loader = SimpleNamespace(start=lambda: None, ready=True, state=ScriptedModel(*replies))
        monkeypatch.setattr(api, "loader", loader)

    return use


@pytest.fixture
def visits(monkeypatch):
    """The visits of the calls."""
    made = []
    monkeypatch.setattr(api, "Visit", lambda: made.append(visit.Visit()) or made[-1])
    return made


def test_a_tool_gives_its_record_as_json_and_leaves_no_process(pets, model, visits):
    model("```python\nprint(len(df))", "Answer: 2")
    *_, last = api.ask(pets, "How many?", second_file=None, max_steps=3)
    record = json.loads(last)
    assert (record["answer"], record["verified"]) == ("2", True)
    assert len(visits) == 1 and visits[0].session is None


def test_a_call_that_is_given_up_leaves_no_process(pets, model, visits):
    model("```python\nprint(len(df))", "Answer: 2")
    answering = api.ask_files([pets], "How many?", 6)
    assert next(answering)["phase"]
    session = visits[0].session
    assert session.alive
    answering.close()
    assert not session.alive and visits[0].session is None


@pytest.mark.parametrize(
    ("files", "question", "steps", "why"),
    [
        (0, "How many?", 6, "There is no file"),
        (1, " ", 6, "The question is empty"),
        (1, None, 6, "The question is empty"),
        (1, "How many?", None, "from 1 to 20"),
        (1, "How many?", 0, "from 1 to 20"),
        (1, "How many?", 21, "from 1 to 20"),
        (1, "How many?", 2.5, "from 1 to 20"),
        (1, "How many?", float("nan"), "from 1 to 20"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(pets, visits, files, question, steps, why):
    with pytest.raises(gr.Error, match=why):
        list(api.ask_files([pets] * files, question, steps))
    assert visits[0].session is None
