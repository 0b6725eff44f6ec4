"""What running model code costs, against the usual ways to run it: `python -m sandbox bench`.

Every round takes each way once, so that all meet the same machine; a figure is the median of the
rounds. Take the ratios, not the milliseconds. A Jupyter kernel and smolagents' executor are
measured where they are installed. That executor runs code in the app's own process, where pandas
is imported already and nothing keeps the code from anything.
"""

import datetime
import importlib.util
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

import sandbox
from sandbox import processes

ROWS = 2_000
TABLE = "table.csv"
IMPORT = "import pandas\nprint(pandas.Timestamp(0))"
DESCRIBE = f"import pandas\nprint(pandas.read_csv({TABLE!r}).describe())"
TIMED = f"import time\nbegan = time.perf_counter()\n{DESCRIBE}\nprint(time.perf_counter() - began)"
# What every session has imported, and a fresh process has yet to.
LIBRARIES = "import numpy, pandas, matplotlib.pyplot"
LOADS = {"libraries": LIBRARIES, "describe": DESCRIBE}
WORKERS = (1, 2, 4)
# Timed in a process like a child's, since much of it is the first touch of pages.
LOCKDOWN = """
import os, socket, sys, time
from pathlib import Path
from sandbox import lockdown, wire, zygote
from sandbox.records import Limits
zygote.prepare()
for turn in range(2 * int(sys.argv[1])):
    in_reserve = turn % 2
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        if in_reserve:
            lockdown.prepare(Path.cwd())
        began = time.perf_counter()
        channel = lockdown.lock(Limits(), Path.cwd(), theirs)
        wire.send(channel, {"ms": (time.perf_counter() - began) * 1000})
        os._exit(0)
    theirs.close()
    print(in_reserve, wire.receive(ours)["ms"], file=sys.stderr)
    os.wait()
"""
# What eight bad neighbours do, each again and again in new sessions, until time is over.
HOSTILE = (
    "while True: pass",
    "while True: print('x' * 10_000)",
    "import re\nre.match('(a+)+b', 'a' * 40)",
    "import numpy\nwhile True: numpy.random.rand(20_000_000).sort()",
    "import zlib, threading\ndef burn():\n    while True: zlib.compress(bytes(2**24))\n"
    "for _ in range(8): threading.Thread(target=burn).start()\nburn()",
    "while True: open('f', 'wb').write(bytes(2**26))",
    "n = 0\nwhile True:\n    open(f'f{n % 5_000}', 'w').close()\n    n += 1",
    "while True: df.sort_values('value').groupby('group').describe()",
)
VISITORS = 8
# Between two steps a model writes the next one; it takes seconds.
PAUSE_SECONDS = (0.5, 2.5)

Times = dict[str, float]


def bench(rounds: int = 15, seconds: float = 3.0) -> dict[str, Any]:
    """Returns medians in milliseconds, executions a second, and what they rest on.

    Args:
        rounds: How often each way to run code is measured.
        seconds: That each number of workers is kept busy, for each load.
    """
    sandbox.warm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / TABLE)
        lockdown = lockdown_ms(folder, 10 * rounds)
        found = ways()
        times: dict[str, list[Times]] = {way: [] for way in found}
        for _ in tqdm(range(rounds), "rounds", file=sys.stderr):
            for way, measure in found.items():
                times[way].append(measure(folder))
        rates = {
            str(workers): {load: rate(code, folder, workers, seconds) for load, code in LOADS.items()}
            for workers in tqdm(WORKERS, "workers", file=sys.stderr)
        }
        figures = {
            "median_ms": {way: medians(measured) for way, measured in times.items()},
            "lockdown_ms": lockdown,
            "executions_per_second": rates,
            "visit_ms": neighbours(folder, rounds + 1),
        }
    return figures | {"rounds": rounds} | provenance()


def ways() -> dict[str, Callable[[Path], Times]]:
    """Returns the ways that can be measured here, by name; each takes the folder of the table."""
    found = {"fresh": fresh, "session": session}
    if importlib.util.find_spec("jupyter_client") and importlib.util.find_spec("ipykernel"):
        found["jupyter"] = jupyter
    if importlib.util.find_spec("smolagents"):
        found["smolagents"] = smolagents
    return found


def fresh(folder: Path) -> Times:
    """A new `python -c` for each execution, so a second step is all of it once more."""
    return {
        "import": milliseconds(lambda: run_fresh(IMPORT, folder)),
        "describe": milliseconds(lambda: run_fresh(DESCRIBE, folder)),
        "second": milliseconds(lambda: run_fresh(DESCRIBE, folder)),
    }


def session(folder: Path) -> Times:
    """Sessions, from opening to output; `overhead` is of a second step what is not its own work."""
    began = time.perf_counter()
    with sandbox.open([]) as opened:
        run_step(opened, IMPORT)
        times = {"import": (time.perf_counter() - began) * 1000}
    # The next child is forked ahead when the sandbox is idle for a moment, as between two visitors.
    time.sleep(0.3)
    began = time.perf_counter()
    with sandbox.open([folder / TABLE]) as opened:
        run_step(opened, DESCRIBE)
        times["describe"] = (time.perf_counter() - began) * 1000
        times["second"] = milliseconds(lambda: run_step(opened, DESCRIBE))
        began = time.perf_counter()
        inner = float(run_step(opened, TIMED).splitlines()[-1])
        times["overhead"] = (time.perf_counter() - began - inner) * 1000
    return times


def jupyter(folder: Path) -> Times:
    """A Jupyter kernel (jupyter_client, ipykernel), from its start to its idle message."""
    from jupyter_client.manager import start_new_kernel

    def start_and_run(code: str) -> tuple[Any, Any]:
        manager, client = start_new_kernel(cwd=str(folder), stderr=subprocess.DEVNULL)
        client.execute_interactive(code, output_hook=lambda _: None)
        return manager, client

    def stop(manager: Any, client: Any) -> None:
        client.stop_channels()
        manager.shutdown_kernel(now=True)

    began = time.perf_counter()
    kernel = start_and_run(IMPORT)
    times = {"import": (time.perf_counter() - began) * 1000}
    stop(*kernel)
    began = time.perf_counter()
    kernel = start_and_run(DESCRIBE)
    times["describe"] = (time.perf_counter() - began) * 1000
    times["second"] = milliseconds(
        lambda: kernel[1].execute_interactive(DESCRIBE, output_hook=lambda _: None)
    )
    stop(*kernel)
    return times


def smolagents(folder: Path) -> Times:
    """smolagents' LocalPythonExecutor, which interprets the code in this very process."""
    from smolagents.local_python_executor import LocalPythonExecutor

    code = DESCRIBE.replace(TABLE, str(folder / TABLE))

    def start_and_run(code: str) -> LocalPythonExecutor:
        executor = LocalPythonExecutor(["pandas"])
        executor.send_tools({})
        executor(code)
        return executor

    times = {"import": milliseconds(lambda: start_and_run(IMPORT))}
    began = time.perf_counter()
    executor = start_and_run(code)
    times["describe"] = (time.perf_counter() - began) * 1000
    return times | {"second": milliseconds(lambda: executor(code))}


def rate(code: str, folder: Path, workers: int, seconds: float) -> dict[str, float]:
    """Returns the executions of `code` a second, in fresh processes and in sessions of a Pool."""
    with sandbox.Pool(workers) as pool:
        per_second = {
            "fresh": _per_second(lambda: run_fresh(code, folder), workers, seconds),
            "session": _per_second(lambda: run_session(code, folder, pool.open), workers, seconds),
        }
    return per_second | {"ratio": per_second["session"] / per_second["fresh"]}


def _per_second(work: Callable[[], object], workers: int, seconds: float) -> float:
    began = time.perf_counter()

    def repeat(_: int) -> int:
        count = 0
        while time.perf_counter() - began < seconds:
            work()
            count += 1
        return count

    with ThreadPoolExecutor(workers) as threads:
        count = sum(threads.map(repeat, range(workers)))
    return count / (time.perf_counter() - began)


def neighbours(folder: Path, visits: int) -> dict[str, Times]:
    """Returns median and 95th percentile of the sandbox's milliseconds in a visit.

    A visit is a session with the table and two steps. One visitor alone, then VISITORS at once, then
    these with as many neighbours that do what is in HOSTILE; each comes as often as `visits` says.
    """
    return {
        "one alone": _visits(folder, 1, visits),
        f"{VISITORS} at once": _visits(folder, VISITORS, visits),
        f"{VISITORS} at once, {len(HOSTILE)} hostile ones beside": _visits(folder, VISITORS, visits, HOSTILE),
    }


def _visits(folder: Path, visitors: int, visits: int, hostile: tuple[str, ...] = ()) -> Times:
    over = threading.Event()
    with ThreadPoolExecutor(visitors + len(hostile)) as threads:
        attacks = [threads.submit(_attack, code, folder, over) for code in hostile]
        try:
            found = [threads.submit(_visit_often, folder, number, visits) for number in range(visitors)]
            times = [ms for visitor in found for ms in visitor.result()]
        finally:
            over.set()
        for attack in attacks:
            attack.result()
    return {"median": statistics.median(times), "p95": statistics.quantiles(times, n=20)[-1]}


def _visit_often(folder: Path, number: int, visits: int) -> list[float]:
    draw, times = random.Random(number), []
    for _ in range(visits):
        time.sleep(draw.uniform(*PAUSE_SECONDS))
        began = time.perf_counter()
        with sandbox.open([folder / TABLE]) as opened:
            run_step(opened, DESCRIBE)
            ms = (time.perf_counter() - began) * 1000
            time.sleep(draw.uniform(*PAUSE_SECONDS))
            ms += milliseconds(lambda: run_step(opened, DESCRIBE))
        times.append(ms)
    return times


def _attack(code: str, folder: Path, over: threading.Event) -> None:
    while not over.is_set():
        with sandbox.open([folder / TABLE]) as opened:
            watch = threading.Thread(target=lambda: over.wait() and opened.interrupt(), daemon=True)
            watch.start()
            opened.run(code)


def run_fresh(code: str, folder: Path) -> None:
    """Runs code in a new Python process; raises CalledProcessError if it fails."""
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def run_session(code: str, folder: Path, open_session: Callable[..., sandbox.Session]) -> None:
    """Runs code in a new session, which is given the table only if the code reads it."""
    with open_session([folder / TABLE] if TABLE in code else []) as opened:
        run_step(opened, code)


def run_step(opened: sandbox.Session, code: str) -> str:
    """Returns what a step printed; raises RuntimeError if it failed."""
    execution = opened.run(code)
    if execution.error:
        raise RuntimeError(f"{execution.error.kind}: {execution.error.message}")
    return execution.stdout


def lockdown_ms(folder: Path, times: int) -> Times:
    """Returns the median milliseconds that locking down takes, of a child forked now and of a spare one."""
    env = processes.environment(folder) | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", LOCKDOWN, str(times)]
    done = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True)
    taken = [line.split() for line in done.stderr.splitlines()]
    return {
        name: statistics.median(float(ms) for kind, ms in taken if kind == key)
        for name, key in (("forked now", "0"), ("from the reserve", "1"))
    }


def write_table(path: Path) -> None:
    """Writes a CSV of numbers and text with a fixed seed."""
    draw = random.Random(0)
    lines = [f"{draw.choice('abcd')},{draw.randrange(100)},{draw.random():.4f}" for _ in range(ROWS)]
    path.write_text("\n".join(["group,count,value", *lines, ""]), encoding="utf-8")


def milliseconds(work: Callable[[], object]) -> float:
    """Returns the wall time of a call."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def medians(measured: list[Times]) -> Times:
    """Returns the median of each task over the rounds."""
    return {task: statistics.median(times[task] for times in measured) for task in measured[0]}


def provenance() -> dict[str, Any]:
    """What the figures rest on."""
    packages = ("pandas", "numpy", "jupyter_client", "ipykernel", "smolagents")
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in cpuinfo if line.startswith("model name")]
    return {
        "command": " ".join(["python -m sandbox", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "hardware": f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages if importlib.util.find_spec(name)},
    }


def table(figures: dict[str, Any]) -> str:
    """Returns the figures of `bench` as two Markdown tables, each ratio against the fresh process."""
    median_ms = figures["median_ms"]
    titles = {
        "fresh": "fresh `python -c`",
        "jupyter": "Jupyter kernel",
        "smolagents": "smolagents LocalPythonExecutor (no isolation)",
        "session": "DataSense session",
    }
    lines = ["| median ms (times faster) | import pandas | read_csv + describe | second step |"]
    lines.append("|---|---:|---:|---:|")
    for way in (way for way in titles if way in median_ms):
        pairs = [(median_ms[way][task], median_ms["fresh"][task]) for task in median_ms["fresh"]]
        cells = [f"{ms:.1f} ({fresh_ms / ms:.1f})" for ms, fresh_ms in pairs]
        lines.append(f"| {titles[way]} | {' | '.join(cells)} |")
    overhead, lockdown = median_ms["session"]["overhead"], figures["lockdown_ms"]
    lines += ["", f"Second step beyond its own work: {overhead:.1f} ms."]
    lines += [
        "Lockdown of a child: " + ", ".join(f"{ms:.1f} ms {kind}" for kind, ms in lockdown.items()) + ".",
        "",
    ]
    lines.append("| executions a second | fresh | sessions | times |")
    lines.append("|---|---:|---:|---:|")
    for workers, loads in figures["executions_per_second"].items():
        for load, found in loads.items():
            name = f"{load}, {workers} worker{'s' if workers != '1' else ''}"
            lines.append(f"| {name} | {found['fresh']:.1f} | {found['session']:.1f} | {found['ratio']:.1f} |")
    lines += ["", "| a visit (session, table, two steps), ms | median | 95th percentile | times alone |"]
    lines.append("|---|---:|---:|---:|")
    alone = figures["visit_ms"]["one alone"]["median"]
    for name, found in figures["visit_ms"].items():
        median, p95 = found["median"], found["p95"]
        lines.append(f"| {name} | {median:.1f} | {p95:.1f} | {median / alone:.1f} |")
    return "\n".join(lines)
