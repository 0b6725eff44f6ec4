"""A session: files, a child process that holds them as tables, and steps of code run in it.

The host believes nothing of what a child says: a step has one deadline, a report that is not one
is a crash, time and files are measured here. A step that ends the process costs its variables; the
next one finds a new process with the tables loaded again.
"""

import atexit
import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox import wire
from sandbox.records import (
    MIB,
    Execution,
    ExecutionError,
    InputError,
    Limits,
    Preview,
    SandboxError,
    TableProfile,
)
from sandbox.warm import Child, Exit, WarmProcess

NAME_BYTES = 120
MAX_FILES = 100
# A process that closes its channel is mostly about to end, and then its status tells why.
GRACE_SECONDS = 0.5
LOST = "Python was restarted; variables from earlier steps are gone."

_lock = threading.Lock()
_warm: WarmProcess | None = None
_sessions: set["Session"] = set()


def warm() -> None:
    """Starts the warm process if there is none; raises SandboxError if it cannot run here."""
    _warm_process()


def shutdown() -> None:
    """Closes all sessions and the warm process."""
    global _warm
    for session in list(_sessions):
        session.close()
    with _lock:
        if _warm is not None:
            _warm.close()
        _warm = None


atexit.register(shutdown)


def _warm_process() -> WarmProcess:
    global _warm
    if sys.platform != "linux":
        raise SandboxError("The sandbox runs on Linux only: use a Linux machine or a container.")
    with _lock:
        if _warm is not None and not _warm.alive:
            _warm.close()
            _warm = None
        if _warm is None:
            _warm = WarmProcess()
        return _warm


def open(
    files: Sequence[str | Path],
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    names: Sequence[str] | None = None,
) -> "Session":
    """Returns a session that has read the files.

    Args:
        files: Paths of the data files; they are copied, never changed.
        limits: What the session may use.
        names: The files' names as their owner knows them, if the paths are temporary ones.

    Raises InputError if a file cannot be used, SandboxError if this machine cannot run it.
    """
    shown = names if names is not None else [Path(path).name for path in files]
    inputs = {}
    for path, name in zip(files, shown, strict=True):
        inputs[safe_name(name, taken=inputs)] = Path(path)
    for name, path in inputs.items():
        _check_input(name, path, limits)
    session = Session(inputs, limits)
    try:
        session.start()
    except BaseException:
        session.close()
        raise
    return session


def safe_name(name: str, taken: Sequence[str] | dict = ()) -> str:
    """Returns a plain file name like `name`, not in `taken`, whose suffix is kept."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(c for c in name if not unicodedata.category(c).startswith("C")).strip(" .")
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 10:
        stem, suffix = name, ""
    stem = stem.encode()[:NAME_BYTES].decode(errors="ignore").strip(" .") or "file"
    end = f".{suffix}" if suffix else ""
    lower = {other.lower() for other in taken}
    free, number = stem + end, 2
    while free.lower() in lower:
        free = f"{stem}_{number}{end}"
        number += 1
    return free


def _check_input(name: str, path: Path, limits: Limits) -> None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        raise InputError(f"{name} does not exist: check the path.") from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{name} is not a file: give the path of a data file.")
    if found.st_size > limits.input_bytes:
        size, most = found.st_size / MIB, limits.input_bytes / MIB
        raise InputError(f"{name} is too large: {size:,.0f} MiB, at most {most:,.0f} MiB.")


class _Ended(Exception):
    """The child did not answer; `args` are the kind and the message of the ExecutionError."""


class Session:
    """One folder and one child process at a time. Made by `sandbox.open`; a context manager."""

    def __init__(self, inputs: dict[str, Path], limits: Limits) -> None:
        self.limits = limits
        self._inputs = inputs
        self._folder = Path(tempfile.mkdtemp(prefix="session-", dir=_warm_process().folder))
        self._child: Child | None = None
        self._stopped = False
        self._profile: list[TableProfile] | None = None
        # The first is held while a step runs, the second only while the child is exchanged or
        # killed, so that `interrupt` need not wait for the step.
        self._busy = threading.RLock()
        self._exchange = threading.Lock()
        _sessions.add(self)

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
        """Runs one step and returns what came of it; never raises for what the code does.

        Args:
            code: Python source, which sees the variables of the steps before.
            timeout: Wall seconds it may take, by default `limits.wall_seconds`.
        """
        seconds = self.limits.wall_seconds if timeout is None else timeout
        with self._busy:
            before, started = self._files(), time.monotonic()
            try:
                self.start()
                before, started = self._files(), time.monotonic()
                reply = self._ask({"do": "run", "code": code}, seconds)
                found = Execution.from_json(reply | {"code": code})
            except _Ended as ended:
                found = Execution(code, error=ExecutionError(*ended.args))
            except InputError as error:
                found = Execution(code, error=ExecutionError("Crashed", str(error)))
            except ValueError:
                self._end()
                message = f"The step's report is not one. {LOST}"
                found = Execution(code, error=ExecutionError("Crashed", message))
            files = self._files()
            return Execution(
                code=code,
                stdout=found.stdout,
                error=found.error,
                figures=found.figures[: self.limits.figures],
                files=tuple(sorted(name for name in files if files[name] != before.get(name))),
                seconds=time.monotonic() - started,
                truncated=found.truncated,
            )

    def read_file(self, name: str) -> bytes:
        """Returns a file that code wrote; raises InputError if it is not a plain one of fair size."""
        if name != Path(name).name:
            raise InputError(f"{name} is not the name of a file in the session's folder.")
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (OSError, ValueError):
            raise InputError(f"{name} cannot be opened in the session's folder.") from None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            # A hard link may be to a file that the code itself cannot read.
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                raise InputError(f"{name} is not a plain file.")
            content = file.read(self.limits.file_bytes + 1)
        if len(content) > self.limits.file_bytes:
            raise InputError(f"{name} is too large: more than {self.limits.file_bytes:,} bytes.")
        return content

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
            self._end()
            shutil.rmtree(self._folder, ignore_errors=True)
        _sessions.discard(self)

    def start(self) -> None:
        """Sees to it that there is a child with the tables loaded.

        Raises InputError if a file cannot be used, SandboxError if there can be no child.
        """
        with self._busy:
            if self._child is not None:
                return
            self._copy_inputs()
            child = _warm_process().fork(self._folder, self.limits)
            with self._exchange:
                self._child = child
                if self._stopped:
                    child.kill()
            try:
                reply = self._ask({"do": "load", "files": [*self._inputs]}, self.limits.load_seconds)
            except _Ended as ended:
                if self._stopped:
                    raise
                which = ", ".join(self._inputs) or "The session"
                raise InputError(f"{which} cannot be read: {ended.args[1]}") from None
            _raise_input_error(reply)

    def _copy_inputs(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, path in self._inputs.items():
            target = self._folder / name
            # Code may have left anything under this name, a link to elsewhere too.
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target, ignore_errors=True)
            target.unlink(missing_ok=True)
            try:
                with path.open("rb") as source, target.open("xb") as copy:
                    shutil.copyfileobj(source, copy, MIB)
            except OSError as error:
                raise InputError(f"{name} cannot be copied: {error.strerror}.") from None

    def _query(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._busy:
            try:
                self.start()
                reply = self._ask(request, self.limits.load_seconds)
            except _Ended as ended:
                raise SandboxError(ended.args[1]) from None
            _raise_input_error(reply)
            return reply

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        if self._stopped or self._child is None:
            raise _Ended("Stopped", "This session was stopped.")
        channel = self._child.channel
        try:
            wire.send(channel, request, seconds)
            return wire.receive(channel, seconds)
        except TimeoutError:
            self._end()
            raise _Ended("Timeout", f"No end after {seconds:g} s. {LOST}") from None
        except wire.WireError as error:
            ended = self._child.ended(GRACE_SECONDS)
            exit = self._end()
            if self._stopped:
                raise _Ended("Stopped", "This session was stopped.") from None
            kind, why = self._cause(exit) if ended else ("Crashed", f"No report: {error}.")
            raise _Ended(kind, f"{why} {LOST}") from None
        except BaseException:
            # Its answer, coming later, would be taken for that to the next request.
            self._end()
            raise

    def _cause(self, exit: Exit | None) -> tuple[str, str]:
        if exit is None:
            return "Crashed", "The sandbox's warm process died."
        if exit.status == -signal.SIGKILL:
            if exit.cpu_seconds >= self.limits.cpu_seconds - 1:
                return "Timeout", f"All {self.limits.cpu_seconds} s of processor time are used up."
            return "MemoryLimit", "The machine ran out of memory."
        if exit.status < 0:
            return "Crashed", f"Python was ended by {signal.Signals(-exit.status).name}."
        return "Crashed", f"Python ended itself with exit status {exit.status}."

    def _end(self) -> Exit | None:
        with self._exchange:
            child, self._child = self._child, None
            if child is None:
                return None
            child.kill()
            return child.reap()

    def _files(self) -> dict[str, tuple[int, int, int]]:
        """Returns the visible plain files of the folder, with what changes when they do."""
        files = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                        continue
                    found = entry.stat(follow_symlinks=False)
                    files[entry.name] = (found.st_mtime_ns, found.st_size, found.st_ino)
                    if len(files) >= MAX_FILES:
                        break
        except OSError:
            pass
        return files


def _raise_input_error(reply: dict[str, Any]) -> None:
    if "input_error" in reply:
        raise InputError(str(reply["input_error"]))
