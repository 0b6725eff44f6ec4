"""Short steps go before long ones when there are more steps than processors, and long ones get on."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sandbox
from sandbox.turns import HOLD_SECONDS, SHORT_CPU_SECONDS, SHORT_SECONDS, turns

BURN = """
import time
def burn(seconds):
    began = time.process_time()
    while time.process_time() - began < seconds: pass
    print('burnt')
"""


@pytest.fixture
def two(monkeypatch):
    """Two sessions that have one processor between them, and a thread to run a step in."""
    monkeypatch.setattr(turns, "processors", 1)
    with sandbox.open([]) as long, sandbox.open([]) as short, ThreadPoolExecutor(1) as thread:
        long.run(BURN)
        yield long, short, thread


def is_stopped(session):
    stat = Path(f"/proc/{session._child.pid}/stat").read_text(encoding="latin-1")
    return stat.rpartition(")")[2].split()[0] == "T"


def share_of_time_stopped(session, running):
    seen = []
    while not running.done():
        seen.append(is_stopped(session))
        time.sleep(0.02)
    return sum(seen) / len(seen)


def wait_until_long(session):
    while session._child.cpu_seconds() < 2 * SHORT_CPU_SECONDS:
        time.sleep(0.05)
    time.sleep(0.3)


def test_a_long_step_gives_way_to_a_short_one_and_then_goes_on(two):
    long, short, thread = two
    running = thread.submit(long.run, "burn(2.0)")
    wait_until_long(long)
    assert not is_stopped(long)
    with ThreadPoolExecutor(1) as other:
        step = other.submit(short.run, f"import time\ntime.sleep({HOLD_SECONDS / 2})")
        assert share_of_time_stopped(long, step) > 0.5
    assert running.result().stdout == "burnt\n"


def test_a_long_step_gives_way_while_a_session_is_opened_and_closed(two):
    long, _, thread = two
    running = thread.submit(long.run, "burn(2.0)")
    wait_until_long(long)
    with turns.errand():
        time.sleep(0.1)
        assert is_stopped(long)
    assert running.result().stdout == "burnt\n"


def test_a_long_step_gets_on_although_short_ones_never_end(two):
    long, _, thread = two
    running = thread.submit(long.run, "burn(1.2)")
    with turns.errand():
        assert running.result().stdout == "burnt\n"


def test_what_sleeps_does_not_hold_others_up_for_ever(two):
    long, sleeper, thread = two
    running = thread.submit(sleeper.run, f"import time\ntime.sleep({SHORT_SECONDS + 2.5})")
    time.sleep(SHORT_SECONDS + 0.5)
    with ThreadPoolExecutor(1) as other:
        step = other.submit(long.run, "burn(1.0)")
        wait_until_long(long)
        assert not is_stopped(long) or is_stopped(sleeper)
        assert step.result().stdout == "burnt\n"
    assert running.result().error is None


def test_nothing_is_stopped_where_there_are_processors_enough(two, monkeypatch):
    long, short, thread = two
    monkeypatch.setattr(turns, "processors", 8)
    running = thread.submit(long.run, "burn(3.0)")
    wait_until_long(long)
    with ThreadPoolExecutor(1) as other:
        step = other.submit(short.run, "import time\ntime.sleep(0.3)")
        assert share_of_time_stopped(long, step) == 0
    assert running.result().stdout == "burnt\n"


def test_a_held_step_can_be_stopped_by_its_user(two):
    long, _, thread = two
    running = thread.submit(long.run, "burn(60)")
    wait_until_long(long)
    with turns.errand():
        time.sleep(0.1)
        assert is_stopped(long)
        long.interrupt()
        assert running.result().error.kind == "Stopped"
