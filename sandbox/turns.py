"""Whose step runs when there are more steps than processors: short ones go before long ones.

The kernel shares the processors evenly, so beside eight endless loops a step of a moment takes many
times as long. Here a step that has had its moment gives way while there are others that have not,
as in a multilevel feedback queue. The host stops and continues whole processes for that and does not
lower their priority: an ordinary user cannot raise it again, and where the kernel groups processes
by session (autogroup) it says nothing between two children.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sandbox.processes import Child

# A step is short until it has used so much of a processor, or taken so long; what sleeps is not to
# hold others up for ever.
SHORT_CPU_SECONDS = 0.5
SHORT_SECONDS = 3.0
# A long step is held no longer at a time, and then runs at least so long: it always gets on.
HOLD_SECONDS = 1.0
RUN_SECONDS = 0.2


@dataclass(eq=False)
class Turn:
    """A request that a child works at; `used` and `threads` are as of the last look at it."""

    child: Child
    began: float
    cpu_before: float
    used: float = 0.0
    threads: int = 1
    held_since: float | None = None
    free_until: float = 0.0

    def is_short(self, now: float) -> bool:
        return self.used < SHORT_CPU_SECONDS and now - self.began < SHORT_SECONDS

    def hold(self, now: float) -> None:
        """Stops the child, unless it has been held long enough."""
        if self.held_since is None and now >= self.free_until:
            self.held_since = now
            self.child.pause()
        elif self.held_since is not None and now - self.held_since >= HOLD_SECONDS:
            self.free_until = now + RUN_SECONDS
            self.release()

    def release(self) -> None:
        """Lets the child go on."""
        if self.held_since is not None:
            self.held_since = None
            self.child.resume()


class Turns:
    """The turns of all sessions of this app."""

    def __init__(self, processors: int) -> None:
        """Starts with none; as many may run as there are `processors`, less one for the host."""
        self.processors = processors
        self._lock = threading.Lock()
        self._errands = 0
        self._turns: list[Turn] = []

    @contextmanager
    def take(self, child: Child) -> Iterator[Turn]:
        """Counts `child`, which runs, among those that want a processor; afterwards it may be held."""
        turn = Turn(child, time.monotonic(), child.cpu_seconds())
        with self._lock:
            self._turns.append(turn)
            self._arrange()
        try:
            yield turn
        finally:
            with self._lock:
                self._turns.remove(turn)
                self._arrange()

    @contextmanager
    def errand(self) -> Iterator[None]:
        """Counts short work of the host for a session, as starting and ending a child."""
        with self._lock:
            self._errands += 1
            self._arrange()
        try:
            yield
        finally:
            with self._lock:
                self._errands -= 1
                self._arrange()

    def look(self, turn: Turn) -> None:
        """Measures what a turn has used; to be called a few times a second."""
        turn.used = turn.child.cpu_seconds() - turn.cpu_before
        turn.threads = turn.child.threads()
        with self._lock:
            self._arrange()

    def _arrange(self) -> None:
        """Holds the long turns for which the short ones leave no processor, most used first."""
        now = time.monotonic()
        long = [turn for turn in self._turns if not turn.is_short(now)]
        short = self._errands + len(self._turns) - len(long)
        # What is short needs the host, too, to come to its end.
        left = self.processors - (short + 1 if short else 0)
        for turn in sorted(long, key=lambda turn: turn.used):
            if left > 0:
                turn.release()
            else:
                turn.hold(now)
            left -= turn.threads


turns = Turns(len(os.sched_getaffinity(0)))
