"""Many sessions at once, for training rollouts and benchmarks: no more than fit, each in its turn.

    with sandbox.Pool(workers=8) as pool:
        for trajectory in pool.map(lambda problem: rollout(pool, problem), problems):
            ...

where `rollout` opens its session by `with pool.open(problem.files) as session`. All sessions come
from the one warm process; if it dies, each finds itself in a new child with its files.
"""

import dataclasses
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sandbox import inputs
from sandbox.records import MIB, Limits, SandboxError
from sandbox.session import Session

# Of the machine's memory, what all sessions together may take: the app lives there too.
SHARE = 0.8
# The libraries reserve 1.5 GiB of address space (and use little of it); with less than this,
# scikit-learn cannot be imported.
LEAST_MEMORY_BYTES = 2048 * MIB
MEMORY_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

CLOSED = "The pool is closed: no session can be opened in it."

Item = TypeVar("Item")
Result = TypeVar("Result")


class Pool:
    """At most `workers` open sessions. A context manager; may be used from any thread."""

    def __init__(self, workers: int, limits: Limits = Limits()) -> None:  # noqa: B008 (frozen)
        """Makes room for `workers` sessions; starts nothing.

        Args:
            workers: Sessions that may be open at once.
            limits: What each may use. `memory_bytes` is made less where the machine has not so much
                for all of them, but not less than LEAST_MEMORY_BYTES.

        Raises ValueError if `workers` is less than 1.
        """
        if workers < 1:
            raise ValueError(f"A pool needs at least 1 worker, not {workers}.")
        share = max(int(machine_memory() * SHARE) // workers, LEAST_MEMORY_BYTES)
        self.workers = workers
        self.limits = dataclasses.replace(limits, memory_bytes=min(limits.memory_bytes, share))
        self._free = workers
        self._turns: deque[Future[None]] = deque()
        self._open: set[Session] = set()
        self._closed = False
        self._lock = threading.Lock()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, files: Sequence[str | Path], names: Sequence[str] | None = None) -> Session:
        """Returns a session as `sandbox.open` does; waits its turn while `workers` are open.

        Closing the session makes room for who has waited longest. A thread that has a session open
        and asks for another one may wait for itself.

        Raises what `sandbox.open` raises, SandboxError also if the pool is closed.
        """
        shown = names if names is not None else [Path(path).name for path in files]
        checked = inputs.check(files, shown, self.limits)
        self._take_turn()
        try:
            session = Session(checked, self.limits)
        except BaseException:
            self._give_turn()
            raise
        session.on_close = self._forget
        with self._lock:
            self._open.add(session)
            closed = self._closed
        if closed:
            session.close()
            raise SandboxError(CLOSED)
        return session

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Yields `function` of each item, in the items' order, worked out on `workers` threads.

        Takes no more than twice `workers` items ahead of what has been yielded. What `function`
        raises is raised at its item's turn, and what has not begun by then never does.
        """
        items = iter(items)
        with ThreadPoolExecutor(self.workers, thread_name_prefix="sandbox-pool") as threads:
            ahead: deque[Future[Result]] = deque()
            try:
                for item in itertools.islice(items, 2 * self.workers):
                    ahead.append(threads.submit(function, item))
                while ahead:
                    yield ahead.popleft().result()
                    ahead.extend(threads.submit(function, item) for item in itertools.islice(items, 1))
            finally:
                for future in ahead:
                    future.cancel()

    def close(self) -> None:
        """Closes its sessions; who waits for one is told so. More than once does nothing."""
        with self._lock:
            self._closed = True
            while self._turns:
                self._turns.popleft().set_exception(SandboxError(CLOSED))
            sessions = list(self._open)
        for session in sessions:
            session.close()

    def _take_turn(self) -> None:
        with self._lock:
            if self._closed:
                raise SandboxError(CLOSED)
            if self._free:
                self._free -= 1
                return
            turn: Future[None] = Future()
            self._turns.append(turn)
        try:
            turn.result()
        except KeyboardInterrupt:
            with self._lock:
                given = turn not in self._turns
                if not given:
                    self._turns.remove(turn)
            if given:
                self._give_turn()
            raise

    def _give_turn(self) -> None:
        with self._lock:
            if self._turns:
                self._turns.popleft().set_result(None)
            else:
                self._free += 1

    def _forget(self, session: Session) -> None:
        with self._lock:
            self._open.discard(session)
        self._give_turn()


def machine_memory() -> int:
    """Returns the bytes of memory that this machine, or the container around the app, has."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in MEMORY_FILES:
        text = path.read_text().strip() if path.exists() else "max"
        found += [int(text)] if text.isdecimal() else []
    return min(found)
