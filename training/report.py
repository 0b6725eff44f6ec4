"""What went wrong in a benchmark run, in named classes: `python -m training bench report DIR`.

    classify(prediction, trajectory)        # one of CLASSES, None where the answer is right
    print(report(predictions, trajectories))

A class is told from the record and the known answer alone, the first one that fits in the order of CLASSES.
No known program is compared with, so "wrong column" and "wrong logic" are told apart by the value: one that
is of another kind than the known one comes from another column.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence

from agent import Trajectory, answers, prompts
from training.records import Prediction

CLASSES = {
    "unreadable table": "a file could not be read, so nothing was asked",
    "model failed": "the model or the sandbox gave an error",
    "no code": "nothing was run",
    "limit reached": "the steps or replies were used up before an answer",
    "not answerable": "it says that the data does not hold the answer, after a look in vain",
    "gave up after error": "the answer follows a step that failed",
    "wrong shape": "the answer is not of the kind that was asked for: a list, a number, True or False",
    "spelling": "the known answer but for spaces, signs or the case of letters",
    "wrong column": "the values are of another kind than the known ones, or name a column",
    "wrong logic": "the right kind of value, and the wrong one",
}
EXAMPLES = 3


def classify(prediction: Prediction, trajectory: Trajectory) -> str | None:
    """The class of a failure by the official rule; None where the answer is right."""
    if prediction.official:
        return None
    if prediction.outcome == "unreadable":
        return "unreadable table"
    if prediction.outcome == "failed":
        return "model failed"
    if not trajectory.executions:
        return "no code"
    if not prediction.answer.strip():
        return "limit reached"
    if prediction.outcome == "not_answerable":
        return "not answerable"
    if trajectory.executions[-1].error:
        return "gave up after error"
    if _letters(prediction.value) == _letters(prediction.gold) != [""]:
        return "spelling"
    if _wrong_shape(prediction.value, prediction):
        return "wrong shape"
    return "wrong column" if _wrong_column(prediction.value, prediction, trajectory) else "wrong logic"


def report(predictions: Sequence[Prediction], trajectories: Mapping[str, Trajectory]) -> str:
    """Counts and up to EXAMPLES examples of every class, as Markdown; the most frequent first."""
    found: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        if name := classify(prediction, trajectories[prediction.id]):
            found[name].append(prediction)
    failures = sum(map(len, found.values()))
    lines = [f"{failures} of {len(predictions)} answers are wrong by the official rule.", ""]
    lines += ["| class | failures | what it means |", "|---|---:|---|"]
    ordered = sorted(found, key=lambda name: -len(found[name]))
    lines += [f"| {name} | {len(found[name])} | {CLASSES[name]} |" for name in ordered]
    for name in ordered:
        lines += ["", f"### {name}"]
        for prediction in found[name][:EXAMPLES]:
            lines += ["", *_example(prediction, trajectories[prediction.id])]
    return "\n".join(lines)


def _example(prediction: Prediction, trajectory: Trajectory) -> list[str]:
    question = prompts.clip_characters(" ".join(trajectory.question.split()), 300)
    lines = [f"**{prediction.id}**: {question}"]
    if trajectory.executions:
        last = trajectory.executions[-1]
        lines += ["```python", last.code.strip(), "```"]
        printed = f"{last.error.kind}: {last.error.message}" if last.error else last.stdout.strip()
        lines.append(f"ran to: {_inline(printed)}")
    else:
        lines.append(
            f"said: {_inline(trajectory.turns[-1].text if trajectory.turns else trajectory.summary)}"
        )
    lines.append(f"answered: {_inline(prediction.value)}, known: {_inline(prediction.gold)}")
    return lines


def _inline(text: str) -> str:
    shown = prompts.clip_characters(" ".join(text.split()), 200).replace("`", "'")
    return f"`{shown}`" if shown else "nothing"


# Shape and column


def _wrong_shape(value: str, prediction: Prediction) -> bool:
    """Whether a list, a number or a truth value stands where another of these, or text, was asked for."""
    if prediction.answer_type in ("letter", "closed"):
        return prediction.link == "none"
    wanted, given = _kind(prediction.gold), _kind(value)
    if prediction.answer_type.startswith("list"):
        # The official rule takes a list's brackets off and splits it at its commas.
        return given != "list" and "," not in value and len(_elements(prediction.gold)) > 1
    if prediction.answer_type == "category" and {wanted, given} <= {"number", "text"}:
        return "\n" in value.strip()
    return wanted != given


def _wrong_column(value: str, prediction: Prediction, trajectory: Trajectory) -> bool:
    """Whether names stand where numbers are known, or the reverse, or the value is a column's name."""
    kinds = _element_kinds(value), _element_kinds(prediction.gold)
    return kinds[0] != kinds[1] or _unquoted(value) in _columns_in(trajectory)


def _element_kinds(text: str) -> set[str]:
    return set(map(_kind, _elements(text)))


def _elements(text: str) -> list[str]:
    """A list's elements, with or without its brackets; of other text the parts between commas."""
    parsed = answers.parse(text, "list[category]") if _kind(text) == "list" else None
    return [str(element) for element in (text.split(",") if parsed is None else parsed)]


def _letters(text: str) -> list[str]:
    """The elements in one order and one form, letters and digits only."""
    plain = (unicodedata.normalize("NFKC", element).casefold() for element in _elements(text))
    return sorted(re.sub(r"[\W_]", "", element) for element in plain)


def _kind(text: str) -> str:
    """ "boolean", "number", "list" or "text"; a list of one element is still a list."""
    text = text.strip()
    if len(text) >= 2 and text[0] + text[-1] in ("[]", "()", "{}"):
        return "list"
    if answers.parse(text, "boolean") is not None:
        return "boolean"
    return "text" if answers.parse(text, "number") is None else "number"


def _columns_in(trajectory: Trajectory) -> set[str]:
    """Names that the code takes columns by: df['name'] and df.name."""
    codes = "\n".join(execution.code for execution in trajectory.executions)
    return {a or b for a, b in re.findall(r"\[['\"]([^'\"]+)['\"]\]|\bdf\.(\w+)\b(?!\()", codes)}


def _unquoted(text: str) -> str:
    return text.strip().strip("[]'\" ")
