"""A small table on the real sandbox, and scripted replies played against it."""

import pytest

import sandbox
from agent import Episode, RunCode
from agent.models import load
from training.problems import Problem

from .echo_server import EchoServer

PETS = """\
Name,Species,City,Weight (kg)
Rex,dog,Oslo,31.5
Mia,cat,Bergen,3.1
Bo,dog,Oslo,12
Tom,cat,Oslo,4.4
"""


@pytest.fixture(scope="session")
def pets_csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "pets.csv"
    path.write_text(PETS)
    return path


@pytest.fixture(scope="session")
def play(pets_csv):
    """Plays replies against the table until they, or the episode, end; returns the trajectory.

    A reply that is one line of code, or several, stands for that code in a fence.
    """

    def played(question, *replies):
        with sandbox.open([pets_csv]) as session:
            episode = Episode(question, session.profile())
            for reply in replies:
                if episode.done:
                    break
                is_text = "```" in reply or "Answer:" in reply
                action = episode.receive(reply if is_text else f"```python\n{reply}\n```")
                if isinstance(action, RunCode):
                    episode.observe(session.run(action.code))
            return episode.trajectory()

    return played


@pytest.fixture(scope="session")
def problem(pets_csv):
    """Makes a problem over the table."""

    def made(question, answer, answer_type, **extra):
        return Problem("p", question, (pets_csv,), answer, answer_type, **extra)

    return made


@pytest.fixture
def echo():
    server = EchoServer()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def model(echo):
    return load(echo.name)


@pytest.fixture
def asked(pets_csv):
    """Makes problems whose question is their code: (question, answer, type), ..."""

    def made(*rows, table=pets_csv):
        return [Problem(f"p{i}", code, (table,), gold, kind) for i, (code, gold, kind) in enumerate(rows)]

    return made


@pytest.fixture
def three(asked):
    """Two are answered at once; the answer to the third is refused, and so its replies are sampled."""
    return asked(
        ("print(df['Weight (kg)'].max())", "31.5", "number"),
        ("print(df['Species'].nunique() > 5)", "True", "boolean"),
        ("print(df['Age'].max())", "7", "number"),
    )
