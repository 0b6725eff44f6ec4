"""The SFT set's record: one conversation as the core made it, and which of its replies are to be learned.

    samples.write(folder, "train", made)
    samples.read(folder, "validation")

A set is a folder with train.jsonl and validation.jsonl, one sample a line; no table is in both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agent import Trajectory, Turn

SPLITS = ("train", "validation")
DERIVED = ("recovery", "shape")


@dataclass(frozen=True)
class Sample:
    """One conversation; a line of train.jsonl or validation.jsonl.

    Attributes:
        id: Unique within the set; the same for the same conversation.
        source: "databench", "wtq", "own", a supplement's name, or what of DERIVED was made from such.
        family: What kind of question, fault or shape it is, within its source.
        answer_type: The problem's.
        messages: {"role", "content"} each, from the system prompt to the accepted answer.
        trained: Indices of the assistant messages to learn. The worked example's, and what was wrong, are
            context only.
        tables_sha256: Content digests (`training.leaks`) of the tables that it is about.
        model: Who wrote the code and the answer.
        steps: Executions.
    """

    id: str
    source: str
    family: str
    answer_type: str
    messages: tuple[dict[str, str], ...]
    trained: tuple[int, ...]
    tables_sha256: tuple[str, ...]
    model: str
    steps: int

    @classmethod
    def from_json(cls, data: dict) -> Sample:
        """The sample that `asdict` gave.

        Raises:
            ValueError: a key is missing or unknown.
        """
        lists = {name: tuple(data.get(name, ())) for name in ("messages", "trained", "tables_sha256")}
        try:
            return cls(**data | lists)
        except TypeError as error:
            raise ValueError(str(error).replace("Sample.__init__() ", "")) from None


def read(folder: Path, split: str) -> list[Sample]:
    """The samples of one of SPLITS.

    Raises:
        ValueError: the file is not there, or a line is no sample.
    """
    path = Path(folder) / f"{split}.jsonl"
    if not path.is_file():
        raise ValueError(f"{folder} holds no {path.name}: build the set by python -m training data.")
    made = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            made.append(Sample.from_json(json.loads(line)))
        except ValueError as error:
            raise ValueError(f"{path}:{number}: not a sample ({error}): build the set again.") from None
    return made


def without(whole: Sequence[Sample], sources: Sequence[str]) -> list[Sample]:
    """The samples of other sources; with a source goes what was derived from its tables.

    Raises:
        ValueError: the set holds nothing of one of the sources, or of no other.
    """
    if missing := set(sources) - {sample.source for sample in whole}:
        raise ValueError(f"The set holds no samples of {', '.join(sorted(missing))}.")
    originals = [sample for sample in whole if sample.source not in DERIVED]
    gone = {table for sample in originals if sample.source in sources for table in sample.tables_sha256}
    kept = [
        sample
        for sample in whole
        if sample.source not in sources
        and not (sample.source in DERIVED and gone.intersection(sample.tables_sha256))
    ]
    if not kept:
        raise ValueError(f"Without {', '.join(sources)} the set is empty.")
    return kept


def write(folder: Path, split: str, samples: Iterable[Sample]) -> None:
    """Writes one of SPLITS, whole or not at all."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{split}.jsonl.draft"
    lines = (json.dumps(asdict(sample), ensure_ascii=False) for sample in samples)
    draft.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    draft.replace(folder / f"{split}.jsonl")


def from_dialog(
    dialog: Sequence[Trajectory],
    *,
    source: str,
    family: str,
    answer_type: str,
    tables_sha256: Sequence[str],
    model: str,
    skip: int = 0,
) -> Sample:
    """A sample of one trajectory that was found right, or of several in one conversation, in their order.

    Args:
        skip: Replies at the beginning of the first trajectory that are context only, whatever came of them.
    """
    messages = dialog[-1].messages
    first, *others = dialog
    trained = [*learned(first, skip), *(index for other in others for index in learned(other))]
    text = json.dumps([messages, trained], ensure_ascii=False)
    return Sample(
        id=f"{source}-{hashlib.sha256(text.encode()).hexdigest()[:16]}",
        source=source,
        family=family,
        answer_type=answer_type,
        messages=messages,
        trained=tuple(trained),
        tables_sha256=tuple(tables_sha256),
        model=model,
        steps=sum(len(trajectory.executions) for trajectory in dialog),
    )


def learned(trajectory: Trajectory, skip: int = 0) -> list[int]:
    """Where in `messages` the replies stand that follow the last one that came to nothing."""
    turns = trajectory.turns
    stumbles = [number for number, turn in enumerate(turns, 1) if came_to_nothing(turn)]
    begin = max([skip, *stumbles])
    first = len(trajectory.messages) - 2 * len(turns) + 1
    return [first + 2 * number for number in range(begin, len(turns))]


def came_to_nothing(turn: Turn) -> bool:
    """Whether the reply was refused, or its code failed or printed nothing."""
    if turn.execution is None:
        return bool(turn.feedback)
    return turn.execution.error is not None or not turn.execution.stdout.strip()
