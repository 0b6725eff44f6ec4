"""What code has written into its session's folder: which files, and one of them as it may be taken out."""

import os
import stat
from pathlib import Path

from sandbox.records import InputError, Limits

MOST = 100
# What a person may take home; none of them runs anything when it is opened.
KINDS = (".csv", ".tsv", ".json", ".txt", ".md", ".png", ".xlsx", ".parquet")


def listed(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Returns the visible plain files of the folder, with what changes when they do."""
    files: dict[str, tuple[int, int, int]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                    continue
                found = entry.stat(follow_symlinks=False)
                files[entry.name] = (found.st_mtime_ns, found.st_size, found.st_ino)
                if len(files) >= MOST:
                    break
    except OSError:
        pass
    return files


def read(folder: Path, name: str, limits: Limits) -> bytes:
    """Returns a file as it is: a picture is still to be drawn anew.

    Raises InputError if it is not plain, too large, or of a kind not in KINDS.
    """
    if name != Path(name).name:
        raise InputError(f"{name} is not the name of a file in the session's folder.")
    if not name.lower().endswith(KINDS):
        raise InputError(f"{name} is not of a kind that can be taken out ({', '.join(KINDS)}).")
    try:
        with open(folder / name, "rb", opener=_open_no_link) as file:
            found = os.fstat(file.fileno())
            content = file.read(limits.file_bytes + 1)
    except (OSError, ValueError):
        raise InputError(f"{name} cannot be read in the session's folder.") from None
    # A hard link may be to a file that the code itself cannot read.
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        raise InputError(f"{name} is not a plain file.")
    if len(content) > limits.file_bytes:
        raise InputError(f"{name} is too large: more than {limits.file_bytes:,} bytes.")
    return content


def _open_no_link(path: str, flags: int) -> int:
    # Without waiting for a writer, if it is a pipe.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
