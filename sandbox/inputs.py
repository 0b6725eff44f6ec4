"""Brings a user's files into a session's folder, under names that are safe there.

The host looks at no more than a file's kind and size: reading is done in the child.
"""

import re
import shutil
import stat
import unicodedata
from collections.abc import Container, Sequence
from pathlib import Path

from sandbox import folders
from sandbox.records import MIB, SMALLER, InputError, Limits

NAME_BYTES = 120
SUFFIX_CHARS = 10
TOO_LARGE = (
    f"{{name}} is too large: {{size}} MiB, at most {{most}} MiB. {SMALLER}, or save it as parquet, which "
    "takes a fraction of it."
)


def check(files: Sequence[str | Path], names: Sequence[str], limits: Limits) -> dict[str, Path]:
    """Returns the files by safe and different names; raises InputError if one cannot be used."""
    inputs: dict[str, Path] = {}
    for path, shown in zip(files, names, strict=True):
        name = safe_name(shown, {other.lower() for other in inputs})
        _check_one(name, Path(path), limits)
        inputs[name] = Path(path)
    return inputs


def safe_name(name: str, taken: Container[str] = ()) -> str:
    """Returns a plain file name like `name` with its suffix, not in `taken` (in lower case)."""
    # pandas takes "http:a.csv" for an address.
    last = name.replace("\\", "/").rpartition("/")[2].replace(":", "_")
    shown = _trimmed("".join(c for c in last if not unicodedata.category(c).startswith("C")))
    stem, dot, suffix = shown.rpartition(".")
    if not dot or len(suffix) > SUFFIX_CHARS:
        stem, suffix = shown, ""
    stem = _trimmed(stem.encode()[:NAME_BYTES].decode(errors="ignore").lstrip(".")) or "file"
    end = f".{suffix}" if suffix else ""
    free, number = stem + end, 2
    while free.lower() in taken:
        free = f"{stem}_{number}{end}"
        number += 1
    return free


def _trimmed(name: str) -> str:
    return re.sub(r"^\s+|[\s.]+$", "", name)


def _check_one(name: str, path: Path, limits: Limits) -> None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        raise InputError(f"{name} does not exist: check the path.") from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{name} is not a file: give the path of a data file.")
    if found.st_size > limits.input_bytes:
        size, most = f"{found.st_size / MIB:,.0f}", f"{limits.input_bytes / MIB:,.0f}"
        raise InputError(TOO_LARGE.format(name=name, size=size, most=most))


def copy(inputs: dict[str, Path], folder: Path) -> None:
    """Copies the files into the folder; raises InputError if one cannot be copied."""
    for name, path in inputs.items():
        target = folder / name
        try:
            # Code may have left anything under this name, a link to elsewhere too.
            if target.is_dir() and not target.is_symlink():
                folders.remove(target)
            target.unlink(missing_ok=True)
            with path.open("rb") as source, target.open("xb") as copied:
                shutil.copyfileobj(source, copied, MIB)
        except OSError as error:
            raise InputError(f"{name} cannot be copied: {error.strerror}.") from None
