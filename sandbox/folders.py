"""The folders of sessions, on the host's side: made, measured while code writes, and removed.

All of an app's lie in one root in the system's temporary folder, which the app holds a lock on for
as long as it lives. A root that nobody holds was left by an app that was killed; the next one to
start removes it. The page keeps what its visitors take home in a root of its own in the same way.
"""

import fcntl
import os
import secrets
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox.records import MIB, Limits

PREFIX = "datasense-sandbox-"
# What `st_blocks` counts in, on every file system.
BLOCK_BYTES = 512


@dataclass(frozen=True)
class Root:
    """An app's folder of folders; `lock` is the descriptor that says that the app lives."""

    path: Path
    lock: int

    def new_folder(self, prefix: str) -> Path:
        """Returns a new empty folder that only this user can look into."""
        return Path(tempfile.mkdtemp(prefix=prefix, dir=self.path))

    def close(self) -> None:
        """Removes it with all that it holds."""
        remove(self.path)
        os.close(self.lock)


def new_root(prefix: str = PREFIX) -> Root:
    """Returns a new root, and removes those of the same prefix whose apps are dead."""
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        _remove_stale(path)
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix))
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Until here another app could take it for a dead one's.
            if path.exists():
                return Root(path, lock)
            os.close(lock)


def _remove_stale(path: Path) -> None:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if os.fstat(lock).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


def excess(folder: Path, limits: Limits, input_bytes: int) -> str:
    """Returns what a session's folder has too much of, to follow its name; "" if nothing.

    Looks at no more files than `limits.folder_files`, however many there are.

    Args:
        folder: Where code writes, perhaps just now.
        limits: Of the session.
        input_bytes: Size of the files that the host put there.
    """
    files, size, todo = 0, 0, [str(folder)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    files += 1
                    if files > limits.folder_files:
                        return f"holds more than {limits.folder_files:,} files"
                    size += _disk_bytes(entry)
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            # Removed since it was seen.
            continue
        except OSError:
            return "has a part that cannot be looked into"
    if size > limits.folder_bytes + input_bytes:
        return f"takes more than {limits.folder_bytes // MIB:,} MiB"
    return ""


def _disk_bytes(entry: os.DirEntry) -> int:
    # A file may be gone by now, and one with holes takes less than its size.
    with suppress(FileNotFoundError):
        return entry.stat(follow_symlinks=False).st_blocks * BLOCK_BYTES
    return 0


def remove(folder: Path) -> None:
    """Removes a folder that no code writes to any more; what the system refuses to remove stays.

    `shutil.rmtree` recurses and keeps a descriptor open a level, and code can nest folders deeper
    than both last. Here what lies deeper is moved up first.
    """
    with suppress(OSError):
        while inner := _remove_files(str(folder)):
            for path in inner:
                for deeper in _remove_files(path):
                    os.rename(deeper, folder / secrets.token_hex(8))
                os.rmdir(path)
        os.rmdir(folder)


def _remove_files(folder: str) -> list[str]:
    """Removes all but the folders in `folder`, and returns those, opened to their owner."""
    inner = []
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            os.chmod(entry.path, stat.S_IRWXU)
            inner.append(entry.path)
        else:
            os.unlink(entry.path)
    return inner
