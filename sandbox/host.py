"""What all sessions of an app share: the warm process, the folder of their folders, and the end of both."""

import atexit
import sys
import threading
from pathlib import Path
from typing import Protocol

from sandbox import folders
from sandbox.processes import WarmProcess
from sandbox.records import SandboxError

_lock = threading.RLock()
_warm: WarmProcess | None = None
_root: folders.Root | None = None


class Closing(Protocol):
    """What is to be closed before the warm process is."""

    def close(self) -> None: ...


sessions: set[Closing] = set()  # those that are open


def warm() -> None:
    """Starts the warm process if there is none; raises SandboxError if it cannot run here."""
    warm_process()


def shutdown() -> None:
    """Closes all sessions and the warm process and removes their folders."""
    global _warm, _root
    for session in list(sessions):
        session.close()
    with _lock:
        if _warm is not None:
            _warm.close()
        if _root is not None:
            _root.close()
        _warm = _root = None


atexit.register(shutdown)


def warm_process() -> WarmProcess:
    """Returns the one there is, or a new one in the place of none or a dead one; raises SandboxError."""
    global _warm
    if sys.platform != "linux":
        raise SandboxError("The sandbox runs on Linux only: use a Linux machine or a container.")
    with _lock:
        if _warm is not None and not _warm.alive:
            _warm.close()
            _warm = None
        if _warm is None:
            _warm = WarmProcess(home=new_folder("home-"))
        return _warm


def new_folder(prefix: str) -> Path:
    """Returns a new empty folder in the app's own."""
    return root().new_folder(prefix)


def root() -> folders.Root:
    """Returns the app's folder of folders."""
    global _root
    with _lock:
        if _root is None:
            _root = folders.new_root()
        return _root
