"""The first source of weights: a file of a repository on the Hugging Face Hub, at a fixed revision."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.models.base import Unavailable
from agent.models.progress import OnProgress, Progress

PROBE_SECONDS = 3.0
READ_SECONDS = 20.0
ATTEMPTS = 4  # in a row that bring nothing new


@dataclass(frozen=True)
class HubFile:
    """A file in a public repository."""

    repo: str
    revision: str
    file: str


def in_cache(source: HubFile) -> Path | None:
    """The file in the Hugging Face cache of this machine; asks no network."""
    import huggingface_hub

    found = huggingface_hub.try_to_load_from_cache(source.repo, source.file, revision=source.revision)
    return Path(found) if isinstance(found, str) else None


def download(source: HubFile, target: Path, size: int, on_progress: OnProgress) -> None:
    """Appends to `target`, which holds the file's first bytes, all that it lacks.

    `huggingface_hub` itself begins anew after each interruption.

    Raises:
        Unavailable: the Hub cannot be reached, lacks the file, or broke off again and again.
        OSError: the disk is full or not writable.
    """
    import httpx
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise Unavailable("HF_HUB_OFFLINE keeps the Hugging Face Hub out")
    if not _answers(f"{constants.ENDPOINT}/api/models/{source.repo}"):
        raise Unavailable("the Hugging Face Hub does not answer")
    url = f"{constants.ENDPOINT}/{source.repo}/resolve/{source.revision}/{source.file}"
    with target.open("ab") as file:
        attempts, why = 0, ""
        while (before := file.tell()) < size:
            if attempts == ATTEMPTS:
                raise Unavailable(f"the Hugging Face Hub breaks off{why}")
            time.sleep(attempts)
            try:
                _continue(url, file, size, on_progress)
            except httpx.HTTPStatusError as error:
                raise Unavailable(f"the Hugging Face Hub says {error.response.status_code}") from error
            except httpx.RequestError as error:
                why = f" ({error})"
            attempts = attempts + 1 if file.tell() <= before else 0


def _continue(url: str, file: BinaryIO, size: int, on_progress: OnProgress) -> None:
    """One request for the bytes after those that `file` has."""
    from huggingface_hub.utils import get_session

    headers = {"Range": f"bytes={file.tell()}-", "Accept-Encoding": "identity"}
    with get_session().stream(
        "GET", url, headers=headers, timeout=READ_SECONDS, follow_redirects=True
    ) as response:
        response.raise_for_status()
        if response.status_code != 206:  # all from the beginning
            file.seek(0)
            file.truncate()
        for chunk in response.iter_bytes():  # whatever has come, so that nothing is lost at a break
            file.write(chunk)
            on_progress(Progress(Path(file.name).stem, min(file.tell(), size), size, "download"))


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
