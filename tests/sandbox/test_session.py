"""Sessions side by side: what they share (nothing), what they leave behind (nothing)."""

import dataclasses
import os
import select
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

import sandbox
from sandbox import bench, host, lockdown, processes, soak


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n2\n", encoding="utf-8")
    return path


def test_two_sessions_share_no_variables_and_no_folder(path):
    with sandbox.open([path]) as one, sandbox.open([path]) as two:
        one.run("secret = 1\ndf['a'] = 0\nopen('own.txt', 'w').write('x')")
        one.run("import builtins\nbuiltins.len = None")
        assert two.run("secret").error.kind == "NameError"
        assert two.run("len(df), df['a'].sum()").stdout == "(2, 3)\n"
        with pytest.raises(sandbox.InputError):
            two.read_file("own.txt")


def test_fifty_sessions_leave_nothing_behind(path):
    sandbox.warm()
    before = dataclasses.astuple(soak.resources())[:4]
    for number in range(50):
        session = sandbox.open([path])
        session.run("1" if number % 5 else "import os; os._exit(1)")
        session.close()
    assert dataclasses.astuple(soak.resources())[:4] == before


def test_many_threads_open_sessions_at_once(path):
    outputs = []

    def work(number):
        with sandbox.open([path]) as session:
            outputs.append(session.run(f"df['a'].sum() + {number}").stdout)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outputs) == sorted(f"{3 + number}\n" for number in range(8))


def test_the_warm_process_outlives_the_thread_that_started_it(path):
    sandbox.shutdown()
    thread = threading.Thread(target=sandbox.warm)
    thread.start()
    thread.join()
    pid = host.warm_process()._process.pid
    with sandbox.open([path]) as session:
        assert session.run("1").stdout == "1\n"
    assert host.warm_process()._process.pid == pid


def test_a_dead_warm_process_is_replaced(path):
    with sandbox.open([path]) as old:
        old.run("open('note.txt', 'w').write('kept')")
        host.warm_process()._process.kill()
        with sandbox.open([path]) as new:
            assert new.run("1").stdout == "1\n"
        assert old.run("1").error.kind == "Crashed"
        assert old.run("len(df)").stdout == "2\n"
        assert old.read_file("note.txt") == b"kept"


def test_everything_dies_with_the_app(path, tmp_path):
    code = (
        "import os, sandbox, sandbox.host as h\n"
        f"session = sandbox.open([{str(path)!r}])\n"
        "pids = [h.warm_process()._process.pid, session._child.pid]\n"
        "print(*pids, flush=True)\n"
        "session.run('while True: pass')\n"
    )
    # A killed app cannot remove its folder.
    env = os.environ | {"TMPDIR": str(tmp_path)}
    app = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
    pids = [int(pid) for pid in app.stdout.readline().split()]
    handles = [os.pidfd_open(pid) for pid in pids]
    app.kill()
    app.communicate()
    for handle in handles:
        assert has_ended(handle)
        os.close(handle)


def has_ended(handle):
    return bool(select.select([handle], [], [], 10)[0])


def test_shutdown_closes_all_and_removes_the_folders(path):
    session = sandbox.open([path])
    root = host.root().path
    assert root.is_dir() and root.parent == Path(tempfile.gettempdir())
    sandbox.shutdown()
    assert not root.exists()
    assert session.run("1").error.kind == "Stopped"


def test_nothing_of_the_apps_environment_is_in_the_child(path, monkeypatch):
    sandbox.shutdown()
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    with sandbox.open([path]) as session:
        code = "import os\nprint(dict(os.environ))\nprint(open('/proc/self/environ').read())"
        text = session.run(code).stdout
        assert "PATH" in text
        assert "verysecret" not in text
        home = session.run("os.path.expanduser('~') == os.getcwd()").stdout
        assert home == "True\n"


def test_the_child_holds_no_descriptor_but_its_channel(path):
    code = """
import os
null, found = os.stat('/dev/null').st_rdev, {}
for number in range(1000):
    try:
        found[number] = os.fstat(number).st_rdev == null
    except OSError:
        pass
found
"""
    with sandbox.open([path]) as session:
        channel = lockdown.CHANNEL_FD
        assert session.run(code).stdout == f"{ {0: True, 1: True, 2: True, channel: False} }\n"


def test_the_rules_of_the_kernel_hold(path):
    limits = sandbox.Limits(memory_bytes=2**31, file_bytes=2**20, cpu_seconds=77)
    code = """
import os, resource, ctypes
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
names = ('RLIMIT_AS', 'RLIMIT_FSIZE', 'RLIMIT_CPU', 'RLIMIT_CORE')
caps = [resource.getrlimit(getattr(resource, name)) for name in names]
print(caps, status['NoNewPrivs'].strip(), ctypes.CDLL(None).prctl(3), status['Threads'].strip())
print(os.getsid(0) == os.getpid() == os.getpgid(0))
"""
    with sandbox.open([path], limits) as session:
        lines = session.run(code).stdout.splitlines()
    caps = [(n, n) for n in (2**31, 2**20, 77, 0)]
    assert lines == [f"{caps} 1 0 1", "True"]


def test_code_cannot_import_the_app(path):
    with sandbox.open([path]) as session:
        assert session.run("import agent").error.kind == "ModuleNotFoundError"


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, sandbox; print({'pandas', 'numpy', 'matplotlib', 'duckdb'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_another_system_than_linux_is_refused_plainly(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(sandbox.SandboxError, match="runs on Linux only"):
        sandbox.open([])


def test_a_warm_process_that_cannot_start_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "BOOT", "import no_such_module")
    with pytest.raises(sandbox.SandboxError, match="No module named 'no_such_module'"):
        processes.WarmProcess(tmp_path)


def test_a_warm_process_with_threads_is_refused(tmp_path, monkeypatch):
    thread = "import threading, time; threading.Thread(target=time.sleep, args=(9,)).start(); "
    monkeypatch.setattr(processes, "BOOT", thread + processes.BOOT)
    with pytest.raises(sandbox.SandboxError, match="2 threads"):
        processes.WarmProcess(tmp_path)


def test_the_bench_gives_ratios_and_tables(monkeypatch):
    monkeypatch.setattr(bench, "WORKERS", (1,))
    monkeypatch.setattr(bench, "PAUSE_SECONDS", (0.0, 0.1))
    figures = bench.bench(rounds=1, seconds=0.2)
    assert figures["median_ms"]["session"]["second"] < figures["median_ms"]["fresh"]["second"]
    assert all(ms > 0 for ms in figures["lockdown_ms"].values())
    text = bench.table(figures)
    assert "| fresh `python -c` |" in text and "| DataSense session |" in text
    assert "| libraries, 1 worker |" in text
    assert "| 8 at once, 8 hostile ones beside |" in text
