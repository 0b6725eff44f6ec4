"""A scripted model, for tests whose subject is the loop, and a small table on the real sandbox."""

import time

import pytest

import sandbox
from agent.models import Usage


class ScriptedModel:
    """Gives its replies in order, in two pieces each; `delay` seconds of heartbeats before each."""

    name, digest, context_tokens, usage = "scripted", "", 8192, Usage()

    def __init__(self, *replies, delay=0.0):
        self.replies, self.delay, self.asked = list(replies), delay, []

    def count_tokens(self, text):
        return len(text) // 3 + 1

    def generate(self, conversations, **sampling):
        self.asked += [sampling for _ in conversations]
        return [self.replies.pop(0) for _ in conversations]

    def stream(self, conversation, **sampling):
        self.asked.append(sampling)
        until = time.monotonic() + self.delay
        while time.monotonic() < until:
            time.sleep(0.05)
            yield ""
        reply = self.replies.pop(0)
        yield reply[:5]
        yield reply[5:]


@pytest.fixture(scope="session")
def pets_csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "pets.csv"
    path.write_text("Name,Species,Weight (kg)\nRex,dog,31.5\nMia,cat,3.1\nBo,dog,12\n")
    return path


@pytest.fixture
def pets(pets_csv):
    with sandbox.open([pets_csv]) as session:
        yield session
