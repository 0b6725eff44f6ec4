"""Attacks: memory, by every way to take some, and processor time."""

import pytest

import sandbox

FILL = """
import os
files = []
try:
    for number in range(100):
        files.append(os.pipe())
except OSError as error:
    print(error.strerror)
"""
SHARED = """
import mmap
held = []
while True:
    held.append(mmap.mmap(-1, 2**28))
"""
RECURSION = "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f()\nf()"
DEEP_PICKLE = "import pickle\nvalue = []\nfor _ in range(10**6): value = [value]\nrepr(value)"


@pytest.fixture
def small(honest):
    with sandbox.open([], sandbox.Limits(memory_bytes=2**31, wall_seconds=5)) as session:
        yield session


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("bytearray(2**32)", id="bytes"),
        pytest.param("[0] * 2**31", id="a list"),
        pytest.param("'x' * 2**33", id="text"),
        pytest.param("np.ones(2**29)", id="NumPy"),
        pytest.param("pd.concat([pd.DataFrame({'a': np.zeros(10**7)})] * 100)", id="pandas"),
        pytest.param("pd.DataFrame({'a': [1] * 10**5}).merge(pd.DataFrame({'a': [1] * 10**5}))", id="a join"),
        pytest.param(SHARED, id="anonymous maps"),
        pytest.param("1 << 2**36", id="a number"),
        pytest.param("held = []\nwhile True: held.append(bytes(10**7))", id="little by little"),
        pytest.param("sql('select list(range) from range(1000000000)')", id="DuckDB"),
        pytest.param(
            "import zlib, sys; zlib.decompressobj().decompress(zlib.compress(bytes(2**30)))", id="zip"
        ),
    ],
)
def test_memory_ends_at_its_limit_with(small, code):
    error = small.run(code).error
    assert error is not None
    told = f"{error.kind} {error.message}".lower()
    assert any(word in told for word in ("memory", "allocate", "crashed"))
    assert small.run("1 + 1").stdout == "2\n"


@pytest.mark.parametrize("code", [RECURSION, DEEP_PICKLE], ids=["without end", "of data"])
def test_recursion_ends_its_own_process_at_most(small, code):
    assert small.run(code).error is not None
    assert small.run("1 + 1").stdout == "2\n"


def test_pipes_are_few_and_do_not_grow(attacker):
    """Their memory is the kernel's, and counts nowhere else."""
    assert attacker.output(FILL) == "Too many open files\n"
    assert attacker.run("import fcntl, os; fcntl.fcntl(os.pipe()[0], 1031, 2**20)").error is not None


def test_memory_without_a_name_is_not_to_be_had(attacker):
    """What lies in a memfd counts neither as memory of the process nor as a file of its folder."""
    assert attacker.run("import os; os.memfd_create('x')").error.kind == "PermissionError"


def test_shared_memory_does_not_outlive_the_session(attacker):
    code = "from multiprocessing.shared_memory import SharedMemory; SharedMemory(create=True, size=2**20)"
    assert attacker.run(code).error.kind == "PermissionError"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("np.linalg.svd(np.random.rand(4000, 4000))", id="linear algebra"),
        pytest.param("sum(range(10**12))", id="a sum in C"),
        pytest.param("10 ** (10 ** 9)", id="a number"),
        pytest.param("import time; time.sleep(10**6)", id="sleep"),
        pytest.param("import threading; threading.Lock().acquire(); threading.Event().wait()", id="a wait"),
        pytest.param("import os; os.read(os.pipe()[0], 1)", id="an empty pipe"),
        pytest.param("import signal; signal.pthread_sigmask(0, range(1, 65))\nwhile True: pass", id="deaf"),
        pytest.param("'x'.join(str(i) for i in iter(int, 1))", id="an endless iterator"),
    ],
)
def test_time_ends_at_its_limit_with(attacker, code, honest):
    with sandbox.open([], sandbox.Limits(wall_seconds=0.5)) as session:
        execution = session.run(code)
    assert execution.error.kind == "Timeout"
    assert execution.seconds < 5


def test_alarms_do_not_reach_the_host(attacker):
    code = "import signal, time\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\ntime.sleep(1)"
    assert "SIGALRM" in attacker.run(code).error.message
