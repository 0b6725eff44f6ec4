"""Whether anything leaks: `python -m sandbox soak` runs many episodes through a pool.

Honest ones are mixed with those that fail, crash, run out of time or write files. What each
one gives is checked, and what is left of them all is counted: processes, descriptors, folders,
memory of the host and of the warm process, at a tenth and at the end.
"""

import os
import sys
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path

from tqdm import tqdm

import sandbox
from sandbox import host
from sandbox.records import MIB

TIMEOUT_SECONDS = 0.05
# By then the warm process has its spare child again, which is counted in its descriptors.
SETTLE_SECONDS = 1.0
# An allocator's own breathing. A leak of 2 KiB an episode is more.
GROWTH_BYTES = 16 * MIB
# What an episode's steps are, and the kinds of their errors ("" for none).
EPISODES = (
    ("df['a'].sum()", "", "df.describe()", ""),
    ("x = df['a'] * 2", "", "print(x.mean())", ""),
    ("df.groupby('b')['a'].sum()", "", "sql('select sum(a) from df')", ""),
    ("df['c']", "KeyError", "df['a'].max()", ""),
    ("raise SystemExit", "SystemExit", "1", ""),
    ("import os; os._exit(3)", "Crashed", "len(df)", ""),
    ("import ctypes; ctypes.string_at(0)", "Crashed", "len(df)", ""),
    ("while True: pass", "Timeout", "len(df)", ""),
    ("df.to_csv('out.csv')", "", "pd.read_csv('out.csv').shape", ""),
    ("open('big', 'wb').write(bytes(2**20))", "", "while True: pass", "Timeout"),
)


@dataclass(frozen=True)
class Resources:
    """What the sandbox holds now: numbers of things, and bytes of memory."""

    processes: int
    descriptors: int
    warm_descriptors: int
    folders: int
    host_bytes: int
    warm_bytes: int


def main(episodes: int, workers: int) -> int:
    """Runs `episodes` and prints what is left of them; returns 1 if anything is, else 0."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, sandbox.Pool(workers) as pool:
        path = Path(folder) / "table.csv"
        path.write_text("a,b\n1,x\n2,y\n", encoding="utf-8")
        wrong, measured = run(pool, path, episodes)
    seconds = time.monotonic() - started
    print(f"{episodes:,} episodes, {episodes / seconds:.1f} a second, {wrong} with a wrong outcome.")
    print(table(measured))
    grown = growth(measured)
    print(f"Grown: {', '.join(grown)}." if grown else "Nothing has grown.")
    return 1 if grown or wrong else 0


def run(pool: sandbox.Pool, path: Path, episodes: int) -> tuple[int, list[Resources]]:
    """Returns the number of wrong outcomes, and the resources at the start, a tenth and the end."""
    # All that is imported or cached on first use is so before the first count.
    list(pool.map(lambda number: episode(pool, path, number), range(2 * len(EPISODES))))
    parts, wrong = [episodes // 10, episodes - episodes // 10], 0
    measured = [resources()]
    with tqdm(total=episodes, file=sys.stderr) as progress:
        for part in parts:
            for right in pool.map(lambda number: episode(pool, path, number), range(part)):
                wrong += not right
                progress.update()
            measured.append(resources())
    return wrong, measured


def episode(pool: sandbox.Pool, path: Path, number: int) -> bool:
    """Runs one of EPISODES in a session of its own; tells whether all steps ended as they should."""
    first, first_kind, second, second_kind = EPISODES[number % len(EPISODES)]
    with pool.open([path]) as session:
        kinds = [_kind(session, first), _kind(session, second)]
    return kinds == [first_kind, second_kind]


def _kind(session: sandbox.Session, code: str) -> str:
    timeout = TIMEOUT_SECONDS if "while True" in code else None
    error = session.run(code, timeout).error
    return error.kind if error else ""


def resources() -> Resources:
    """Returns what is held while no session is opened or closed; takes SETTLE_SECONDS."""
    time.sleep(SETTLE_SECONDS)
    warm = host.warm_process()._process.pid
    children = Path(f"/proc/{warm}/task/{warm}/children").read_text(encoding="ascii").split()
    return Resources(
        # The spare child becomes the leader of a session only when it is given to one.
        processes=sum(os.getsid(int(pid)) == int(pid) for pid in children),
        descriptors=len(os.listdir("/proc/self/fd")),
        warm_descriptors=len(os.listdir(f"/proc/{warm}/fd")),
        folders=len(os.listdir(host.root().path)),
        host_bytes=_resident_bytes(os.getpid()),
        warm_bytes=_resident_bytes(warm),
    )


def _resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def growth(measured: list[Resources]) -> list[str]:
    """Returns the names of what is more at the end: than at the start, or of memory than at a tenth."""
    start, tenth, end = measured
    names = ("processes", "descriptors", "warm_descriptors", "folders")
    grown = [name for name in names if getattr(end, name) > getattr(start, name)]
    memory = ("host_bytes", "warm_bytes")
    return grown + [name for name in memory if getattr(end, name) - getattr(tenth, name) > GROWTH_BYTES]


def table(measured: list[Resources]) -> str:
    """Returns the counts as a Markdown table."""
    names = ("processes", "descriptors", "warm process's descriptors", "folders")
    names += ("memory of the host, MiB", "memory of the warm process, MiB")
    rows = ["| | start | at 10 % | end |", "|---|---:|---:|---:|"]
    for name, values in zip(names, zip(*map(astuple, measured), strict=True), strict=True):
        shown = [f"{value / MIB:.1f}" if name.endswith("MiB") else str(value) for value in values]
        rows.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(rows)
