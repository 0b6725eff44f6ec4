"""A child that writes anything on its channel and dies at any moment: the host always answers."""

import json
import random
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import sandbox
from sandbox import session as sessions
from sandbox.lockdown import CHANNEL_FD

ROUNDS = 1_000
THREADS = 4
ENDINGS = (
    "",
    "os._exit({number} % 256)",
    "os.kill(os.getpid(), {number} % 32)",
    "os.close({channel})",
    "time.sleep({number} / 1e6); os._exit(1)",
    "os.closerange(0, 64); time.sleep(0.02)",
    "import ctypes; ctypes.string_at(0)",
)
VALUES = (None, True, 3, -1, 1e308, "text", [], {}, [[]], {"kind": 1}, "\ud800", 10**30)
FIELDS = ("stdout", "error", "figures", "truncated", "number", "seconds", "files", "input_error")


def frame(body):
    return struct.pack(">I", len(body)) + body


def random_bytes(draw):
    """Bytes that are anything from noise to nearly an honest report."""
    noise = draw.randbytes(draw.randrange(40))
    report = {name: draw.choice(VALUES) for name in draw.sample(FIELDS, draw.randrange(len(FIELDS)))}
    body = json.dumps(report | {"number": draw.randrange(2, 5)}).encode()
    whole = frame(body)
    return draw.choice(
        (noise, frame(noise), whole, whole[: draw.randrange(len(whole))], whole + noise, whole * 2)
    )


def attack(draw):
    """The code of a step that sends random bytes and then ends, or does not."""
    ending = draw.choice(ENDINGS).format(number=draw.randrange(20_000), channel=CHANNEL_FD)
    return f"import os, time\nos.write({CHANNEL_FD}, {random_bytes(draw)!r})\n{ending}"


def fuzz(seed):
    """Attacks one session again and again; returns the kinds of the errors that it was told."""
    draw, kinds = random.Random(seed), set()
    with sandbox.open([]) as session:
        for number in range(ROUNDS // THREADS):
            killer = threading.Timer(draw.random() / 50 if number % 4 else 60, kill, [session])
            killer.start()
            execution = session.run(attack(draw), timeout=0.05)
            killer.cancel()
            killer.join()
            assert isinstance(execution, sandbox.Execution)
            kinds.add(execution.error.kind if execution.error else "")
            # What was sent ahead may cost the next steps their process, but a last one is true again.
            answers = [session.run(f"{number} * 1000 + 7", timeout=20) for _ in range(6)]
            assert answers[-1].stdout == f"{number * 1000 + 7}\n", (seed, number, answers)
    return kinds


def kill(session):
    """Kills the child of the moment from outside, as the kernel does when memory is short."""
    with session._exchange:
        if session._child:
            session._child.kill()


def test_a_thousand_rounds_never_hang_crash_or_mislead_the_host(monkeypatch):
    monkeypatch.setattr(sessions, "GRACE_SECONDS", 0.05)
    with ThreadPoolExecutor(THREADS) as threads:
        kinds = set().union(*threads.map(fuzz, range(THREADS)))
    assert {"Crashed", "Timeout"} <= kinds


@pytest.mark.parametrize("ahead", [1, 2, 3])
def test_answers_sent_ahead_of_the_questions_end_the_process(ahead):
    report = {"stdout": "forged", "truncated": 0, "figures": [], "error": None}
    # The first request loads the files, so the first step is the second.
    frames = b"".join(frame(json.dumps(report | {"number": 2 + n}).encode()) for n in range(ahead))
    with sandbox.open([]) as session:
        executions = [session.run(f"import os; os.write({CHANNEL_FD}, {frames!r})")]
        executions += [session.run("1 + 1") for _ in range(ahead)]
        assert executions[-1].error.kind == "Crashed"
        assert session.run("1 + 1").stdout == "2\n"
