"""Judges a trajectory: is its answer right, and does it rest on what was really executed?

    verdict = verify(trajectory, problem)
    verdict.official, verdict.strict      # right by a published rule, and by ours
    verdict.grounded                      # the value stands in real, computed output

One chain for benchmark, reward and training alike. The first link that gives a value decides:

1. "stdout": the model's answer reads as the expected type and stands in the real output;
2. "answer": it reads as the expected type, but no real output holds it;
3. "extraction": it does not read, and a model finds the value in the real output and the summary; what
   that model names is taken only if it stands in the output;
4. "none": there is no value. An answer that does not read is still compared by the official rule.

The official rule is the benchmark's own for DataBench and DABench. WikiTableQuestions is judged by that of
DataBench, which is not its own: `wolfe tones` is wrong by it where `Wolfe Tones` is right.
"""

from __future__ import annotations

import functools
import math
import re
import warnings
from dataclasses import dataclass
from decimal import Decimal

from agent import Trajectory, answers, mere_looks, prompts
from agent.models import Model
from agent.provenance import Output, replay
from training.problems import CLOSED, LETTER, Problem

_NULLS = {"nan", "", "np.nan", "None"}
_STRIPPED = "[]'\" "
_TRUE, _FALSE = {"true", "yes", "y"}, {"false", "no", "n"}
_LETTER = re.compile(r"^(?:option|choice)?\s*[(\[]?([A-Z])(?:[)\].:]\s*(.*))?$", re.I | re.S)
_CLOSEST = re.compile(r"\b(?:closest|nearest|approximate(?:ly)?)\b", re.I)
_PERCENT = re.compile(r"(\d[\d,]*(?:\.\d+)?|\.\d+)\s?%")
_EXTRACTION_TOKENS = 64


@dataclass(frozen=True)
class Comparison:
    """Whether an answer is right: `official` by a published rule (see `compare`), `strict` by ours."""

    official: bool
    strict: bool


@dataclass(frozen=True)
class Verdict:
    """What the chain found.

    Attributes:
        link: The link that decided: "stdout", "answer", "extraction" or "none".
        value: The text that was compared, "" if there is none.
        official: Right by a published rule, see `compare`.
        strict: Right by ours.
        executed: At least one step ran without error.
        grounded: The value stands in output that was computed from the data, since the last failed step.
        step: The step (1-based) whose output holds it, 0 if none.
        reason: What happened, as half a sentence for a report.
    """

    link: str
    value: str
    official: bool
    strict: bool
    executed: bool
    grounded: bool
    step: int
    reason: str


# The chain


def verify(trajectory: Trajectory, problem: Problem, extractor: Model | None = None) -> Verdict:
    """Judges the trajectory's answer by the chain.

    Args:
        extractor: A model to read the value out of real output where the answer does not read as the
            expected type; without one that link is left out.

    Raises:
        ModelError: the extractor failed.
    """
    answer, outputs = trajectory.answer.strip(), computed_outputs(trajectory)
    if reads(answer, problem):
        step = _step_of(answer, trajectory, problem, outputs)
        where = f"it is in the output of step {step}" if step else "it is in no output computed from the data"
        return _verdict(trajectory, problem, "stdout" if step else "answer", answer, step, where)
    if extractor and outputs and outputs[-1] and outputs[-1].text.strip():
        value, step = _extract(trajectory, problem, outputs, extractor)
        if step:
            reason = f"a model read it from the output of step {step}"
            return _verdict(trajectory, problem, "extraction", value, step, reason)
    reason = f"the answer does not read as {problem.answer_type}" if answer else "there is no answer"
    return _verdict(trajectory, problem, "none", answer, 0, reason)


def computed_outputs(trajectory: Trajectory) -> list[Output | None]:
    """Each step's output as far as it was computed from the data, None for a step that failed.

    Found again from the stored code and output, whatever the trajectory says of its answer. A mere look at
    the data, which a refusal had given, computed nothing.
    """
    tables = {table["name"]: table["source"] for table in trajectory.tables}
    outputs = replay(tables, trajectory.executions)
    looks = mere_looks(trajectory.turns, tables)
    return [
        None if execution.error else Output() if number in looks else output
        for number, (execution, output) in enumerate(zip(trajectory.executions, outputs, strict=True), 1)
    ]


def reads(answer: str, problem: Problem) -> bool:
    """Whether the answer is of the problem's type, right or wrong."""
    if not answer.strip():
        return False
    if problem.answer_type == LETTER:
        letter, by_value = _choice(answer, problem)
        return bool(letter or by_value)
    if problem.answer_type == CLOSED:
        return answers.closed_form(problem.answer).keys() <= answers.closed_form(answer).keys()
    return answers.parse(answer, problem.answer_type) is not None


def _verdict(
    trajectory: Trajectory, problem: Problem, link: str, value: str, step: int, reason: str
) -> Verdict:
    # By the official rule no answer would equal an empty one; here it is not an answer.
    right = compare(value, problem) if value else Comparison(False, False)
    executed = trajectory.exec_ok
    return Verdict(link, value, right.official, right.strict, executed, step > 0, step, reason)


def _step_of(answer: str, trajectory: Trajectory, problem: Problem, outputs: list[Output | None]) -> int:
    """The newest step (1-based) since the last failure whose output holds the answer, 0 if none does."""
    for number in range(len(outputs), 0, -1):
        output = outputs[number - 1]
        if output is None:
            return 0
        if _stands_in(answer, trajectory.question, problem, output):
            return number
    return 0


def _stands_in(answer: str, question: str, problem: Problem, output: Output) -> bool:
    """Whether the output holds the value; for a letter its choice's text, or the letter alone on a line."""
    letter = _choice(answer, problem)[0] if problem.answer_type == LETTER else ""
    if not letter:
        return bool(output.find(answer, question))
    alone = re.search(rf"^\s*{letter}\s*$", output.text, re.M) and output.find(letter, "")
    return bool(alone or output.find(problem.choices.get(letter, ""), question))


def _extract(
    trajectory: Trajectory, problem: Problem, outputs: list[Output | None], extractor: Model
) -> tuple[str, int]:
    """The value that a model reads from real output, and its step; step 0 if it does not stand there."""
    last_failure = max((i for i, output in enumerate(outputs) if output is None), default=-1)
    stdout = "\n".join(execution.stdout for execution in trajectory.executions[last_failure + 1 :])
    messages = prompts.extraction_messages(
        problem.question, problem.answer_type, stdout, trajectory.answer, trajectory.summary
    )
    (reply,) = extractor.generate([messages], max_new_tokens=_EXTRACTION_TOKENS, stop=("\n",))
    value = re.sub(r"^\s*answer\s*:", "", reply, flags=re.I).strip().strip("`")
    return value, _step_of(value, trajectory, problem, outputs) if reads(value, problem) else 0


# Comparing


def compare(answer: str, problem: Problem) -> Comparison:
    """Compares an answer with the problem's, by both rules; no trajectory is looked at.

    `official` is DataBench's rule for its five types, whatever benchmark the problem is of.
    For "letter" no deterministic official rule exists (DSBench asks a large model): there `official` is the
    letter alone, and `strict` is value-aware: a choice's text, or a number equal to it (the nearest where
    the question asks for the closest), counts as that choice, and a letter must not contradict its text.
    For "closed" `official` is DABench's rule: every field equal as text, or as a number to 1e-6.
    """
    if problem.answer_type == LETTER:
        letter, by_value = _choice(answer, problem)
        chosen, gold = {letter, by_value} - {""}, problem.answer.strip().upper()
        return Comparison(letter == gold, chosen == {gold})
    if problem.answer_type == CLOSED:
        given, gold = answers.closed_form(answer), answers.closed_form(problem.answer)
        pairs = [(given.get(name, ""), value) for name, value in gold.items()]
        return Comparison(
            bool(pairs) and all(_equal_field(*pair) for pair in pairs),
            bool(pairs) and all(strict(*pair) for pair in pairs),
        )
    arguments = answer, problem.answer, problem.answer_type
    return Comparison(official(*arguments), strict(*arguments))


def strict(answer: str, gold: str, answer_type: str | None = None) -> bool:
    """Our rule for DataBench's five types, or the type that `gold` suggests.

    A number is right when it is equal, or rounded (not truncated) to at least two decimals; 45% is 45
    percent or 0.45; 1e-5 is read as such. Lists are equal as multisets, quoted commas respected. Texts are
    equal without regard to case, quotes and spacing. Two empty values are equal.
    """
    if _is_null(answer) or _is_null(gold):
        return _is_null(answer) and _is_null(gold)
    if answers.same(answer, gold, answer_type, min_decimals=2):
        return True
    if "%" not in answer + gold:
        return False
    return answers.same(_as_fraction(answer), _as_fraction(gold), answer_type, min_decimals=2)


def official(answer: str, gold: str, answer_type: str) -> bool:
    """DataBench's rule, exactly: `Evaluator.default_compare` of databench-eval 4.0.1.

    Its quirks are kept: numbers are cut, not rounded, after two decimals, and lists compare as sets. Where
    the original raises an error, on a date beyond all calendars, the answer is wrong.
    """
    if _is_null(answer) or _is_null(gold):
        return _is_null(answer) and _is_null(gold)
    match answer_type:
        case "boolean":
            words = {answer.strip(_STRIPPED).lower(), gold.strip(_STRIPPED).lower()}
            return words <= _TRUE or words <= _FALSE
        case "category":
            return _official_category(answer.strip(_STRIPPED), gold.strip(_STRIPPED))
        case "number":
            try:
                return math.trunc(_digits(answer) * 100) == math.trunc(_digits(gold) * 100)
            except (ValueError, OverflowError):
                return False
        case "list[category]":
            return _official_categories(_split(answer), _split(gold))
        case "list[number]":
            try:
                left, right = _cut_numbers(answer), _cut_numbers(gold)
            except (ValueError, OverflowError):
                return False
            return len(left) == len(right) and set(left) == set(right)
    raise ValueError(f"{answer_type!r} is not one of DataBench's types: {', '.join(answers.ANSWER_TYPES)}")


def _is_null(text: str) -> bool:
    return text.strip(_STRIPPED) in _NULLS


def _digits(text: str) -> float:
    return float("".join(char for char in text if char.isdigit() or char in ".-"))


def _cut_numbers(text: str) -> list[float]:
    return [int(_digits(item) * 100) / 100 for item in text.strip("[]").split(",") if item.strip()]


def _official_category(answer: str, gold: str) -> bool:
    if answer == gold:
        return True
    try:
        return _day(answer) == _day(gold)
    except Exception:  # pandas has several for what is no date, or none of this calendar
        return False


def _split(text: str) -> list[str]:
    items = [item.strip(_STRIPPED) for item in text.strip("[]").split(",")]
    return ["" if item in _NULLS else item for item in items]


def _official_categories(answer: list[str], gold: list[str]) -> bool:
    if len(answer) != len(gold):
        return False
    try:
        return set(map(_day, answer)) == set(map(_day, gold))
    except (ValueError, TypeError):
        return set(answer) == set(gold)
    except Exception:  # see above; here the original answers so too
        return False


def _day(text: str):
    return _pandas().to_datetime(text).date()


@functools.cache
def _pandas():
    import pandas

    # It says of every text that is no date that it had to guess the format.
    warnings.filterwarnings("ignore", category=UserWarning, module=__name__)
    return pandas


def _as_fraction(text: str) -> str:
    """45.3% as 0.453, with all its digits; the rest of the text as it is."""
    return _PERCENT.sub(lambda match: f"{Decimal(match[1].replace(',', '')).scaleb(-2):f}", text)


def _choice(answer: str, problem: Problem) -> tuple[str, str]:
    """The letter that the answer names, and the letter of the choice whose text it states; "" for neither."""
    match = _LETTER.match(answer.strip())
    letter = match[1].upper() if match else ""
    if problem.choices and letter not in problem.choices:
        letter = ""
    stated = match[2] or "" if match and letter else answer
    return letter, _choice_by_value(stated, problem)


def _choice_by_value(stated: str, problem: Problem) -> str:
    if not stated.strip():
        return ""
    equal = [letter for letter, text in problem.choices.items() if strict(stated, text)]
    if len(equal) == 1:
        return equal[0]
    value = answers.parse(stated, "number")
    if equal or value is None or not _CLOSEST.search(problem.question):
        return ""
    numbers = {letter: answers.parse(text, "number") for letter, text in problem.choices.items()}
    gaps = sorted((abs(n.value - value.value), letter) for letter, n in numbers.items() if n is not None)
    unique = len(gaps) > 1 and gaps[0][0] < gaps[1][0]
    return gaps[0][1] if unique else ""


def _equal_field(answer: str, gold: str) -> bool:
    if answer == gold:
        return True
    try:
        return abs(float(answer) - float(gold)) < 1e-6
    except ValueError:
        return False
