"""A session: files, a child process that holds them as tables, and steps of code run in it.

The host believes nothing of what a child says: a step has one deadline, a report that is not one
is a crash, time and files are measured here. A step that ends the process costs its variables; the
next one finds a new process with the tables loaded again.
"""

import dataclasses
import itertools
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sandbox import artifacts, folders, host, inputs, wire
from sandbox.processes import Child, Exit
from sandbox.records import (
    MIB,
    SMALLER,
    Execution,
    ExecutionError,
    InputError,
    Limits,
    Preview,
    Reading,
    SandboxError,
    TableLook,
    TableProfile,
)
from sandbox.turns import Turn, turns

# More than any library starts on a large machine. Address space alone allows a hundred thousand.
MAX_THREADS = 512
SHOWN = ".shown.csv"
PNG = b"\x89PNG\r\n\x1a\n"
# What a child says of an error is as long as it wants; these are what an honest one keeps to.
MESSAGE_CHARS = 500
TRACEBACK_CHARS = 2_000
# What the note in the middle of cut output may add to it.
NOTE_CHARS = 100
# A process that closes its channel is mostly about to end, and then its status tells why.
GRACE_SECONDS = 0.5
NO_REPORT = "The step gave no report."
STOPPED = "This session was stopped."
LOST = "Python was restarted; variables from earlier steps are gone."


def open(
    files: Sequence[str | Path],
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    names: Sequence[str] | None = None,
    reading: Reading = Reading(),  # noqa: B008 (frozen)
) -> "Session":
    """Returns a session that has read the files.

    Args:
        files: Paths of the data files; they are copied, never changed.
        limits: What the session may use.
        names: The files' names as their owner knows them, if the paths are temporary ones.
        reading: How they are to be read, where what would be found is wrong.

    Raises InputError if a file cannot be used, SandboxError if this machine cannot run it.
    """
    shown = names if names is not None else [Path(path).name for path in files]
    return Session(inputs.check(files, shown, limits), limits, reading)


class _Ended(Exception):
    """The child ended without an answer; `kind` is that of the ExecutionError."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(kind, why)
        self.kind = kind
        self.why = why

    @property
    def error(self) -> ExecutionError:
        lost = "" if self.kind == "Stopped" else f" {LOST}"
        return ExecutionError(self.kind, self.why + lost)


class Session:
    """One folder and one child process at a time. Made by `sandbox.open`; a context manager.

    Attributes:
        limits: What it may use.
        on_close: Called once with the session when it has been closed, if not None.
    """

    def __init__(
        self,
        files: dict[str, Path],
        limits: Limits,
        reading: Reading = Reading(),  # noqa: B008 (frozen)
    ) -> None:
        """Starts with `files`, paths by safe names; raises what `sandbox.open` does."""
        self.limits = limits
        self.on_close: Callable[[Session], None] | None = None
        self._inputs = files
        self._reading = reading
        self._input_bytes = 0
        self._folder = host.new_folder("session-")
        self._child: Child | None = None
        self._stopped = False
        self._profile: list[TableProfile] | None = None
        self._numbers = itertools.count(1)
        # The first is held while a step runs, the second only while the child is exchanged or
        # killed, so that `interrupt` need not wait for the step.
        self._busy = threading.RLock()
        self._exchange = threading.Lock()
        host.sessions.add(self)
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether there is a process with variables in it."""
        with self._exchange:
            return not self._stopped and self._child is not None and not self._child.ended()

    def profile(self) -> list[TableProfile]:
        """Returns the tables in short; raises SandboxError if the child cannot tell."""
        with self._busy:
            if self._profile is None:
                tables = self._query({"do": "profile"}).get("tables")
                try:
                    self._profile = [TableProfile.from_json(table) for table in tables]
                except (ValueError, TypeError) as error:
                    raise SandboxError(f"The tables cannot be described: {error}.") from None
            return self._profile

    def look(self) -> list[TableLook]:
        """Returns a first look at each table; raises SandboxError if the child cannot tell."""
        try:
            return [TableLook.from_json(table) for table in self._query({"do": "look"}).get("tables")]
        except (ValueError, TypeError) as error:
            raise SandboxError(f"The tables cannot be looked at: {error}.") from None

    def preview(self, name: str, rows: int = 50) -> Preview:
        """Returns the first rows of the table `name`.

        Raises InputError if there is no such table, SandboxError if the child cannot tell.
        """
        try:
            return Preview.from_json(self._query({"do": "preview", "name": name, "rows": rows}))
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise SandboxError(f"The table {name} cannot be shown: {error}.") from None

    def run(self, code: str, timeout: float | None = None) -> Execution:
        """Runs one step and returns what came of it, whatever the code does.

        Args:
            code: Python source, which sees the variables of the steps before.
            timeout: Wall seconds it may take, by default `limits.wall_seconds`.

        Raises SandboxError if no process can be had to run it in.
        """
        seconds = self.limits.wall_seconds if timeout is None else timeout
        with self._busy:
            try:
                self._start()
            except InputError as error:
                return Execution(code, error=ExecutionError("Crashed", str(error)))
            except _Ended as ended:
                return Execution(code, error=ended.error)
            before, started = artifacts.listed(self._folder), time.monotonic()
            report = self._step(code, seconds)
            seconds, files = time.monotonic() - started, artifacts.listed(self._folder)
            changed = tuple(sorted(name for name in files if files[name] != before.get(name)))
            return dataclasses.replace(report, files=changed, seconds=seconds)

    def _step(self, code: str, seconds: float) -> Execution:
        try:
            reply = self._ask({"do": "run", "code": code}, seconds)
            report = Execution.from_json(reply | {"code": code})
        except _Ended as ended:
            return Execution(code, error=ended.error)
        except ValueError:
            self._end()
            return Execution(code, error=_Ended("Crashed", NO_REPORT).error)
        return _bounded(report, self.limits)

    def shown(self) -> bytes | None:
        """Returns the last table that steps printed since this was last asked, as CSV; None if there is none.

        What stands in it is code's: a cell may be a formula. Raises SandboxError if the child cannot tell.
        """
        with self._busy:
            if not self.alive:
                return None
            reply = self._query({"do": "shown", "name": SHOWN})
        try:
            return self.read_file(SHOWN) if reply.get("rows") else None
        except InputError as error:
            raise SandboxError(f"The table cannot be taken out: {error}") from None

    def read_file(self, name: str) -> bytes:
        """Returns a file that code wrote, as it is: a picture is still to be drawn anew.

        Raises InputError if it is not plain, too large, or of a kind not in `artifacts.KINDS`.
        """
        return artifacts.read(self._folder, name, self.limits)

    def interrupt(self) -> None:
        """Kills the child now, from any thread; a running step returns at once as "Stopped"."""
        with self._exchange:
            self._stopped = True
            if self._child is not None:
                self._child.kill()

    def close(self) -> None:
        """Kills the process group, reaps it and removes the folder; more than once does nothing."""
        self.interrupt()
        with self._busy:
            with turns.errand():
                self._end()
                folders.remove(self._folder)
            on_close, self.on_close = self.on_close, None
        host.sessions.discard(self)
        if on_close:
            on_close(self)

    def _start(self) -> None:
        """Sees to it that there is a child with the tables loaded.

        Raises InputError if a file cannot be used, SandboxError if there can be no child.
        """
        if self._stopped:
            raise _Ended("Stopped", STOPPED)
        if self._child is not None:
            return
        with turns.errand():
            self._fork()
        try:
            load = {"do": "load", "files": [*self._inputs], "reading": self._reading.to_json()}
            _raise_input_error(self._ask(load, self.limits.load_seconds))
        except _Ended as ended:
            if ended.kind == "Stopped":
                raise
            raise InputError(self._unread(ended)) from None
        except InputError:
            self._end()
            raise

    def _fork(self) -> None:
        self._folder.mkdir(exist_ok=True)
        inputs.copy(self._inputs, self._folder)
        self._input_bytes = sum((self._folder / name).stat().st_size for name in self._inputs)
        try:
            child = host.warm_process().fork(self._folder, self.limits)
        except SandboxError:
            # It may have died just now, and is replaced.
            child = host.warm_process().fork(self._folder, self.limits)
        with self._exchange:
            self._child = child

    def _unread(self, ended: _Ended) -> str:
        """Why the files cannot be used, with the limits that a child which reads them mostly dies of."""
        if ended.kind == "Stopped":
            return ended.why
        which = ", ".join(self._inputs) or "The session"
        memory, seconds = self.limits.memory_bytes // MIB, self.limits.load_seconds
        return (
            f"{which} cannot be read: {ended.why} Reading may take {memory:,} MiB of memory and "
            f"{seconds:g} s. {SMALLER}."
        )

    def _query(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._busy:
            try:
                self._start()
                reply = self._ask(request, self.limits.load_seconds)
            except _Ended as ended:
                raise SandboxError(self._unread(ended)) from None
            _raise_input_error(reply)
            return reply

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        if self._stopped or self._child is None:
            raise _Ended("Stopped", STOPPED)
        child, number = self._child, next(self._numbers)
        try:
            child.resume()
            with turns.take(child) as turn:
                wire.send(child.channel, request | {"number": number}, seconds)
                reply = wire.receive(child.channel, seconds, lambda: self._watch(turn))
            # A thread that outlives its step would go on where nobody watches.
            child.pause()
            self._check_excess()
            # A frame that code sent early would shift every later answer by one.
            if reply.get("number") != number:
                raise wire.WireError("the frame is not the answer to this request")
            return reply
        except _Ended as ended:
            self._end()
            if ended.kind == "DiskLimit":
                folders.remove(self._folder)
            raise
        except TimeoutError:
            self._end()
            raise _Ended("Timeout", f"No end after {seconds:g} s.") from None
        except wire.WireError:
            ended = child.ended(GRACE_SECONDS)
            exit = self._end()
            if self._stopped:
                raise _Ended("Stopped", STOPPED) from None
            raise (self._cause(exit) if ended else _Ended("Crashed", NO_REPORT)) from None
        except BaseException:
            # Its answer, coming later, would be taken for that to the next request.
            self._end()
            raise

    def _watch(self, turn: Turn) -> None:
        self._check_excess()
        turns.look(turn)

    def _check_excess(self) -> None:
        if self._child is not None and self._child.threads() > MAX_THREADS:
            raise _Ended("Crashed", f"It started more than {MAX_THREADS} threads.")
        excess = folders.excess(self._folder, self.limits, self._input_bytes)
        if excess:
            raise _Ended("DiskLimit", f"The session's folder {excess}; it was emptied.")

    def _cause(self, exit: Exit | None) -> _Ended:
        if exit is None:
            return _Ended("Crashed", "The sandbox's warm process died.")
        if exit.status == -signal.SIGKILL:
            if exit.cpu_seconds >= self.limits.cpu_seconds - 1:
                most = self.limits.cpu_seconds
                return _Ended("Timeout", f"All {most} s of processor time are used up.")
            return _Ended("MemoryLimit", "The machine ran out of memory.")
        if exit.status < 0:
            return _Ended("Crashed", f"Python was ended by {signal.Signals(-exit.status).name}.")
        return _Ended("Crashed", f"Python ended itself with exit status {exit.status}.")

    def _end(self) -> Exit | None:
        with self._exchange:
            child, self._child = self._child, None
            if child is None:
                return None
            child.kill()
            return child.reap()


def _bounded(report: Execution, limits: Limits) -> Execution:
    """Returns a child's report without what an honest child never puts into it."""
    error = report.error and dataclasses.replace(
        report.error,
        kind=report.error.kind[:MESSAGE_CHARS],
        message=report.error.message[:MESSAGE_CHARS],
        line=report.error.line[:TRACEBACK_CHARS],
        traceback=report.error.traceback[: TRACEBACK_CHARS + NOTE_CHARS],
    )
    figures = [png for png in report.figures if png.startswith(PNG) and len(png) <= limits.figure_bytes]
    return dataclasses.replace(
        report,
        stdout=report.stdout[: limits.output_chars + NOTE_CHARS],
        error=error,
        figures=tuple(figures[: limits.figures]),
    )


def _raise_input_error(reply: dict[str, Any]) -> None:
    if "input_error" in reply:
        raise InputError(str(reply["input_error"]))
