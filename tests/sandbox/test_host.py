"""What the host watches and takes: the folder's size, artifacts, neighbours, what the dead left."""

import base64
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sandbox
from sandbox import folders
from sandbox.lockdown import CHANNEL_FD

MANY_FILES = "for n in range(1_000_000):\n    open(f'f{n}', 'w').close()"
BIG_FILES = "for n in range(40):\n    open(f'f{n}', 'wb').write(bytes(2**20))"
DEEP_FOLDERS = "import os\nfor _ in range(1_500):\n    os.mkdir('d' * 9)\n    os.chdir('d' * 9)"
HIDDEN = "import os\nos.mkdir('d')\nopen('d/f', 'w').write('x')\nos.chmod('d', 0)"
WRITE_BODY = f"""
import os, struct
data = struct.pack('>I', len(body)) + body
while data:
    data = data[os.write({CHANNEL_FD}, data):]
"""
HOSTILE = (
    "while True: pass",
    "import os; os._exit(1)",
    "import ctypes; ctypes.string_at(0)",
    "while True: print('x' * 10_000)",
    "kept = [bytearray(2**26) for _ in range(100)]",
    MANY_FILES,
    f"import os; os.write({CHANNEL_FD}, bytes(range(256)) * 99)",
    f"import os; os.close({CHANNEL_FD})\nwhile True: pass",
)


def small(**changes):
    return sandbox.Limits(**{"folder_bytes": 8 * 2**20, "folder_files": 200} | changes)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n2\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        (MANY_FILES, "more than 200 files"),
        (BIG_FILES, "more than 8 MiB"),
        (BIG_FILES + "\nwhile True: pass", "more than 8 MiB"),
        (DEEP_FOLDERS, "more than 200 files"),
    ],
)
def test_a_step_that_fills_the_folder_is_killed_and_told_the_limit(path, code, limit):
    with sandbox.open([path], small()) as session:
        execution = session.run(code, timeout=60)
        assert execution.error.kind == "DiskLimit"
        assert limit in execution.error.message
        assert "emptied" in execution.error.message and "restarted" in execution.error.message
        assert execution.seconds < 30
        assert session.run("import os\nlen(df), os.listdir()").stdout == "(2, ['t.csv'])\n"


def test_a_folder_filled_little_by_little_is_found_full_at_the_step_that_does_it(path):
    with sandbox.open([path], small()) as session:
        kinds = []
        for number in range(6):
            code = f"open('f{number}', 'wb').write(os.urandom(2 * 2**20))"
            error = session.run(f"import os\n{code}").error
            kinds.append(error.kind if error else "")
    assert kinds[3:5] == ["", "DiskLimit"] or kinds[2:4] == ["", "DiskLimit"]


def test_input_files_do_not_count_as_written(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("a\n" + "123456789\n" * 1_000_000, encoding="utf-8")
    with sandbox.open([path], small()) as session:
        assert session.run("len(df)").stdout == "1000000\n"


def test_a_part_that_cannot_be_looked_into_is_not_taken_for_small(tmp_path, monkeypatch):
    def scandir(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert "cannot be looked into" in folders.excess(tmp_path, small(), 0)


@pytest.mark.parametrize("code", [DEEP_FOLDERS, HIDDEN])
def test_no_folder_is_so_deep_or_closed_that_it_stays(code):
    before = len(os.listdir("/proc/self/fd"))
    with sandbox.open([]) as session:
        session.run(code)
        folder = session._folder
    assert not folder.exists()
    assert len(os.listdir("/proc/self/fd")) <= before + 4


def test_a_deep_folder_under_an_inputs_name_does_not_stop_the_next_step(path):
    with sandbox.open([path]) as session:
        deep = "for _ in range(1_100):\n    os.mkdir('d')\n    os.chdir('d')"
        code = f"import os\nos.remove('t.csv')\nos.mkdir('t.csv')\nos.chdir('t.csv')\n{deep}\nos._exit(0)"
        assert session.run(code).error.kind == "Crashed"
        assert session.run("len(df)").stdout == "2\n"


def test_a_thread_that_outlives_its_step_does_nothing_until_the_next(path):
    counting = """
import threading, time
ticks = []
def tick():
    while True:
        ticks.append(1)
        time.sleep(0.002)
threading.Thread(target=tick, daemon=True).start()
time.sleep(0.1)
"""
    with sandbox.open([path]) as session:
        session.run(counting)
        first = int(session.run("len(ticks)").stdout)
        time.sleep(1)
        assert int(session.run("len(ticks)").stdout) - first < 100
        assert int(session.run("time.sleep(0.5)\nlen(ticks)").stdout) - first > 20


@pytest.mark.parametrize("name", ["page.html", "code.py", "picture.svg", "book.xlsm", "data.pkl", "csv"])
def test_a_kind_of_file_that_could_run_something_is_not_taken(name):
    with sandbox.open([]) as session:
        session.run(f"open({name!r}, 'w').write('x')")
        with pytest.raises(sandbox.InputError, match="not of a kind that can be taken out"):
            session.read_file(name)


def forge(report):
    """The code of a step that answers for the child, with `report`."""
    body = json.dumps({"stdout": "", "truncated": 0, "figures": [], "error": None, "number": 2} | report)
    return f"body = {body.encode()!r}\n{WRITE_BODY}"


def test_a_forged_figure_that_is_no_picture_or_too_large_is_left_out():
    png = b"\x89PNG\r\n\x1a\n"
    figures = [b"<script>", png + bytes(2000), png + b"small"]
    code = forge({"figures": [base64.b64encode(figure).decode() for figure in figures]})
    with sandbox.open([], sandbox.Limits(figure_bytes=1000)) as session:
        assert session.run(code).figures == (png + b"small",)


def test_a_forged_error_is_no_longer_than_a_true_one():
    long = "x" * 10**6
    error = {"kind": long, "message": long, "line": long, "lineno": 1, "traceback": long}
    with sandbox.open([]) as session:
        forged = session.run(forge({"error": error, "stdout": long}))
    assert len(json.dumps(forged.error.to_json())) < 10_000
    assert len(forged.stdout) < 10_000


def test_memory_that_leaks_step_by_step_ends_in_an_error_and_not_in_the_machine(path):
    with sandbox.open([path], sandbox.Limits(memory_bytes=2**31)) as session:
        session.run("kept = []")
        errors = [session.run("kept.append(bytearray(100 * 2**20))").error for _ in range(12)]
        assert errors[0] is None
        assert errors[-1].kind in ("MemoryError", "NameError")
        session.run("kept = None")
        assert session.run("len(df)").stdout == "2\n"


def test_a_crash_beside_running_siblings_disturbs_none_of_them(path):
    with sandbox.open([path]) as one, sandbox.open([path]) as two, ThreadPoolExecutor(1) as thread:
        two.run("x = 5")
        running = thread.submit(one.run, "import time\ntime.sleep(0.5)\nlen(df)")
        assert two.run("import os; os.abort()").error.kind == "Crashed"
        assert running.result().stdout == "2\n"
        assert two.run("len(df)").stdout == "2\n"


def test_eight_sessions_with_a_hostile_neighbour_each_all_answer_right(path):
    def honest(number):
        with pool.open([path]) as session:
            return [session.run(f"df['a'].sum() * {number} + {step}").stdout for step in range(5)]

    def hostile(code):
        limits = small(memory_bytes=2**31)
        with sandbox.open([path], limits) as session:
            return session.run(code, timeout=2).error is not None

    with sandbox.Pool(8) as pool, ThreadPoolExecutor(16) as threads:
        attacks = [threads.submit(hostile, code) for code in HOSTILE]
        answers = list(threads.map(honest, range(8)))
        assert answers == [[f"{3 * n + step}\n" for step in range(5)] for n in range(8)]
        assert all(attack.result() for attack in attacks)


def test_two_sessions_are_told_apart_although_one_child_was_forked_ahead(path):
    for _ in range(3):
        time.sleep(0.3)
        with sandbox.open([path]) as session:
            assert session.run("len(df)").stdout == "2\n"
            assert session.run("import random\nrandom.random()").stdout == "0.8444218515250481\n"
            assert session.run("table").error.kind == "NameError"


def test_a_child_forked_ahead_that_was_killed_is_replaced(path):
    sandbox.warm()
    time.sleep(0.5)
    warm = sandbox.host.warm_process()._process.pid
    children = Path(f"/proc/{warm}/task/{warm}/children").read_text(encoding="ascii").split()
    spare = [int(pid) for pid in children if os.getsid(int(pid)) != int(pid)]
    assert len(spare) == 1
    handle = os.pidfd_open(spare[0])
    os.kill(spare[0], 9)
    select.select([handle], [], [], 10)
    os.close(handle)
    with sandbox.open([path]) as session:
        assert session.run("len(df)").stdout == "2\n"
        assert session._child.pid != spare[0]


APP = "import sandbox\nwith sandbox.open([]):\n    print('ready', flush=True)\n    input()"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A temporary folder of its own for apps that are started with `start_app`."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def start_app():
    app = subprocess.Popen(
        [sys.executable, "-c", APP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert app.stdout.readline() == "ready\n"
    return app


def test_what_a_killed_app_left_is_removed_by_the_next_and_a_living_apps_is_not(temporary):
    dead, living = start_app(), start_app()
    assert len(list(temporary.iterdir())) == 2
    dead.kill()
    dead.communicate()
    theirs = temporary / "datasense-visits-1"
    theirs.mkdir()
    root = folders.new_root()
    assert root.path.exists() and theirs.exists()
    assert len(list(temporary.glob(f"{folders.PREFIX}*"))) == 2
    root.close()
    living.communicate("\n")
    assert list(temporary.glob(f"{folders.PREFIX}*")) == []


def test_apps_that_start_at_once_do_not_remove_each_others_folder(temporary):
    roots = []
    threads = [threading.Thread(target=lambda: roots.append(folders.new_root())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(roots) == 16
    assert all(root.path.is_dir() for root in roots)
    for root in roots:
        root.close()
    assert not os.listdir(temporary)
