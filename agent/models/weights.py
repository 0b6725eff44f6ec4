"""Weights files, known by their SHA-256 and fetched once: cache, Hugging Face Hub, mirror, in this order.

    path = fetch(weights, on_progress)

A second call finds the file by its size and the marker beside it, and asks no network.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.models import mirror
from agent.models.base import HEARTBEAT_SECONDS, ModelError
from agent.models.progress import OnProgress, Progress

PROBE_SECONDS = 3.0
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class Weights:
    """One file: its bytes are those with this digest, wherever they come from."""

    file: str
    size: int
    sha256: str
    repo: str
    revision: str
    mirror: mirror.Mirror


def cache_folder() -> Path:
    """$DATASENSE_CACHE, else a folder of ours in the platform's cache folder."""
    if chosen := os.environ.get("DATASENSE_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/datasense/models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datasense/models"


def fetch(weights: Weights, on_progress: OnProgress) -> Path:
    """The path of the complete, checked file.

    Raises:
        ModelError: it can be had from nowhere, its digest is wrong, or the disk is full.
    """
    path = cache_folder() / weights.file
    if _is_checked(path, weights):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path, weights, on_progress):
            if not _is_checked(path, weights):
                _obtain(path, weights, on_progress)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise _disk_full(path.parent, weights.size) from error
        raise ModelError(
            f"{weights.file} cannot be written to {path.parent} ({error.strerror}): "
            "set DATASENSE_CACHE to a folder that you may write to."
        ) from error
    return path


def sha256(path: Path, on_progress: OnProgress | None = None) -> str:
    """The digest of a file, in hex."""
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            if on_progress:
                on_progress(Progress(path.name.removesuffix(".part"), done, total, "verify"))
    return digest.hexdigest()


def check_space(folder: Path, needed: int) -> None:
    """Raises ModelError where `folder`'s disk has less than `needed` bytes free."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if shutil.disk_usage(existing).free < needed:
        raise _disk_full(existing, needed)
