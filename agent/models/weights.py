"""Weights files, known by their SHA-256 and fetched once: cache, Hugging Face Hub, mirror, in this order.

    path = fetch(weights, on_progress)

A second call finds the file by its size and the marker beside it, and asks no network.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.models import mirror
from agent.models.base import HEARTBEAT_SECONDS, ModelError
from agent.models.mirror import Mirror, Unavailable
from agent.models.progress import OnProgress, Progress

PROBE_SECONDS = 3.0


@dataclass(frozen=True)
class Weights:
    """One file: its bytes are those with this digest, wherever they come from."""

    file: str
    size: int
    sha256: str
    repo: str
    revision: str
    mirror: Mirror


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
    """Puts the file, not yet checked, at `path`, from the first source that has it."""
    path.unlink(missing_ok=True)  # of a wrong size, or a link into a Hub cache that was emptied
    reasons = []
    for source in (_from_hub, _from_mirror):
        try:
            return source(path, weights, on_progress)
        except Unavailable as reason:
            reasons.append(str(reason))
    raise ModelError(
        f"{weights.file} cannot be fetched: {'; '.join(reasons)}. "
        f"Connect to the network and try again, or put the file into {path.parent} yourself."
    )


def _from_hub(path: Path, weights: Weights, on_progress: OnProgress) -> None:
    """Links to the file in the Hugging Face cache, downloading it first where it is not there."""
    import huggingface_hub
    from huggingface_hub import constants

    where = {"repo_id": weights.repo, "filename": weights.file, "revision": weights.revision}
    found = huggingface_hub.try_to_load_from_cache(**where)
    if not isinstance(found, str):
        if constants.HF_HUB_OFFLINE:
            raise Unavailable("HF_HUB_OFFLINE keeps the Hugging Face Hub out")
        if not _answers(f"{constants.ENDPOINT}/api/models/{weights.repo}"):
            raise Unavailable("the Hugging Face Hub does not answer")
        _check_space(Path(constants.HF_HUB_CACHE), weights.size)
        try:
            found = huggingface_hub.hf_hub_download(
                **where, endpoint=constants.ENDPOINT, tqdm_class=_reporting(weights, on_progress)
            )
        except OSError as error:  # HTTP errors of the Hub are OSErrors
            if error.errno == errno.ENOSPC:
                raise
            raise Unavailable(f"the Hugging Face Hub failed ({str(error).splitlines()[0]})") from error
    path.symlink_to(found)


def _answers(url: str) -> bool:
    """Whether a GET succeeds soon. In a thread, for looking up a host's name knows no timeout."""
    from huggingface_hub.utils import get_session

    answered = threading.Event()

    def probe() -> None:
        try:
            if get_session().get(url, timeout=PROBE_SECONDS).is_success:
                answered.set()
        except Exception:  # of whatever kind: it is no answer
            return

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answered.is_set()


def _reporting(weights: Weights, on_progress: OnProgress) -> type:
    """A tqdm whose way of showing itself is `on_progress`."""
    from tqdm import tqdm

    class Reporting(tqdm):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **(kwargs | {"disable": False, "file": io.StringIO()}))

        def display(self, *args, **kwargs) -> None:
            on_progress(Progress(weights.file, min(int(self.n), weights.size), weights.size, "download"))

    return Reporting


def _from_mirror(path: Path, weights: Weights, on_progress: OnProgress) -> None:
    part = path.with_name(path.name + ".part")
    done = part.stat().st_size if part.exists() else 0
    _check_space(path.parent, weights.size - done + 2 * weights.mirror.part_bytes)
    mirror.download(weights.mirror, part, weights.size, on_progress)
    part.rename(path)


def _marker(path: Path) -> Path:
    """The file that says which digest was found, so that a start need not read a gigabyte."""
    return path.with_name(path.name + ".ok")


def _has_size(path: Path, weights: Weights) -> bool:
    return path.is_file() and path.stat().st_size == weights.size


def _is_checked(path: Path, weights: Weights) -> bool:
    marker = _marker(path)
    return _has_size(path, weights) and marker.is_file() and marker.read_text() == weights.sha256


def _check(path: Path, weights: Weights, on_progress: OnProgress) -> None:
    """Marks the file as checked, or deletes it and raises ModelError."""
    found = sha256(path, on_progress)
    if found == weights.sha256:
        _marker(path).write_text(found)
        return
    path.resolve().unlink()  # the file itself, also where it lies in the Hub's cache
    path.unlink(missing_ok=True)
    raise ModelError(
        f"{weights.file} has the SHA-256 {found} instead of {weights.sha256} and was deleted: "
        "try again, and do not use a copy from elsewhere."
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
                on_progress(Progress(f"for another process that fetches {path.name}", 0, weights.size, "wait"))
                time.sleep(HEARTBEAT_SECONDS)
        yield


def _check_space(folder: Path, needed: int) -> None:
    """Raises OSError where `folder`'s disk has less than `needed` bytes free."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if shutil.disk_usage(existing).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(existing))


def _cannot_write(error: OSError, path: Path, weights: Weights) -> ModelError:
    folder = Path(error.filename or path.parent)
    if error.errno == errno.ENOSPC:
        free = shutil.disk_usage(folder).free
        return ModelError(
            f"The disk is full: {weights.file} needs {weights.size / 1e9:.1f} GB and {folder} has "
            f"{free / 1e9:.1f} GB free; free some space, or set DATASENSE_CACHE to a folder on another disk."
        )
    return ModelError(
        f"{folder} cannot be written ({error.strerror or error}): "
        "set DATASENSE_CACHE to a folder that you may write to."
    )
