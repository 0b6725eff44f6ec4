"""The examples: six questions over the project's own tables, each with its recorded trajectory.

    for example in examples(): example.question, example.files, example.recording

`python -m page.record` makes the recordings.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agent.trajectory import Trajectory

EXAMPLES = Path(__file__).parent.parent / "assets" / "examples"
RECORDED = EXAMPLES / "recorded"


@dataclass(frozen=True)
class Recording:
    """A trajectory that was really run, and the day it was."""

    trajectory: Trajectory
    date: datetime.date

    @property
    def note(self) -> str:
        day = f"{self.date.day} {self.date:%B %Y}"
        return f"Recorded with {self.trajectory.run['model']} on {day}"


@dataclass(frozen=True)
class Example:
    """A question of the gallery; `files` are the tables that it is asked of."""

    id: str
    question: str
    files: tuple[Path, ...]

    @cached_property
    def recording(self) -> Recording | None:
        path = recording_path(self.id)
        if not path.exists():
            return None
        data = json.loads(path.read_text(encoding="utf-8"))
        return Recording(
            Trajectory.from_json(data["trajectory"]), datetime.date.fromisoformat(data["recorded"])
        )


def examples() -> list[Example]:
    """The questions marked "gallery" in questions.jsonl, in its order."""
    lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row.get("gallery")]
    return [
        Example(row["id"], row["question"], tuple(EXAMPLES / table for table in row["tables"]))
        for row in rows
    ]


def recording_path(example_id: str) -> Path:
    return RECORDED / f"{example_id}.json"
