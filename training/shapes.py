"""From an episode that went well to drafts of samples: cleaned, in the form asked for, and variations of it.

    cleaned(rollout, "wtq", "plain")      # the code that did it alone, the answer in its type's form
    stumbled(rollout)                     # the model's own failed first attempt, and how it mended it
    charted(draft, random.Random(0))      # the same question with a chart asked for
    looked_first(draft, sample)           # where the card did not show what the code needs, a look before
    absent(problem, profile)              # a look in vain for what no table holds
    found(draft, profile)                 # the same look for what there is

Nothing here is believed: every draft is played anew (`rollouts.play`) and kept only if it is accepted and
right.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from agent import Trajectory, absence, answers, prompts
from agent.absence import NOT_ANSWERABLE
from sandbox import TableProfile
from training import worth
from training.problems import Problem
from training.questions.absent import absent_word
from training.rollouts import Draft, Rollout, answer_reply, code_reply
from training.samples import Sample, came_to_nothing

# Lines without effect: imports of what is there, and what a chart does not need to be drawn.
_NOT_NEEDED = re.compile(
    r"(?:import (?:pandas as pd|numpy as np|matplotlib\.pyplot as plt|datetime|math|re)"
    r"|plt\.(?:show|figure|tight_layout)\(.*\))\s*(?:#.*)?$"
)
_ASKS_FOR_CHART = re.compile(r"\b(?:chart|graph|plot|draw|visuali[sz]e|histogram)", re.I)
_FENCED = re.compile(r"```python\n(.*)\n```", re.S)
_COUNTS = {"value_counts", "size", "count", "nunique"}
_GROUPED = {"mean", "sum", "max", "min", "median", *_COUNTS}
_MOST_BARS = 20
_SERIES_METHODS = {
    "head", "tail", "nlargest", "nsmallest", "sort_values", "value_counts", "drop_duplicates", "unique",
}  # fmt: skip
LISTED = "list printed as a list"
# As an observation ends that has a chart.
CHART_DRAWN = " drawn)"
_CHART = (
    "Draw it as a bar chart, too.",
    "Also draw a bar chart.",
    "Show it in a bar chart as well.",
    "And plot a bar chart of it.",
    "Make a bar chart of it, please.",
)


# Cleaned


def cleaned(rollout: Rollout, source: str, family: str) -> list[Draft]:
    """Drafts of the same success, the shortest first: the last code alone, or all code that was of use.

    [] where it is not worth learning (see `not_worth`). A draft whose answer had to be brought into its
    type's form, or whose list is now printed as one, is of the source "shape".
    """
    problem, trajectory, _ = rollout
    if not_worth(rollout):
        return []
    steps, answer = _useful(trajectory), in_form(trajectory.answer, problem.answer_type)
    if answer != trajectory.answer:
        source, family = "shape", f"{problem.answer_type} in its form"
    last = answer_reply(answer, trajectory.summary)
    ways = [steps[-1:], steps] if len(steps) > 1 else [steps]
    drafts = [
        Draft(problem, (*map(code_reply, way), last), source, family, trajectory.run["model"]) for way in ways
    ]
    codes = _listed(steps[-1]) if problem.answer_type.startswith("list") else []
    listed = [
        replace(drafts[0], replies=(code_reply(code), last), source="shape", family=LISTED) for code in codes
    ]
    return listed + drafts


def _listed(code: str) -> list[str]:
    """The code, if it prints a Series or an array, printing it as a list: its values, or its labels."""
    *_, last = ast.parse(code).body
    match last:
        case ast.Expr(ast.Call(ast.Name("print"), [shown], [])) if _is_column(shown):
            text, before = ast.get_source_segment(code, shown), code.split("\n")[: last.lineno - 1]
            return ["\n".join([*before, f"print({text}{how}.tolist())"]) for how in ("", ".index")]
    return []


def _is_column(node: ast.expr) -> bool:
    match node:
        case ast.Call(ast.Attribute(attr=method)):
            return method in _SERIES_METHODS
        case ast.Subscript(slice=ast.Constant(str())):
            return True
    return False


def stumbled(rollout: Rollout) -> Draft | None:
    """The draft of a first step that failed and a second one that mended it; None for another course."""
    problem, trajectory, _ = rollout
    failed = [turn.execution is not None and turn.execution.error is not None for turn in trajectory.turns]
    if failed != [True, False, False] or not_worth(rollout):
        return None
    codes = [code_reply(tidy(turn.code)) for turn in trajectory.turns[:2]]
    last = answer_reply(in_form(trajectory.answer, problem.answer_type), trajectory.summary)
    return Draft(problem, (*codes, last), "recovery", "its own", trajectory.run["model"], wrong=1)


def not_worth(rollout: Rollout) -> str:
    """Why a right rollout is not worth learning, as half a sentence; "" if it is."""
    problem, trajectory, prediction = rollout
    if not prediction.verified:
        return "rollout not verified"
    steps, answer = _useful(trajectory), in_form(trajectory.answer, problem.answer_type)
    if not steps or not answer:
        return "no code that is of use, or no answer of the type"
    if not _is_backed(trajectory):
        return "Summary missing, or with numbers that stand nowhere"
    if problem.answer_type == "boolean" and "dtype: bool" in trajectory.executions[-1].stdout:
        return "a column of truth values where one is asked for"
    return worth.objection(
        problem.question, answer, problem.answer_type, "\n".join(steps), trajectory.summary
    )


def _useful(trajectory: Trajectory) -> list[str]:
    return [tidy(turn.code) for turn in trajectory.turns if turn.step and not came_to_nothing(turn)]


def tidy(code: str) -> str:
    """The code without comments of a line's own, blank lines and lines without effect."""
    kept = [
        line
        for line in code.split("\n")
        if line.strip() and not line.lstrip().startswith("#") and not _NOT_NEEDED.match(line)
    ]
    shorter = "\n".join(kept)
    needed = "\n".join(line for line in code.split("\n") if not _NOT_NEEDED.match(line))
    same = canonical(shorter) == canonical(needed)  # else a line was part of a text
    return shorter if same and shorter else code


def canonical(code: str) -> str:
    """The code without comments and its own layout, to compare it by."""
    try:
        return ast.unparse(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code


def code_of(draft: Draft) -> str:
    """The code of all its replies."""
    return "\n".join(match[1] for reply in draft.replies if (match := _FENCED.fullmatch(reply)))


def in_form(answer: str, answer_type: str) -> str:
    """The answer as the prompt asks for it: True or False, one value, or a Python list; "" if it is none."""
    value = answers.parse(answer, answer_type)
    if value is None or value == ():
        return ""
    if answer_type == "boolean":
        return str(value)
    if not answer_type.startswith("list"):
        return answers.parse(answer, "category")
    items = answers.parse(answer, "list[category]")
    return f"[{', '.join(i.replace(',', '') for i in items)}]" if "number" in answer_type else repr([*items])


def _is_backed(trajectory: Trajectory) -> bool:
    """Whether there is a Summary, and each of its numbers stands in the question, the answer or an output."""
    outputs = [step.stdout for step in trajectory.executions if not step.error]
    known = "\n".join([trajectory.question, trajectory.answer, *outputs])
    numbers = re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])", trajectory.summary)
    return bool(trajectory.summary) and all(answers.find(number, known) for number in numbers)


# Not there


def absent(problem: Problem, tables: Sequence[TableProfile]) -> Draft | None:
    """A look for what a question of our own asks for, and the answer that the data does not hold it.

    None where the question does not say so.
    """
    word = absent_word(problem.question)
    if word not in absence.telling_words(problem.question) or absence.named(word, tables):
        return None
    last = answer_reply(NOT_ANSWERABLE, f"No column's name and no cell has the word {word!r}.")
    replies = (code_reply(absence.look(word, tables)), last)
    return Draft(problem, replies, "shape", "not answerable", model="a program")


def found(draft: Draft, tables: Sequence[TableProfile]) -> Draft | None:
    """The draft with such a look before, for a word that a column has: to have looked is not to give up."""
    words = [word for word in absence.telling_words(draft.problem.question) if absence.named(word, tables)]
    if len(draft.replies) != 2 or not words:
        return None
    replies = (code_reply(absence.look(words[0], tables)), *draft.replies)
    return replace(draft, replies=replies, source="shape", family="looked for and found", shows="\n['")


# A chart


def charted(draft: Draft, chance: random.Random) -> Draft | None:
    """The question with a chart asked for, and code that draws what it counts.

    None if it counts nothing, or draws already.
    """
    if len(draft.replies) != 2 or "plt." in code_of(draft) or _ASKS_FOR_CHART.search(draft.problem.question):
        return None
    code = _with_chart(code_of(draft))
    if not code:
        return None
    question = f"{draft.problem.question.rstrip()} {chance.choice(_CHART)}"
    return replace(
        draft,
        problem=replace(draft.problem, question=question),
        replies=(code_reply(code), draft.replies[-1]),
        source="shape",
        family="chart",
        shows=CHART_DRAWN,
    )


def _with_chart(code: str) -> str:
    try:
        statements = ast.parse(code).body
    except SyntaxError:
        return ""
    lines = code.split("\n")
    for statement in statements:
        before, after = lines[: statement.lineno - 1], lines[statement.end_lineno :]
        own = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        match statement:
            case ast.Assign(targets=[ast.Name(name)], value=value) if _is_series(value):
                drawn = [own, _plot(name)]
            case ast.Expr(ast.Call(ast.Name("print"), [argument])) if series := _series_in(argument):
                whole = ast.get_source_segment(own, ast.parse(own).body[0]) or ""
                text = ast.get_source_segment(code, series) or ""
                name = "counts" if series.func.attr in _COUNTS else "values"
                drawn = [f"{name} = {text}", _plot(name), whole.replace(text, name, 1)]
            case _:
                continue
        return "\n".join([*before, *drawn, *after])
    return ""


def _plot(name: str) -> str:
    return f"{name}.head({_MOST_BARS}).plot(kind='bar')"


def _series_in(node: ast.expr) -> ast.Call | None:
    """The counts or groups' values behind an expression such as `df['a'].value_counts().idxmax()`."""
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        if _is_series(node):
            return node
        node = node.func if isinstance(node, ast.Call) else node.value
    return None


def _is_series(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr == "value_counts":
        return True
    calls = (call.func for call in ast.walk(node.func.value) if isinstance(call, ast.Call))
    grouped = any(isinstance(function, ast.Attribute) and function.attr == "groupby" for function in calls)
    return grouped and node.func.attr in _GROUPED


# A look first


def looked_first(draft: Draft, sample: Sample) -> Draft | None:
    """The draft with a step before that looks for a column or a value which the card does not show.

    Args:
        sample: What was made from the draft; its opening holds the card.
    """
    card = sample.messages[len(prompts.opening_messages())]["content"]
    found = next(_looks(code_of(draft), draft.problem, card), None) if len(draft.replies) == 2 else None
    if not found:
        return None
    look, shows = found
    replies = (code_reply(look), *draft.replies)
    return replace(draft, replies=replies, source="shape", family="look first", shows=shows)


def _looks(code: str, problem: Problem, card: str) -> Iterator[tuple[str, str]]:
    """Code that looks for something, and what it must show."""
    question = problem.question.casefold()
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(ast.Name("df"), ast.Constant(str(name))) if repr(name) not in card:
                words = [word for word in re.findall(r"\w{4,}", question) if word in name.casefold()]
                wanted = f"[c for c in df.columns if {max(words, key=len)!r} in c.lower()]" if words else ""
                yield f"print({wanted or 'df.columns.tolist()'})", repr(name)
            case ast.Compare(ast.Subscript(ast.Name("df")) as column, [ast.Eq()], [ast.Constant(str(value))]):
                asked = value.casefold()
                if value not in card and value not in problem.question and asked in question:
                    text = ast.get_source_segment(code, column)
                    found = f"{text}.str.contains({asked!r}, case=False, regex=False, na=False)"
                    yield f"print({text}[{found}].unique())", value
