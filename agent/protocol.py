"""Reads one reply of a model: is it code to run, a final answer, or neither?

    parse("```python\\nprint(df.shape)\\n```")      -> RunCode("print(df.shape)")
    parse("Answer: 42\\nSummary: There are 42.")    -> FinalAnswer("42", "There are 42.")
    parse("I think it is 42.")                     -> Malformed("no code and no answer")

The form that is asked for is strict; the forms that small models use instead are forgiven, each under
a name (`Forgiven`), so that a trajectory says how far a model strays. What is never forgiven is text that
poses as output: whatever follows it is built on an invention and is cut (`fabricated` counts it).
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from enum import StrEnum


class Forgiven(StrEnum):
    """A departure from the asked form that is understood all the same."""

    SEVERAL_BLOCKS = "several_blocks"  # more than one code block: run as one, in order
    NO_LANGUAGE = "no_language"  # a fence without a language tag
    OTHER_TAG = "other_tag"  # ```py, ```tool_code, <code>, <python>
    UNCLOSED_FENCE = "unclosed_fence"  # generation ended, or was stopped, inside the block
    SQL_BLOCK = "sql_block"  # a ```sql block: run through sql()
    PROMPT_MARKS = "prompt_marks"  # lines that begin with >>>
    BARE_CODE = "bare_code"  # code without any fence
    THINKING = "thinking"  # <think>…</think> before the reply
    EARLY_ANSWER = "early_answer"  # an Answer: behind code that had not run yet
    FINAL_ANSWER = "final_answer"  # "Final Answer:" for "Answer:"
    BOLD_TAGS = "bold_tags"  # **Answer:** or ### Answer:
    BULLET_LIST = "bullet_list"  # the answer's values as a bulleted list


@dataclass(frozen=True)
class RunCode:
    """Python to run, without fences."""

    code: str
    forgiven: tuple[Forgiven, ...] = ()
    fabricated: int = 0


@dataclass(frozen=True)
class FinalAnswer:
    """The value alone, and one sentence about it ("" when the model gave none)."""

    answer: str
    summary: str
    forgiven: tuple[Forgiven, ...] = ()
    fabricated: int = 0


@dataclass(frozen=True)
class Malformed:
    """Neither code nor answer; `reason` says which was missing."""

    reason: str
    forgiven: tuple[Forgiven, ...] = ()
    fabricated: int = 0


Reply = RunCode | FinalAnswer | Malformed

# A reply ends with its code block: what a model writes behind it can only be invented output. A bare fence
# may as well open a block ("Here is the code:"), so what follows it must show that it was a closing one.
STOP = ("\n```\n\n", "\n```\nAnswer", "\n```\n<", "\n```\n[EXEC")

_THINK = re.compile(r"<think>.*?(?:</think>|\Z)|<\|channel>thought.*?(?:<channel\|>|\Z)", re.S)
_FABRICATED = re.compile(
    r"(?:^|```)[ \t]*<(?:result|output|execution|observation)\b[^>]*>"
    r"|^[ \t]*\[EXEC:\w+\]"
    r"|^[ \t]*```[ \t]*(?:output|stdout|result|console)\b"
    r"|^[ \t]*[*#]*[ \t]*(?:expected |real )?(?:output|result)s?[ \t]*:?[*]*:?[ \t]*\n[ \t]*```"
    r"(?![ \t]*(?:python|py|sql)\w*\b)",
    re.M | re.I,
)
_OPENING = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n`]*\n|<(code|python)>[ \t]*\n?", re.M | re.I)
_CLOSING = {"```": re.compile(r"^[ \t]*```[ \t]*$", re.M), "tag": re.compile(r"</(?:code|python)>", re.I)}
_LABEL = re.compile(
    r"^[ \t]*(?P<mark>[*_#>`]*)[ \t]*(?P<final>final[ \t]+)?answer[ \t]*(?P<b1>[*_`]*)[ \t]*:"
    r"[ \t]*(?P<b2>[*_]*(?=[ \t\n]|$))?",
    re.M | re.I,
)
_SUMMARY = re.compile(
    r"^[ \t]*[*_#>`]*[ \t]*summary[ \t]*[*_`]*[ \t]*:[ \t]*(?:[*_]*(?=[ \t\n]|$))?", re.M | re.I
)
_BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d+[.)])[ \t]+", re.M)
_PLACEHOLDER = re.compile(r"^<[^<>]*>$|^\[?(?:value|the value|your answer)\]?$", re.I)
_PYTHON_TAGS = {"python", "python3"}
_OTHER_TAGS = {"py", "tool_code", "ipython", "jupyter", "pycon", "python-repl", "pandas", "code"}
_LEAD_IN = re.compile(r":[ \t]*$")
_CALL_OR_ASSIGNMENT = (ast.Call, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Import, ast.ImportFrom)


def parse(text: str) -> Reply:
    """Reads any text at all; never raises.

    What comes first counts: code before `Answer:` is run, and the answer, which can't rest on output that
    did not exist yet, is ignored (`EARLY_ANSWER`). Everything from the first fabricated result on is cut.
    """
    forgiven: list[Forgiven] = []
    kept = _THINK.sub("", text)
    if kept != text:
        forgiven.append(Forgiven.THINKING)
    fabricated = len(_FABRICATED.findall(kept))
    if fabricated:
        kept = kept[: _FABRICATED.search(kept).start()]

    blocks, block_notes, label = _blocks_and_label(kept)
    code = "\n".join(blocks)
    if not code and not label:
        code, block_notes = _bare_code(kept)
    if code:
        notes = [*forgiven, *block_notes, *([Forgiven.EARLY_ANSWER] if label else [])]
        return RunCode(code, tuple(notes), fabricated)
    if not label:
        return Malformed("no code and no answer", tuple(forgiven), fabricated)
    answer, summary, answer_notes = _answer(kept, label)
    notes = (*forgiven, *answer_notes)
    if not answer:
        return Malformed("an empty answer", notes, fabricated)
    return FinalAnswer(answer, summary, notes, fabricated)


def restore_fence(text: str) -> str:
    """The reply as the model meant it: with the closing fence that STOP took away."""
    return text + "\n```" if text.count("```") % 2 else text


def draft(text: str) -> str:
    """The code of a reply that is still being written, "" where none has begun; fences are left out."""
    text = _THINK.sub("", text)
    if fabricated := _FABRICATED.search(text):
        text = text[: fabricated.start()]
    opening = _OPENING.search(text)
    if not opening:
        return ""
    closing = _CLOSING["tag" if opening[2] else "```"].search(text, opening.end())
    code = text[opening.end() : closing.start() if closing else len(text)]
    return re.sub(r"\n[ \t]*`{1,2}$", "", code).strip("\n")


def _blocks_and_label(text: str) -> tuple[list[str], list[Forgiven], re.Match | None]:
    """The Python blocks before the first `Answer:` label, and that label.

    A label inside a block ends the block, unless it is a comment there (`# Answer: the total`).
    """
    blocks, notes, position, label = [], [], 0, None
    while True:
        opening, label = _OPENING.search(text, position), _LABEL.search(text, position)
        if not opening or (label and label.start() < opening.start()):
            break
        tag, is_fence = (opening[1] or "").lower(), opening[2] is None
        closing = _CLOSING["```" if is_fence else "tag"].search(text, opening.end())
        end = closing.start() if closing else len(text)
        inside = (m for m in _LABEL.finditer(text, opening.end(), end) if "#" not in m["mark"])
        label = next(inside, None)
        block, block_notes = _block(
            text[opening.end() : label.start() if label else end], tag if is_fence else "code"
        )
        if block:
            blocks.append(block)
            notes += block_notes + ([] if closing else [Forgiven.UNCLOSED_FENCE])
        if label:
            break
        position = closing.end() if closing else len(text)
    if len(blocks) > 1:
        notes.append(Forgiven.SEVERAL_BLOCKS)
    return blocks, list(dict.fromkeys(notes)), label


def _block(body: str, tag: str) -> tuple[str, list[Forgiven]]:
    """The Python of one fenced block, "" when the block is something else (JSON, prose, output)."""
    body, notes = body.strip("\n").rstrip(), []
    if not body.strip():
        return "", []
    if re.search(r"^>>> ?", body, re.M):
        body = "\n".join(line[4:] for line in body.splitlines() if line.startswith((">>> ", "... ")))
        notes.append(Forgiven.PROMPT_MARKS)
    if tag in _PYTHON_TAGS:
        return body, notes
    if tag in _OTHER_TAGS:
        return body, [*notes, Forgiven.OTHER_TAG]
    if tag == "sql":
        return f'sql("""\n{body.rstrip(";")}\n""")', [*notes, Forgiven.SQL_BLOCK]
    if not tag and _does_something(body):
        return body, [*notes, Forgiven.NO_LANGUAGE]
    return "", []


def _bare_code(text: str) -> tuple[str, list[Forgiven]]:
    """Code without a fence: the whole text, or all that follows a lead-in line that ends with a colon."""
    lines = text.strip().splitlines()
    starts = [0] + [i + 1 for i, line in enumerate(lines) if _LEAD_IN.search(line)]
    for start in starts:
        candidate = "\n".join(lines[start:]).strip("\n")
        if _does_something(candidate):
            return candidate, [Forgiven.BARE_CODE]
    return "", []


def _does_something(text: str) -> bool:
    """Whether the text is Python that calls or assigns; a lone word or number parses too, but is prose."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, _CALL_OR_ASSIGNMENT) for node in ast.walk(tree))


def _answer(text: str, label: re.Match) -> tuple[str, str, list[Forgiven]]:
    notes = []
    if label["final"]:
        notes.append(Forgiven.FINAL_ANSWER)
    if label["mark"] or label["b1"] or label["b2"]:
        notes.append(Forgiven.BOLD_TAGS)
    rest = text[label.end() :]
    again = _LABEL.search(rest)
    if again:
        rest = rest[: again.start()]
    found = _SUMMARY.search(rest)
    value, summary = (rest[: found.start()], rest[found.end() :]) if found else (rest, "")
    value = value.strip()
    if not found:  # without a Summary line, prose may follow the value
        value = re.split(r"\n[ \t]*\n", value)[0].strip()
    if "\n" in value:
        items = [_BULLET.sub("", line).strip() for line in value.splitlines() if line.strip()]
        if len(_BULLET.findall(value)) == len(items):
            value, notes = "[" + ", ".join(map(_clean, items)) + "]", [*notes, Forgiven.BULLET_LIST]
        else:
            value = " ".join(items)
    value = _clean(value)
    if _PLACEHOLDER.match(value):
        value = ""
    summary = re.split(r"\n[ \t]*\n|\n```", summary.strip())[0]
    return value, " ".join(_clean(summary).split()), notes


def _clean(value: str) -> str:
    """Without Markdown's emphasis and code ticks around it."""
    value = value.strip()
    for mark in ("**", "__", "`", "*"):
        if len(value) > 2 * len(mark) and value.startswith(mark) and value.endswith(mark):
            value = value[len(mark) : -len(mark)].strip()
    return value
