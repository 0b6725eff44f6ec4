"""Takes away from a fresh child what model code must not have, before any of it runs.

What holds: a session (process group) of its own, no descriptor but the channel, a clean
environment, limits on memory, processor time and file size, no core dumps, no new privileges, no
look into the process from others of the same user, death with the warm process.
What does not hold yet: the child still reaches the network, reads files outside its folder and
starts processes with the rights of the user who runs the app.
"""

import ctypes
import fcntl
import os
import resource
import signal
import socket
from pathlib import Path

from sandbox.records import Limits

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38

OPEN_FILES = 256
# Far from the small numbers that code uses by accident.
CHANNEL_FD = OPEN_FILES - 1

_libc = ctypes.CDLL(None, use_errno=True)


def lock(limits: Limits, folder: Path, channel: socket.socket) -> socket.socket:
    """Locks the calling process into `folder` and returns its channel under a new descriptor.

    Must be called in a forked child that has one thread. Raises OSError if a rule is refused.
    """
    os.setsid()
    die_with_parent()
    os.chdir(folder)
    channel = _close_all_but(channel)
    _clean_environment(folder)
    _limit_resources(limits)
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    return channel


def die_with_parent() -> None:
    """Has the kernel kill this process when the thread that started it ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _close_all_but(channel: socket.socket) -> socket.socket:
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    moved = fcntl.fcntl(channel.detach(), fcntl.F_DUPFD_CLOEXEC, CHANNEL_FD)
    os.closerange(3, moved)
    os.closerange(moved + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return socket.socket(fileno=moved)


def _clean_environment(folder: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    os.environ.clear()
    os.environ.update(kept, HOME=str(folder), TMPDIR=str(folder), MPLBACKEND="Agg")


def _limit_resources(limits: Limits) -> None:
    caps = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
    }
    for name, cap in caps.items():
        resource.setrlimit(name, (cap, cap))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}, {value}): {os.strerror(code)}")
