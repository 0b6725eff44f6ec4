"""An attacker in a session, and the check that honest work goes on after each attack."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import sandbox

ROOT = Path(__file__).parents[2]
NOBODY = "65534"
# Runs lists of steps, each list in a session of its own, in an app of another user.
APP = """
import json, sys
import sandbox
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    with sandbox.open([]) as session:
        print(json.dumps([session.run(code).to_json() for code in json.loads(line)]), flush=True)
"""


@dataclass(frozen=True)
class Attacker:
    """Runs hostile steps in a session; `app` is the number of the process that hosts it."""

    run: Callable[[str], sandbox.Execution]
    app: int

    def output(self, code: str) -> str:
        """Returns what the code printed; the test fails if it raised."""
        execution = self.run(code)
        assert execution.error is None, execution.error
        return execution.stdout


@pytest.fixture
def honest():
    """After the attack, the next honest step in a new session works."""
    yield
    with sandbox.open([]) as session:
        assert session.run("pd.DataFrame({'n': [1, 2]}).n.sum()").stdout == "3\n"


@pytest.fixture
def attacker(honest):
    """An attacker of the user who runs the tests."""
    with sandbox.open([]) as session:
        yield Attacker(session.run, os.getpid())


@pytest.fixture(scope="session")
def nobodys_app():
    """An app that runs as an ordinary user. Like its sessions, it may read where Python is installed."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root, with setpriv, can start an app of another user")
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    # Root's Python may lie in root's home.
    reading = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    app = subprocess.Popen(
        [*user, *reading, sys.executable, "-c", APP],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HF_TOKEN": "hf_verysecret", "HOME": "/nonexistent"},
    )
    assert app.stdout.readline() == '"ready"\n'
    yield app
    app.communicate()


@pytest.fixture(params=["this user", "an ordinary user"])
def anyone(request, honest):
    """An attacker as root, if root runs the tests, and one as an ordinary user."""
    if request.param == "this user":
        yield request.getfixturevalue("attacker")
        return
    app = request.getfixturevalue("nobodys_app")

    def run(code: str) -> sandbox.Execution:
        app.stdin.write(json.dumps([code]) + "\n")
        app.stdin.flush()
        return sandbox.Execution.from_json(json.loads(app.stdout.readline())[0])

    yield Attacker(run, app.pid)
    assert run("1 + 1").stdout == "2\n"
