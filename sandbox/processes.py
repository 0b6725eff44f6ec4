"""The host's side of the warm process and its children: starts, forks, kills and reaps them.

There is one warm process for the whole app. It is started on first use, or ahead of it by
`sandbox.warm()`, and again whenever it is found dead.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox import lockdown, wire
from sandbox.records import Limits, SandboxError

START_SECONDS = 120.0
REPLY_SECONDS = 30.0
REAP_SECONDS = 5.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).parents[1]
BOOT = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from sandbox.zygote import main; main()"


@dataclass(frozen=True)
class Exit:
    """How a child ended: its exit status, or minus a signal's number, and its CPU seconds."""

    status: int
    cpu_seconds: float


class WarmProcess:
    """A started warm process, ready to fork."""

    def __init__(self, home: Path) -> None:
        """Starts it with the folder `home` to itself; raises SandboxError if that fails."""
        lockdown.hide_process()
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(theirs, home)
        try:
            self._check_ready()
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def fork(self, folder: Path, limits: Limits) -> "Child":
        """Returns a new locked-down child that works in `folder`; raises SandboxError."""
        ours, theirs = socket.socketpair()
        request = {"folder": str(folder), "limits": limits.to_json()}
        try:
            pid = self._ask(request, theirs)["pid"]
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return Child(pid, os.pidfd_open(pid), ours, self)

    def reap(self, pid: int) -> Exit:
        """Takes a killed or ended child off the process table; raises SandboxError."""
        reply = self._ask({"pid": pid})
        return Exit(reply["exit"], reply["cpu"])

    def close(self) -> None:
        """Kills it; the kernel then kills every child that it forked."""
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()
        self._control.close()

    def _ask(self, request: dict, passed: socket.socket | None = None) -> dict:
        with self._lock:
            try:
                wire.send(self._control, request, REPLY_SECONDS)
                if passed:
                    socket.send_fds(self._control, [b"+"], [passed.fileno()])
                reply = wire.receive(self._control, REPLY_SECONDS)
            except (wire.WireError, OSError) as error:
                # What answers late would be taken for the answer to the next question.
                self._process.kill()
                self._process.wait()
                raise SandboxError(f"The sandbox's warm process died: {error}.") from None
        if "error" in reply:
            raise SandboxError(f"The sandbox's warm process failed: {reply['error']}.")
        return reply

    def _check_ready(self) -> None:
        try:
            ready = wire.receive(self._control, START_SECONDS)
        except (wire.WireError, TimeoutError) as error:
            self._process.kill()
            lines = self._process.stderr.read().decode("utf-8", "replace").split("\n")
            reason = next((line for line in reversed(lines) if line.strip()), error)
            raise SandboxError(f"The sandbox cannot start: {reason}.") from None
        if ready["threads"] != 1:
            raise SandboxError(f"The sandbox cannot start: its warm process has {ready['threads']} threads.")
        lockdown.check_protection(ready["missing"])


def _spawn(control: socket.socket, folder: Path) -> subprocess.Popen:
    """Starts the program in a thread that lives as long as it does.

    The kernel sends the parent-death signal when the thread that started a process ends, and the
    caller's may be a short-lived one of a pool.
    """
    started: Future[subprocess.Popen] = Future()

    def keep() -> None:
        try:
            process = subprocess.Popen(
                # -P and -s keep the current and the user's folder off the path. -I would also
                # ignore PYTHONHASHSEED, without which sets print in another order every time.
                [sys.executable, "-P", "-s", "-c", BOOT],
                stdin=control,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=environment(folder),
                start_new_session=True,
            )
        except BaseException as error:
            started.set_exception(SandboxError(f"The sandbox cannot start: {error}."))
            return
        started.set_result(process)
        process.wait()

    threading.Thread(target=keep, name="sandbox-warm-process", daemon=True).start()
    return started.result()


def environment(folder: Path) -> dict[str, str]:
    """Returns all that the program sees of the environment; nothing of the app's own."""
    mode = {lockdown.MODE: os.environ[lockdown.MODE]} if lockdown.MODE in os.environ else {}
    return mode | {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(folder),
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(folder),
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        # Large pages: a fork has less to copy and an exit less to give back.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }


@dataclass(frozen=True)
class Child:
    """A forked child: its number, which is its group's too, and the host's end of its channel.

    The number is its own until it is reaped, which the warm process does on request only; the
    descriptor `handle` (a pidfd) means this process and no other for ever.
    """

    pid: int
    handle: int
    channel: socket.socket
    parent: WarmProcess

    def ended(self, seconds: float = 0.0) -> bool:
        """Tells whether it ends by itself within `seconds`."""
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def threads(self) -> int:
        """Returns how many it has now."""
        with suppress(OSError):
            return os.stat(f"/proc/{self.pid}/task").st_nlink - 2
        return 0

    def cpu_seconds(self) -> float:
        """Returns the processor time that all its threads have used."""
        with suppress(OSError):
            # The name before the last bracket may hold anything; user and system time are 12 on.
            fields = Path(f"/proc/{self.pid}/stat").read_text("latin-1").rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
        return 0.0

    def pause(self) -> None:
        """Has it do nothing until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kills its process group and wakes who waits for its answer; not for a reaped one."""
        with suppress(OSError):
            self.channel.shutdown(socket.SHUT_RDWR)
        self._signal(signal.SIGKILL)
        # Without the warm process its number may be another's already.
        with suppress(ProcessLookupError):
            if self.parent.alive:
                os.killpg(self.pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, number)

    def reap(self) -> Exit | None:
        """Closes the channel and returns how it ended, None if its parent cannot tell."""
        self.channel.close()
        # Here and not in the warm process, which others want to fork meanwhile.
        self.ended(REAP_SECONDS)
        os.close(self.handle)
        try:
            return self.parent.reap(self.pid)
        except SandboxError:
            return None
