"""What a model is told about its code and its answers: real output, errors and how to mend them, refusals.

    observation(session.run(code), 1, question, tables, last=False, budget=500, count_tokens=count)

Small models repeat a mistake that they are only told of, so wherever it can be told what a line was meant to
be, that line is written out for them. Nothing here ever names an answer.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Sequence

from agent import slips
from agent.mending import (
    LABELS,
    as_value,
    corrected_line,
    mentions,
    names_in,
    nearest_names,
    text_for_numbers,
    with_what_is_there,
)
from agent.prompts import (
    EXEC_MARK,
    TO_NUMBERS,
    CountTokens,
    clip,
    clip_characters,
    join_advice,
    number_columns,
)
from agent.slips import CONTAINS, parsed
from sandbox import Execution, TableProfile


def observation(
    execution: Execution,
    step: int,
    question: str,
    tables: Sequence[TableProfile],
    *,
    before: Sequence[Execution] = (),
    last: bool,
    budget: int,
    count_tokens: CountTokens,
) -> str:
    """The record of one real execution, as the model sees it, in at most about `budget` tokens.

    Args:
        before: The executions whose variables it may have used.
    """
    if execution.error:
        text = f"{EXEC_MARK} Step {step} failed.\n" + build_self_recovery_feedback(execution, tables)
    elif output := clip(execution.stdout.rstrip(), budget, count_tokens):
        drawn = len(execution.figures)
        chart = f"\n({drawn} chart{'s' * (drawn > 1)} drawn)" if drawn else ""
        text = f"{EXEC_MARK} Output of step {step}:\n{output}{chart}"
        if note := slips.silent_slip(execution, before, tables):
            text += f"\n{note}"
    elif execution.figures:
        text = f"{EXEC_MARK} Step {step} drew a chart but printed nothing."
    else:
        text = f"{EXEC_MARK} Step {step} printed nothing."
    if last:
        return f"{text}\n{NO_STEPS_LEFT}"
    printed = execution.error or execution.stdout.strip()
    return text if printed else f"{text} {reminder(question)}"


def build_self_recovery_feedback(execution: Execution, tables: Sequence[TableProfile]) -> str:
    """Short, useful words about a failed step: the error, the failing line, the nearest real names.

    Used by the live loop and by training alike. Expects `execution.error` to be set.
    """
    error = execution.error
    message = clip_characters(error.message, 300)
    lines = [f"{error.kind}: {message}" if message else error.kind]
    if error.line:
        lines.append(f"Failing line {error.lineno}: {clip_characters(error.line.strip(), 200)}")
    if hint := _hint(execution, tables):
        lines.append(hint)
    if line := corrected_line(execution, tables):
        lines.append(f"Perhaps: {line}")
    lines.append("Reply with the whole corrected code.")
    return "\n".join(lines)


# What a beginner's error means and what to write instead: (kinds of error, pattern in its message, advice).
_ADVICE = (
    ("SyntaxError", r"unmatched|does not match|never closed", "Check that the brackets pair up."),
    (
        "AttributeError",
        r"NoneType",
        "print(...) gives None: its last parenthesis comes at the end of the line.",
    ),
    ("TypeError", r"StringMethods", f"{CONTAINS}.any()"),
    ("ArrowInvalid error PatternError", r"", f"Plain text is not a pattern. {CONTAINS}"),
    (
        "TypeError",
        r"[Cc]annot use method 'n",
        f"That column is text. For the longest use df[column].str.len(), for amounts df[column]{TO_NUMBERS}",
    ),
    (
        "AttributeError",
        r"\.str accessor",
        "That column holds numbers or dates already: use it as it is, without .str and .astype.",
    ),
    ("AttributeError", r"\.dt accessor", "Convert first: pd.to_datetime(df[column])."),
    (
        "TypeError ValueError",
        r"convert string|string dtype|dtype=str|'str'|object|concatenat|numeric",
        f"That column is text. Make numbers of it first: df[column]{TO_NUMBERS}",
    ),
    (
        "TypeError",
        r"does not support operation",
        "Choose the column before aggregating: df.groupby(key)[column].sum().",
    ),
    ("ValueError", r"ambiguous", "Put each comparison in parentheses and join them with & or |."),
    (
        "IndexingError",
        r"",
        "Filter with a condition on the rows, or filter the counts: c = ...; c[c > n].index.tolist().",
    ),
    (
        "IndexError",
        r"out.of.bounds",
        "No row meets the condition, or fewer than were wanted. Look at the values that there are.",
    ),
    (
        "ModuleNotFoundError",
        r"",
        "It is not installed. Do without it: pandas splits text into words with df[column].str.split().",
    ),
    (
        "KeyError",
        rf"{LABELS}|^True$|^False$",
        "Take rows by a value with df[df[column] == value], by their label with df.loc[label, column].",
    ),
)


def _hint(execution: Execution, tables: Sequence[TableProfile]) -> str:
    error = execution.error
    if told := slips.not_found(execution.sought):
        return told
    columns = [column.name for table in tables for column in table.columns]
    if error.kind == "NameError" and (match := re.search(r"name '(\w+)' is not defined", error.message)):
        if len(tables) > 1:
            names = ", ".join(table.name for table in tables)
            return _whose_columns(execution.code, tables) or f"The tables are {names}."
        return f"The table is `df`; {match[1]} was never assigned."
    if error.kind == "KeyError" or "not in index" in error.message or "Binder Error" in error.message:
        wrong = names_in(error.message)
        hints = [
            _whose_value(name, tables) or _nearest(name, columns) for name in wrong if name not in columns
        ]
        if len(tables) > 1 and (known := [name for name in wrong if name in columns]):
            hints.append(_whose_columns(" ".join(map(repr, known)), tables))
            hints.append(f"Join first: {joins}." if (joins := join_advice(tables)) else "")
        if any(hints):
            return " ".join(filter(None, hints))
    match = re.search(r"has no attribute '(\w+)'", error.message)
    if error.kind == "AttributeError" and match:
        near = nearest_names(match[1], columns, cutoff=0.8)
        if near:
            return f"For a column write df[{near[0]!r}]."
    with_numbers = number_columns(tables) if text_for_numbers(error) else {}
    if used := [name for name in with_numbers if mentions(error.line, name)]:
        return f"{used[0]!r} is text. Its numbers are in {with_numbers[used[0]]!r}."
    message = error.message.strip("'\"")
    for kinds, pattern, advice in _ADVICE:
        if error.kind in kinds.split() and re.search(pattern, message):
            return advice
    return ""


def _whose_columns(code: str, tables: Sequence[TableProfile]) -> str:
    """`'gpa' is a column of students.` for the columns that the code names."""
    owners = [
        f"{column.name!r} is a column of {table.name}."
        for table in tables
        for column in table.columns
        if re.search(rf"(['\"]){re.escape(column.name)}\1|\.{re.escape(column.name)}\b", code)
    ]
    return " ".join(owners[:4])


def _whose_value(name: str, tables: Sequence[TableProfile]) -> str:
    """What to write where a value was taken for a column's name; "" if it is none that the card shows."""
    if not (found := as_value([name], tables)):
        return ""
    _, frame, column, value = found
    return f"{name!r} is no column but a value: {frame}[{frame}[{column!r}] == {value!r}]."


def _nearest(name: str, columns: Sequence[str]) -> str:
    near = nearest_names(name, columns)
    if not near:
        return f"There is no column {name!r}. The columns are {', '.join(map(repr, columns[:12]))}."
    return f"There is no column {name!r}. Use {' or '.join(map(repr, near))}."


VARIABLES_GONE = "Python was started again: the tables are loaded, all other variables are gone."

# Why an answer is not accepted yet

NOTHING_RAN = (
    "Nothing has been run, so nothing supports this answer. "
    "Reply with a ```python block that prints the answer."
)
LAST_STEP_FAILED = "The last step failed, so nothing supports this answer. Reply with the corrected code."
NOTHING_PRINTED = "The last step printed nothing, so nothing supports this answer. Reply with code."
ONLY_LOOKED = (
    "That was only a look at the data, which proves no answer. "
    "Reply with code that computes the answer from the whole table."
)
YES_OR_NO = "This is a yes/no question. Reply with code that prints True or False."
NOT_YES_OR_NO = (
    "The question asks for a value, such as a name or a number. Reply with code that computes and prints it."
)
NOT_SHOWN_TO_LACK = "Nothing shows that the data lacks this. Reply with code."
NO_STEPS_LEFT = (
    "No steps are left. Give the answer from the real output above, in the form that was asked for."
)
NEITHER = "Reply with one ```python block, or in this form:\nAnswer: <value>\nSummary: <one sentence>"
_SAME_CODE = "This is the code that just failed, and it was not run again."
LOOK_FIRST = f"{_SAME_CODE} Look at the data first, then write other code:"
_RAN_BEFORE = (
    "This code has just run, and was not run again: its output stands above. If that shows the answer, "
    "reply\nAnswer: <value>\nSummary: <one sentence>\nIf it does not, reply with other code."
)


def same_code(ran: Execution, question: str, tables: Sequence[TableProfile]) -> str:
    """The model has sent again what was run before."""
    if not ran.error:
        if (mended := with_what_is_there(ran.code, ran.sought)) != ran.code:
            return f"{slips.not_found(ran.sought)} Send this instead:\n```python\n{mended}\n```"
        return f"{_RAN_BEFORE} {reminder(question)}"
    line = corrected_line(ran, tables)
    if not line and ran.error.kind in _UNREAD:
        return f"{_SAME_CODE} Start anew: one ```python block of simpler lines. {reminder(question)}"
    if not line:
        return f"{LOOK_FIRST}\n```python\n{_look(ran.code, tables)}\n```"
    lines = ran.code.split("\n")
    old = lines[ran.error.lineno - 1]
    lines[ran.error.lineno - 1] = old[: len(old) - len(old.lstrip())] + line
    return f"{_SAME_CODE} Send this instead:\n```python\n{chr(10).join(lines)}\n```"


_UNREAD = ("SyntaxError", "IndentationError")  # here no look at the data helps
_LOOKED_AT = 4  # columns


def _look(code: str, tables: Sequence[TableProfile]) -> str:
    """Code that prints the first rows of the columns that the code names."""
    named = [
        [column.name for column in table.columns if mentions(code, column.name)][:_LOOKED_AT]
        for table in tables
    ]
    columns = max(named, key=len)
    frame = "df" if len(tables) == 1 else tables[named.index(columns)].name
    return f"print({frame}{f'[{columns!r}]' if columns else ''}.head().to_string())"


def too_few(count: int, printed: Execution) -> str:
    """One value is the answer where the question names a number of them; `printed` is the last step."""
    text = f"The question asks for {count} values. Reply with code that prints all of them as a list"
    if code := _as_list(printed):
        return f"{text}:\n```python\n{code}\n```"
    return f"{text}: .tolist() for a column's values, .index.tolist() for the names of counts."


def _as_list(printed: Execution) -> str:
    """Code that printed a Series, with its values as a list; of counts and of groups the names."""
    *before, last = printed.code.rstrip().split("\n")
    tree = parsed(last)
    found = tree.body[0] if tree and tree.body else None
    if not isinstance(found, ast.Expr) or not re.search(r"\bdtype: \w+\s*$", printed.stdout):
        return ""
    series = found.value
    if isinstance(series, ast.Call) and ast.unparse(series.func) == "print":
        if len(series.args) != 1:
            return ""
        series = series.args[0]
    names = ".index" if re.search(r"value_counts|groupby", printed.code) else ""
    return "\n".join([*before, f"print({ast.unparse(series)}{names}.tolist())"])


def reminder(question: str) -> str:
    """For a small model that has lost sight of what was asked."""
    return f"Print the value that answers the question: {clip_characters(question, 300)}"


def not_in_output(answer: str, stated: bool, printed: str = "") -> str:
    """The answer's value is missing from real output.

    Args:
        stated: It stands there, but only as the code's own words.
        printed: The output, of which a value that is almost the answer is told.
    """
    shown = clip_characters(answer, 120)
    if almost := _almost(answer, printed):
        return (
            f"`{shown}` is not in the output, which has `{almost}`. Answer with the value exactly as printed."
        )
    if stated:
        return (
            f"`{shown}` is text that the code itself wrote, not a value computed from the data. "
            "Reply with code that computes and prints the value."
        )
    return (
        f"`{shown}` is not in the output. Answer with the value exactly as printed, "
        "or reply with code that prints the value which answers the question."
    )


def _almost(answer: str, printed: str) -> str:
    """The text in the output that was most likely copied wrongly; "" if there is none."""
    values = [value.strip(" '\"[]") for value in re.split(r"[,\n]", printed)]
    words = [value for value in values if value != answer and not re.search(r"\d", value)]
    if re.search(r"\d", answer) or len(answer) < _SHORTEST_COPIED:
        return ""
    return next(iter(difflib.get_close_matches(answer, words, n=1, cutoff=0.85)), "")


_SHORTEST_COPIED = 5
