"""What is killed, what is told about it, and that the next step starts afresh."""

import threading
from pathlib import Path

import pytest

import sandbox

STUBBORN = """
import signal
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
"""
NATIVE = "import ctypes\nctypes.PyDLL(None).sleep(60)"
FLOOD = "while True: print('x' * 10_000)"
REGEX = "re.match('(a+)+$', 'a' * 50 + 'b')"
CHANNEL = """
import os
for fd in range(3, 1000):
    try:
        {}
    except OSError:
        pass
"""


@pytest.fixture
def session(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n2\n", encoding="utf-8")
    with sandbox.open([path]) as session:
        yield session


@pytest.mark.parametrize("code", ["while True: pass", STUBBORN, NATIVE, FLOOD, REGEX])
def test_a_step_over_time_is_killed_and_the_next_starts_afresh(session, code):
    session.run("kept = 1")
    execution = session.run(code, timeout=0.5)
    assert execution.error.kind == "Timeout"
    assert "Python was restarted" in execution.error.message
    assert execution.seconds < 5
    assert not session.alive
    assert session.run("kept").error.kind == "NameError"
    assert session.run("len(df)").stdout == "2\n"
    assert session.alive


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os._exit(3)", "exit status 3"),
        ("import os; os.abort()", "SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os; os.closerange(0, 1000)", "exit status 1"),
        (CHANNEL.format("os.write(fd, b'garbage, and a lot of it')"), "no report"),
        (CHANNEL.format(r"os.write(fd, b'\xff\xff\xff\xff')"), "no report"),
        (CHANNEL.format(r"os.write(fd, b'\0\0\0\2[]')"), "no report"),
        (CHANNEL.format(r"os.write(fd, b'\0\0\0\2{}')"), "no report"),
        (CHANNEL.format(r"""os.write(fd, b'\0\0\0\x0c{"stdout":3}')"""), "no report"),
    ],
)
def test_a_crash_is_told_and_the_next_step_starts_afresh(session, code, reason):
    execution = session.run(code, timeout=3)
    assert execution.error.kind == "Crashed"
    assert reason in execution.error.message
    assert session.run("len(df)").stdout == "2\n"


def test_a_reply_that_never_ends_is_a_timeout(session):
    code = CHANNEL.format(r"os.write(fd, b'\0\0\1\0{')") + "while True: pass"
    assert session.run(code, timeout=0.5).error.kind == "Timeout"


def test_a_kill_from_outside_is_told_as_out_of_memory(session):
    assert session.run("import os; os.kill(os.getpid(), 9)").error.kind == "MemoryLimit"


def test_processor_time_is_limited_over_all_steps(tmp_path):
    with sandbox.open([], sandbox.Limits(cpu_seconds=1)) as session:
        error = session.run("while True: pass").error
    assert error.kind == "Timeout"
    assert "processor time" in error.message


def test_a_file_has_a_largest_size(session):
    code = "with open('big', 'wb') as f:\n    for _ in range(80): f.write(bytes(2**20))"
    assert session.run(code).error.kind == "OSError"


def test_an_interrupt_from_another_thread_ends_the_step_at_once(session):
    threading.Timer(0.3, session.interrupt).start()
    execution = session.run("while True: pass")
    assert execution.error.kind == "Stopped"
    assert execution.seconds < 1.3
    assert not session.alive
    assert session.run("1").error.kind == "Stopped"


def test_closing_from_another_thread_ends_the_step(session):
    threading.Timer(0.3, session.close).start()
    assert session.run("while True: pass").error.kind == "Stopped"


def test_a_closed_session_says_so(session):
    session.close()
    session.close()
    assert session.run("1").error.kind == "Stopped"
    with pytest.raises(sandbox.SandboxError):
        session.profile()


def test_files_survive_a_restart_and_inputs_are_fresh(session):
    session.run("open('note.txt', 'w').write('kept')\nopen('t.csv', 'w').write('gone')")
    session.run("import os; os._exit(0)")
    assert session.run("len(pd.read_csv('t.csv'))").stdout == "2\n"
    assert session.read_file("note.txt") == b"kept"


def test_a_link_left_under_an_inputs_name_is_not_written_through(session, tmp_path):
    """Made from outside: code cannot make one where Landlock holds."""
    victim = tmp_path / "victim"
    victim.write_text("safe", encoding="utf-8")
    folder = Path(session.run("import os\nos.remove('t.csv')\nprint(os.getcwd())").stdout.strip())
    (folder / "t.csv").symlink_to(victim)
    session.run("os._exit(0)")
    assert session.run("len(df)").stdout == "2\n"
    assert victim.read_text(encoding="utf-8") == "safe"


def test_an_input_that_is_gone_at_the_restart_is_told(session, tmp_path):
    (tmp_path / "t.csv").unlink()
    session.run("import os; os._exit(0)")
    for _ in range(2):
        error = session.run("1").error
        assert (error.kind, error.message) == (
            "Crashed",
            "t.csv cannot be copied: No such file or directory.",
        )
