"""How far a long wait is, and the two ways to show it on a terminal or in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Progress:
    """`done_bytes` of `total_bytes` of `what` are through `phase`."""

    what: str
    done_bytes: int
    total_bytes: int
    phase: Literal["wait", "download", "verify", "load"]


TITLES = {"wait": "Waiting for", "download": "Downloading", "verify": "Checking", "load": "Loading"}
OnProgress = Callable[[Progress], None]


def on_stderr() -> OnProgress:
    """Shows long waits on standard error: a bar on a terminal, elsewhere a line each 10 %."""
    return _bar() if sys.stderr.isatty() else _lines()


def _bar() -> OnProgress:
    from tqdm import tqdm

    bar, shown = None, None

    def show(progress: Progress) -> None:
        nonlocal bar, shown
        if shown != (progress.what, progress.phase):
            if bar is not None:
                bar.close()
            shown = progress.what, progress.phase
            title, total = f"{TITLES[progress.phase]} {progress.what}", progress.total_bytes
            bar = tqdm(desc=title, total=total, unit="B", unit_scale=True, leave=False, file=sys.stderr)
        bar.update(progress.done_bytes - bar.n)
        if progress.done_bytes >= progress.total_bytes:
            bar.close()

    return show


def _lines() -> OnProgress:
    shown = None

    def show(progress: Progress) -> None:
        nonlocal shown
        if progress.phase == "load":  # soon over, and nothing that a log needs
            return
        tenth = 10 * progress.done_bytes // max(progress.total_bytes, 1)
        if shown != (progress.what, progress.phase, tenth):
            shown = progress.what, progress.phase, tenth
            megabytes = f"{progress.done_bytes / 1e6:,.0f} of {progress.total_bytes / 1e6:,.0f} MB"
            title = f"{TITLES[progress.phase]} {progress.what}"
            print(f"{title}: {10 * tenth} % ({megabytes})", file=sys.stderr, flush=True)

    return show
