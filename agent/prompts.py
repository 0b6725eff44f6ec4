"""Every word that a model is shown: system prompt, worked example, table card, observation, feedback.

Tokens of prompt are what a person on a CPU waits for, so all of it is short, and what does not change from
question to question comes first, where a model server's prefix cache keeps it.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Sequence

from sandbox import ColumnProfile, Execution, TableProfile

CountTokens = Callable[[str], int]
Message = dict[str, str]

EXEC_MARK = "[EXEC:real]"

SYSTEM = """\
You are a data analyst. You answer questions about tables by running Python on them.
Each reply is one of two things:
1. Code to run, in one ```python block. It is run for real and you see its output. \
Print the value that answers the question.
2. When the real output shows the answer:
Answer: the value alone, as printed (True or False; a number; a name; a list such as ['a', 'b'])
Summary: one sentence that says what was found.
The tables are loaded: do not read files. pandas is pd, numpy is np, plt draws charts, \
sql("select ...") queries the tables. Copy column names exactly as they stand. \
Variables are kept from step to step. After an error, change the line that failed. \
Never write output yourself."""

_EXAMPLE_CARD = """\
Table `df` from pets.csv, 6 rows:
- 'Name': text, e.g. 'Rex', 'Mia', 'Bo'
- 'Species': text, one of 'dog', 'cat'
- 'Owner Name': text, e.g. 'Ana', 'Li', 'Sam'
- 'Weight (kg)': number, 3.1 to 31.5, 1 missing"""

_EXAMPLE = (
    ("user", f"{_EXAMPLE_CARD}\n\nQuestion: Does any cat weigh more than 10 kg?"),
    ("assistant", "```python\nprint((df[df['Species'] == 'cat']['Weight (kg)'] > 10).any())\n```"),
    ("user", f"{EXEC_MARK} Output of step 1:\nFalse"),
    ("assistant", "Answer: False\nSummary: No cat weighs more than 10 kg."),
    ("user", "Question: Who own the 2 heaviest pets?"),
    ("assistant", "```python\nprint(df.nlargest(2, 'Weight')['Owner Name'].tolist())\n```"),
    (
        "user",
        f"{EXEC_MARK} Step 1 failed.\nKeyError: 'Weight'\nFailing line 1: "
        "print(df.nlargest(2, 'Weight')['Owner Name'].tolist())\n"
        "There is no column 'Weight'. Use 'Weight (kg)'.\nReply with the whole corrected code.",
    ),
    ("assistant", "```python\nprint(df.nlargest(2, 'Weight (kg)')['Owner Name'].tolist())\n```"),
    ("user", f"{EXEC_MARK} Output of step 2:\n['Li', 'Ana']"),
    ("assistant", "Answer: ['Li', 'Ana']\nSummary: Li and Ana own the two heaviest pets."),
    ("user", "Question: Which species is heavier on average? Draw the averages as a bar chart."),
    (
        "assistant",
        "```python\nmeans = df.groupby('Species')['Weight (kg)'].mean()\nmeans.plot(kind='bar')\n"
        "print(means.idxmax())\n```",
    ),
    ("user", f"{EXEC_MARK} Output of step 1:\ndog\n(1 chart drawn)"),
    ("assistant", "Answer: dog\nSummary: Dogs are heavier on average."),
)

# "Can you tell me …" and "Do a count …" ask for something else.
_YES_NO = re.compile(
    r"^\W*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b"
    r"(?!\s+(?:you|we|i|me|an?)\b)(?!.*\b(?:or|which|who|what|how|list|name)\b)",
    re.I | re.S,
)
_ASKS_FOR_VALUE = re.compile(r"^\W*(?:which|what|who|whose|when|where|how|list|name|give|find|count)\b", re.I)
_CONDITION = re.compile(r"\b(?:whether|if)\b", re.I)  # "Find out whether …" may want True or False
_AMOUNT = re.compile(
    r"^\s*[-(]?\s*[$€£¥₹]\s*[\d,.]+\)?$|^\s*-?[\d,.]+\s*[%$€£]$|^-?\d{1,3}(?:,\d{3})+(?:\.\d+)?$"
)


_TO_NUMBERS = ".str.replace(r'[^0-9.-]', '', regex=True).astype(float)"


def opening_messages() -> list[Message]:
    """System prompt and worked example: the same for every question."""
    turns = [{"role": role, "content": content} for role, content in _EXAMPLE]
    return [{"role": "system", "content": SYSTEM}, *turns]


def question_message(question: str, card: str = "") -> str:
    """The user's turn: question, and before it the tables, or what a follow-up must be told."""
    hint = "\nPrint True or False." if is_yes_no(question) else ""
    return f"{card}\n\nQuestion: {question}{hint}" if card else f"Question: {question}{hint}"


def is_yes_no(question: str) -> bool | None:
    """Whether True or False is asked for; None where the wording does not tell."""
    if _YES_NO.match(question):
        return True
    return False if _ASKS_FOR_VALUE.match(question) and not _CONDITION.search(question) else None


def earlier_message(asked: Sequence[tuple[str, str]]) -> str:
    """What was asked and answered before, where the full conversation no longer fits."""
    return "Asked before:\n" + "\n".join(f"- {question} {answer}" for question, answer in asked)


# The table card

_TABLE_TOKENS = 90  # what a table of a few columns takes; where more tables share a card, some get no place


def table_card(tables: Sequence[TableProfile], question: str, budget: int, count_tokens: CountTokens) -> str:
    """What the model knows of the tables, in at most about `budget` tokens.

    Columns are described in full as far as the budget goes, those that the question mentions first; of the
    others the names are listed, then only counted. So are tables beyond those that fit. The text says what
    was left out.
    """
    fitting = max(budget // _TABLE_TOKENS, 1)
    shown, others = list(tables[:fitting]), [table.name for table in tables[fitting:]]
    share = budget // max(len(shown), 1)
    cards = [_one_card(table, len(tables) == 1, question, share, count_tokens) for table in shown]
    if joins := join_advice(shown):
        cards.append(f"To join: {joins}")
    if others:
        names = clip(", ".join(others), budget // 4, count_tokens)
        cards.append(f"… and {len(others)} more tables, not described: {names}")
    return "\n".join(cards)


def join_advice(tables: Sequence[TableProfile]) -> str:
    """`students.merge(grades, on='student_id')` for tables that share some column names; "" where none do.

    Tables with all the same columns are parts of one, not to be joined.
    """
    advice = []
    for left, right in itertools.combinations(tables, 2):
        names, others = [column.name for column in left.columns], {column.name for column in right.columns}
        shared = [name for name in names if name in others]
        if shared and set(names) != others:
            key = repr(shared[0]) if len(shared) == 1 else repr(shared[:3])
            advice.append(f"{left.name}.merge({right.name}, on={key})")
    return "; ".join(advice[:3])


def _one_card(table: TableProfile, alone: bool, question: str, budget: int, count_tokens: CountTokens) -> str:
    head = f"Table `{'df' if alone else table.name}` from {table.source}, {table.rows} rows"
    head += f" ({table.note}):" if table.note else ":"
    order = sorted(range(len(table.columns)), key=lambda i: (-_relevance(table.columns[i], question), i))
    lines: dict[int, str] = {}
    left = budget - count_tokens(head) - 20
    for index in order:
        line = f"- {column_line(table.columns[index])}"
        cost = count_tokens(line) + 1
        if cost > left:
            continue
        lines[index], left = line, left - cost
    described = [lines[index] for index in sorted(lines)]
    rest = [repr(table.columns[i].name) for i in range(len(table.columns)) if i not in lines]
    if not rest:
        return "\n".join([head, *described])
    shown: list[str] = []
    for name in rest:
        cost = count_tokens(name) + 1
        if cost <= left:
            shown.append(name)
            left -= cost
    hidden = len(rest) - len(shown)
    more = f"- also: {', '.join(shown)}" if shown else "-"
    if hidden:
        more += f" … and {hidden} more columns, not shown (see {'df' if alone else table.name}.columns)"
    return "\n".join([head, *described, more])


def column_line(column: ColumnProfile) -> str:
    """`'Weight (kg)': number, 3.1 to 31.5, 1 missing`"""
    parts = [column.kind]
    values = ", ".join(map(repr, column.values))
    if column.kind in ("number", "date") and column.minimum is not None:
        parts.append(f"{column.minimum} to {column.maximum}")
    elif column.values and column.distinct <= len(column.values):
        parts.append(f"one of {values}" if column.distinct > 1 else f"always {values}")
    elif column.values:
        parts.append(f"e.g. {values}")
    if column.kind == "text" and column.values and all(_AMOUNT.match(v) for v in column.values):
        parts.append(f"as numbers: {_TO_NUMBERS}")
    if column.missing:
        parts.append(f"{column.missing} missing")
    return f"{column.name!r}: {', '.join(parts)}"


def _relevance(column: ColumnProfile, question: str) -> int:
    """How many of the question's words stand in the column's name or values (by their first letters)."""
    asked = {_stem(word) for word in _words(question)}
    named = {_stem(word) for word in _words(column.name)}
    valued = {_stem(word) for value in column.values for word in _words(value)}
    return 2 * len(asked & named) + len(asked & valued)


def _words(text: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text)
    return [word.casefold() for word in re.findall(r"\w+", spaced) if len(word) > 2]


def _stem(word: str) -> str:
    return word[:5]


# What the sandbox said


def observation(
    execution: Execution,
    step: int,
    question: str,
    tables: Sequence[TableProfile],
    *,
    last: bool,
    budget: int,
    count_tokens: CountTokens,
) -> str:
    """The record of one real execution, as the model sees it, in at most about `budget` tokens."""
    if execution.error:
        text = f"{EXEC_MARK} Step {step} failed.\n" + build_self_recovery_feedback(execution, tables)
    elif output := clip(execution.stdout.rstrip(), budget, count_tokens):
        drawn = len(execution.figures)
        chart = f"\n({drawn} chart{'s' * (drawn > 1)} drawn)" if drawn else ""
        text = f"{EXEC_MARK} Output of step {step}:\n{output}{chart}"
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
    ("AttributeError", r"\.dt accessor", "Convert first: pd.to_datetime(df[column])."),
    (
        "TypeError ValueError",
        r"convert string|dtype=str|'str'|object|concatenat|numeric",
        f"That column is text. Make numbers of it first: df[column]{_TO_NUMBERS}",
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
        "No row meets the condition. Look at the values that the column really has.",
    ),
    ("ModuleNotFoundError", r"", "It is not installed. Use pandas and plain Python."),
    (
        "KeyError",
        r"^-?\d+$|^True$|^False$",
        "Take rows by a value with df[df[column] == value], by their label with df.loc[label, column].",
    ),
)


def _hint(execution: Execution, tables: Sequence[TableProfile]) -> str:
    error = execution.error
    columns = [column.name for table in tables for column in table.columns]
    if error.kind == "NameError" and (match := re.search(r"name '(\w+)' is not defined", error.message)):
        if len(tables) > 1:
            names = ", ".join(table.name for table in tables)
            return _whose_columns(execution.code, tables) or f"The tables are {names}."
        return f"The table is `df`; {match[1]} was never assigned."
    if error.kind == "KeyError" or "not in index" in error.message or "Binder Error" in error.message:
        named = re.findall(r"'([^']+)'|\"([^\"]+)\"", error.message)
        wrong = [name for pair in named for name in pair if name] or [error.message]
        wrong = [name.removeprefix("Column not found: ") for name in wrong]  # from a grouped table
        wrong = [name for name in wrong[:3] if not re.fullmatch(r"-?\d+|True|False", name)]
        hints = [_nearest(name, columns) for name in wrong if name not in columns]
        if len(tables) > 1 and (known := [name for name in wrong if name in columns]):
            hints.append(_whose_columns(" ".join(map(repr, known)), tables))
            hints.append(f"Join first: {joins}." if (joins := join_advice(tables)) else "")
        if any(hints):
            return " ".join(filter(None, hints))
    match = re.search(r"has no attribute '(\w+)'", error.message)
    if error.kind == "AttributeError" and match:
        near = _nearest_names(match[1], columns, cutoff=0.8)
        if near:
            return f"For a column write df[{near[0]!r}]."
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


def _nearest(name: str, columns: Sequence[str]) -> str:
    near = _nearest_names(name, columns)
    if not near:
        return f"There is no column {name!r}. The columns are {', '.join(map(repr, columns[:12]))}."
    return f"There is no column {name!r}. Use {' or '.join(map(repr, near))}."


def _nearest_names(name: str, columns: Sequence[str], cutoff: float = 0.6) -> list[str]:
    """Up to two real columns that a wrong name may have meant."""
    folded = {column: re.sub(r"\W|_", "", column.casefold()) for column in columns}
    wanted = re.sub(r"\W|_", "", name.casefold())
    within = [c for c, text in folded.items() if wanted and text and (wanted in text or text in wanted)]
    close = difflib.get_close_matches(wanted, folded.values(), n=2, cutoff=cutoff)
    near = [c for text in close for c, other in folded.items() if other == text]
    return list(dict.fromkeys([*sorted(within, key=len), *near]))[:2]


VARIABLES_GONE = "Python was started again: the tables are loaded, all other variables are gone."

# Why an answer is not accepted yet

NOTHING_RAN = (
    "Nothing has been run, so nothing supports this answer. "
    "Reply with a ```python block that prints the answer."
)
LAST_STEP_FAILED = "The last step failed, so nothing supports this answer. Reply with the corrected code."
NOTHING_PRINTED = "The last step printed nothing, so nothing supports this answer. Reply with code."
YES_OR_NO = "This is a yes/no question. Reply with code that prints True or False."
NOT_YES_OR_NO = (
    "The question asks for a value, such as a name or a number. Reply with code that computes and prints it."
)
NO_STEPS_LEFT = (
    "No steps are left. Give the answer from the real output above, in the form that was asked for."
)
NEITHER = "Reply with one ```python block, or in this form:\nAnswer: <value>\nSummary: <one sentence>"
SAME_CODE = (
    "This is the code that just failed, and it was not run again. Write it in another way, "
    "step by step, with simpler lines."
)


def reminder(question: str) -> str:
    """For a small model that has lost sight of what was asked."""
    return f"Print the value that answers the question: {clip_characters(question, 300)}"


def not_in_output(answer: str, stated: bool) -> str:
    """The answer's value is missing from real output.

    `stated`: it stands there, but only as the code's own words.
    """
    shown = clip_characters(answer, 120)
    if stated:
        return (
            f"`{shown}` is text that the code itself wrote, not a value computed from the data. "
            "Reply with code that computes and prints the value."
        )
    return (
        f"`{shown}` is not in the output. Answer with the value exactly as printed, "
        "or reply with code that prints the value which answers the question."
    )


# What training and benchmarks ask

_SHAPES = {
    "boolean": "True or False",
    "number": "a number",
    "category": "a name, a date or other short text",
    "list[category]": "a list of texts, such as ['a', 'b']",
    "list[number]": "a list of numbers, such as [1, 2.5]",
    "letter": "the letter of one of the choices",
    "closed": "fields as asked for, such as @name[value]",
}


def posed_question(question: str, choices: dict[str, str] | None = None, intro: str = "") -> str:
    """A benchmark's question with its choices, if it does not state them itself, and its background."""
    text = question.strip()
    if choices and not all(choice in text for choice in choices.values()):
        text += "\n" + "\n".join(f"{letter}. {choice}" for letter, choice in choices.items())
    return f"{text}\n\nBackground:\n{clip_characters(intro.strip(), 6000)}" if intro.strip() else text


def guess_messages(question: str) -> list[Message]:
    """The question without its tables: what a model scores by guessing."""
    return [
        {
            "role": "system",
            "content": "The tables that this question is about cannot be seen. Guess. Reply in this form:\n"
            "Answer: the value alone (True or False; a number; a name; a list such as ['a', 'b'])",
        },
        {"role": "user", "content": question_message(question)},
    ]


def extraction_messages(
    question: str, answer_type: str, stdout: str, answer: str, summary: str
) -> list[Message]:
    """For a second model: read the value out of real output where the first model's answer has no shape."""
    said = f"\nThe analyst said: {clip_characters(f'{answer} {summary}'.strip(), 600)}"
    return [
        {
            "role": "system",
            "content": "Find the value that answers the question in the program's output. Reply with that "
            "value alone, exactly as the output has it, or with NONE if it is not there.",
        },
        {
            "role": "user",
            "content": f"Question: {clip_characters(question, 2000)}\n"
            f"Wanted: {_SHAPES[answer_type]}\n"
            f"Output:\n{clip_characters(stdout.strip(), 4000)}{said}",
        },
    ]


# Fitting text into a budget


def clip(text: str, budget: int, count_tokens: CountTokens) -> str:
    """The text, or its beginning and end with a note of how much of the middle is left out."""
    if count_tokens(text) <= budget:
        return text
    keep = len(text)
    while keep > 40 and count_tokens(text[:keep]) > budget:
        keep = int(keep * 0.8)
    return clip_characters(text, keep)


def clip_characters(text: str, limit: int) -> str:
    """At most about `limit` characters of the text, the middle cut."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    gap = "\n" if "\n" in text else " "
    note = f"[… {len(text) - head - tail:,} characters left out …]"
    return f"{text[:head]}{gap}{note}{gap}{text[-tail:]}"
