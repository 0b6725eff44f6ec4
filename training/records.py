"""What a benchmark run leaves: predictions, trajectories, and what they rest on, in one folder.

    with Journal(Path("build/bench/mine"), config) as journal:
        journal.add_trajectory(problem.id, trajectory)
        journal.add_prediction(prediction)

`trajectories.jsonl` and `predictions.jsonl` grow by whole lines, so a run that was killed at any moment goes
on from the folder: a torn last line is dropped, and a question whose trajectory is there is not asked again.
Where the machine itself fails, what was written in the last seconds may be asked again.
"""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

from agent import EpisodeLimits, Trajectory, feedback, mending, models, prompts, protocol, slips
from agent import run as driver
from agent.models.llamacpp import visible_cores
from training.problems import Problem

ROOT = Path(__file__).parent.parent
CONFIG, PREDICTIONS, TRAJECTORIES = "config.json", "predictions.jsonl", "trajectories.jsonl"
SUMMARY = "summary.json"
# Lines reach the disk so often: where disks are slow, hundreds of episodes would wait for each line.
SYNC_SECONDS = 2.0
_LIBRARIES = ("xllamacpp", "transformers", "torch", "peft", "pandas", "numpy", "duckdb", "smolagents")


class RunError(ValueError):
    """A run's folder cannot be used. The message is one sentence that names it."""


@dataclass(frozen=True)
class Prediction:
    """One problem's answer and how it compares; a line of predictions.jsonl.

    Attributes:
        id, answer_type, gold: The problem's.
        answer, summary, outcome: The trajectory's; `outcome` is "unreadable" besides, where a table could
            not be read and nothing was asked.
        value: The text that was compared: `answer`, or what a model read from real output instead.
        link: The link of `training.verify` that decided.
        official, strict: Right by DataBench's rule (for a letter the letter alone, for a closed form
            DABench's), and by ours.
        verified: The episode accepted the answer, for which real output was found.
        grounded: The compared value stands in output that was computed from the data.
        exec_ok: At least one step ran without error.
        steps: Executions.
        hallucinated_results: Outputs that the model made up.
        seconds: Wall time of the episode, the tables' reading not counted.
        prompt_tokens: Tokens that the model was shown, each counted once, as with a perfect prefix cache.
        output_tokens: Tokens that it wrote.
    """

    id: str
    answer_type: str
    gold: str
    answer: str
    summary: str
    outcome: str
    value: str
    link: str
    official: bool
    strict: bool
    verified: bool
    grounded: bool
    exec_ok: bool
    steps: int
    hallucinated_results: int
    seconds: float
    prompt_tokens: int
    output_tokens: int


class Journal:
    """A run's folder, open for adding; one process at a time. Its methods may be called from any thread.

    Attributes:
        predictions: Those that are there, by problem id.
        unjudged: Trajectories whose prediction a kill has prevented, by problem id.
    """

    def __init__(self, folder: Path, config: dict):
        """Opens the folder or makes it.

        Args:
            config: What predictions depend on: JSON values by name.

        Raises:
            RunError: another process is at it, it holds a run with another config, or a file is damaged.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._synced = time.monotonic()
        self._files = {name: (folder / name).open("a+b") for name in (PREDICTIONS, TRAJECTORIES)}
        try:
            self._claim(folder)
            _check_config(folder, config)
            kept = {name: _complete_lines(file) for name, file in self._files.items()}
            self.predictions = {line["id"]: Prediction(**line) for line in kept[PREDICTIONS]}
            stored = {line["id"]: line for line in kept[TRAJECTORIES]}
            self._forget(self.predictions.keys() - stored.keys())
            missing = stored.keys() - self.predictions.keys()
            self.unjudged = {id: Trajectory.from_json(stored[id]) for id in missing}
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            self.close()
            raise RunError(f"{folder} holds a damaged run ({error}): delete it or give another.") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_trajectory(self, id: str, trajectory: Trajectory) -> None:
        """Keeps what was asked; comes before the prediction."""
        self._append(TRAJECTORIES, {"id": id} | trajectory.to_json())

    def add_prediction(self, prediction: Prediction) -> None:
        self._append(PREDICTIONS, asdict(prediction))
        self.predictions[prediction.id] = prediction

    def close(self) -> None:
        for file in self._files.values():
            if not file.closed:
                _sync(file)
                file.close()

    def _forget(self, lost: Set[str]) -> None:
        """Drops predictions of which the disk has not got the trajectory."""
        if lost:
            self.predictions = {id: one for id, one in self.predictions.items() if id not in lost}
            file = self._files[PREDICTIONS]
            file.truncate(0)
            for prediction in self.predictions.values():
                file.write(_line(asdict(prediction)))
            _sync(file)

    def _claim(self, folder: Path) -> None:
        try:
            fcntl.flock(self._files[PREDICTIONS], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"Another run is writing into {folder}: wait for it, or give another.") from None

    def _append(self, name: str, record: dict) -> None:
        line = _line(record)
        with self._lock:
            self._files[name].write(line)
            self._files[name].flush()
            if time.monotonic() - self._synced > SYNC_SECONDS:
                for file in self._files.values():
                    _sync(file)
                self._synced = time.monotonic()


def _line(record: dict) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def read_run(folder: Path) -> tuple[list[Prediction], dict[str, Trajectory]]:
    """A run's predictions, and its trajectories by problem id; nothing is changed.

    Raises:
        RunError: there is no run in the folder.
    """
    if not (folder / PREDICTIONS).is_file():
        raise RunError(f"{folder} holds no {PREDICTIONS}: give the folder of a benchmark run.")
    lines = {name: _whole_lines((folder / name).read_bytes()) for name in (PREDICTIONS, TRAJECTORIES)}
    predictions = [Prediction(**json.loads(line)) for line in lines[PREDICTIONS]]
    stored = map(json.loads, lines[TRAJECTORIES])
    return predictions, {line["id"]: Trajectory.from_json(line) for line in stored}


def slug(name: str) -> str:
    """A name as part of a file's: endpoint:http://host#x gives endpoint-http-host-x."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-")


def write_json(path: Path, value: object) -> None:
    """Writes a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)


def _check_config(folder: Path, config: dict) -> None:
    path = folder / CONFIG
    if not path.exists():
        return write_json(path, config)
    held = json.loads(path.read_text(encoding="utf-8"))
    for name in (name for name in held | config if held.get(name) != config.get(name)):
        raise RunError(
            f"{folder} holds a run with another {name} ({held.get(name)}, now {config.get(name)}): "
            "give another folder, or delete this one."
        )


def _complete_lines(file) -> list[dict]:
    """The file's lines; one that a kill has torn is cut off."""
    file.seek(0)
    content = file.read()
    whole = _whole_lines(content)
    file.truncate(sum(len(line) + 1 for line in whole))
    return [json.loads(line) for line in whole]


def _whole_lines(content: bytes) -> list[bytes]:
    return content.split(b"\n")[:-1]


# What figures rest on


def data_digest(problems: Sequence[Problem]) -> str:
    """SHA-256 of questions, answers and the tables' bytes, wherever they lie."""
    whole, tables = hashlib.sha256(), {}
    for problem in problems:
        for table in problem.tables:
            if table not in tables:
                with table.open("rb") as file:
                    tables[table] = hashlib.file_digest(file, "sha256").hexdigest()
        line = problem.to_json(Path()) | {"tables": [tables[table] for table in problem.tables]}
        whole.update(json.dumps(line).encode() + b"\n")
    return whole.hexdigest()


def prompt_digest() -> str:
    """SHA-256 of the files that hold every word a model is shown."""
    return _digest([Path(module.__file__) for module in (prompts, feedback, slips, mending)])


def agent_digest() -> str:
    """SHA-256 of the agent's sources, so that no run is half one agent's and half another's."""
    return _digest(sorted(Path(prompts.__file__).parent.glob("*.py")))


def sampling_digest() -> str:
    """SHA-256 of what a reply depends on besides weights and messages: limits, stop strings, the runtimes."""
    runtimes = sorted(Path(models.__file__).parent.glob("*.py"))
    sources = [Path(driver.__file__), Path(protocol.__file__), *runtimes]
    return _digest(sources, repr(EpisodeLimits()))


def _digest(sources: Sequence[Path], more: str = "") -> str:
    read = (source.read_bytes() for source in sources)
    return hashlib.sha256(b"\0".join([*read, *filter(None, [more.encode()])])).hexdigest()


def environment() -> dict:
    """The machine, the versions and the day."""
    return {
        "hardware": f"{_processor()}, {visible_cores()} cores{_gpus()}",
        "versions": {"python": platform.python_version()} | dict(filter(None, map(_version, _LIBRARIES))),
        "date": datetime.date.today().isoformat(),
        "commit": _first_line(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]),
        "command": _command(),
    }


def _command() -> str:
    """As it was typed; of a path elsewhere on this machine only the name."""
    spec = sys.modules["__main__"].__spec__
    program = f"-m {spec.name.removesuffix('.__main__')}" if spec else Path(sys.argv[0]).name
    words = [Path(word).name if os.path.isabs(word) else word for word in sys.argv[1:]]
    return shlex.join(["python", *program.split(), *words])


def _version(name: str) -> tuple[str, str] | None:
    try:
        return name, version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _gpus() -> str:
    """The first one's name, if this process may use any."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return ""
    name = _first_line(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return f", {name}" if name else ""


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.partition("\n")[0].strip()
