"""What a model is shown before it writes: system prompt, worked example, table card, question.

What it is told about its code and its answers is in `agent.feedback`; no word comes from anywhere else.

Tokens of prompt are what a person on a CPU waits for, so all of it is short, and what does not change from
question to question comes first, where a model server's prefix cache keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sandbox import ColumnProfile, Join, TableProfile

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
    ("user", f"{_EXAMPLE_CARD}\n\nQuestion: Which pet is the lightest?"),
    ("assistant", "```python\nprint(df.loc[df['Weight (kg)'].idxmin(), 'Name'])\n```"),
    ("user", f"{EXEC_MARK} Output of step 1:\nMia"),
    ("assistant", "Answer: Mia\nSummary: Mia is the lightest pet."),
    ("user", "Question: Does any cat weigh more than 10 kg?"),
    ("assistant", "```python\nprint((df[df['Species'] == 'cat']['Weight (kg)'] > 10).any())\n```"),
    ("user", f"{EXEC_MARK} Output of step 1:\nFalse"),
    ("assistant", "Answer: False\nSummary: No cat weighs more than 10 kg."),
    ("user", "Question: Who own the 2 heaviest pets?"),
    ("assistant", "```python\nprint(df.nlargest(2, 'Weight')['Owner Name'].tolist())\n```"),
    (
        "user",
        f"{EXEC_MARK} Step 1 failed.\nKeyError: 'Weight'\nFailing line 1: "
        "print(df.nlargest(2, 'Weight')['Owner Name'].tolist())\n"
        "There is no column 'Weight'. Use 'Weight (kg)'.\n"
        "Perhaps: print(df.nlargest(2, 'Weight (kg)')['Owner Name'].tolist())\n"
        "Reply with the whole corrected code.",
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
    r"(?!\s+(?:you|we|i|me|an?)\b)(?!.*\b(?:or|which|what|how)\b)",
    re.I | re.S,
)
_ASKS_FOR_VALUE = re.compile(r"^\W*(?:which|what|who|whose|when|where|how|list|name|give|find|count)\b", re.I)
_CONDITION = re.compile(r"\b(?:whether|if)\b", re.I)  # "Find out whether …" may want True or False
_AMOUNT = re.compile(
    r"^\s*[-(]?\s*[$€£¥₹]\s*[\d,.]+\)?$|^\s*-?[\d,.]+\s*[%$€£]$|^-?\d{1,3}(?:,\d{3})+(?:\.\d+)?$"
)


TO_NUMBERS = ".str.replace(r'[^0-9.-]', '', regex=True).astype(float)"


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


_NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_MANY = rf"(\d{{1,2}}|{'|'.join(_NUMBERS)})\b"
_LIST = r"^\W*(?:list|enumerate|name|identify|provide|give|show|(?:what|which|who) are)\b"
_ITEMS = (
    re.compile(rf"^\W*(?:list|enumerate|name|identify|give|show|what|which)(?: are)?(?: the)? {_MANY}", re.I),
    re.compile(rf"{_LIST}.*\b(?:top|bottom|first|last|common|\w{{2,}}est) {_MANY}", re.I),
    re.compile(rf"{_LIST}.*\b{_MANY} (?:\w+ )?(?:most|least|\w{{2,}}est)\b", re.I),
)


def items_asked(question: str) -> int:
    """How many values a question such as "List the 3 oldest …" names, 0 where it names no number."""
    word = next((match[1].casefold() for item in _ITEMS if (match := item.search(question))), "0")
    return _NUMBERS.index(word) + 2 if word in _NUMBERS else int(word)


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
    """`students.merge(grades, on='student_id')` for tables that share values; "" where none do."""
    names = {table.name for table in tables}
    found = [(table, join) for table in tables for join in table.joins if join.table in names]
    return "; ".join(join_code(table, join) for table, join in found[:3])


def join_code(table: TableProfile, join: Join) -> str:
    """The expression that joins the table with the other."""
    left, right = (keys[0] if len(keys) == 1 else list(keys) for keys in (join.columns, join.others))
    keys = f"on={left!r}" if left == right else f"left_on={left!r}, right_on={right!r}"
    return f"{table.name}.merge({join.table}, {keys})"


def _one_card(table: TableProfile, alone: bool, question: str, budget: int, count_tokens: CountTokens) -> str:
    head = f"Table `{'df' if alone else table.name}` from {table.source}, {table.rows} rows"
    head += f" ({table.note}):" if table.note else ":"
    with_numbers = number_columns([table])
    order = sorted(range(len(table.columns)), key=lambda i: (-_relevance(table.columns[i], question), i))
    lines: dict[int, str] = {}
    left = budget - count_tokens(head) - 20
    for index in order:
        column = table.columns[index]
        line = f"- {column_line(column, has_numbers=column.name in with_numbers)}"
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


def number_columns(tables: Sequence[TableProfile]) -> dict[str, str]:
    """The columns of text whose amounts stand as numbers in another, with its name."""
    columns = {column.name: column.kind for table in tables for column in table.columns}
    found = ((name, f"{name} (number)") for name, kind in columns.items() if kind == "text")
    return {name: numbers for name, numbers in found if columns.get(numbers) == "number"}


def column_line(column: ColumnProfile, *, has_numbers: bool = False) -> str:
    """`'Weight (kg)': number, 3.1 to 31.5, 1 missing`

    Args:
        has_numbers: Whether its amounts of money or shares stand as numbers in another column.
    """
    parts = [column.kind]
    values = ", ".join(map(repr, column.values))
    if column.kind in ("number", "date") and column.minimum is not None:
        parts.append(f"{column.minimum} to {column.maximum}")
    elif column.values and column.distinct <= len(column.values):
        parts.append(f"one of {values}" if column.distinct > 1 else f"always {values}")
    elif column.values:
        parts.append(f"e.g. {values}")
    if (
        column.kind == "text"
        and not has_numbers
        and column.values
        and all(_AMOUNT.match(v) for v in column.values)
    ):
        parts.append(f"as numbers: {TO_NUMBERS}")
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


_GUESSES = (
    ("Does any cat weigh more than 10 kg?", "False"),
    ("Who own the 2 heaviest pets?", "['Li', 'Ana']"),
    ("How many dogs are there?", "4"),
    ("Which species is heavier on average?", "dog"),
    ("What are the weights of the 3 lightest pets?", "[3.1, 4.2, 4.5]"),
)


def guess_messages(question: str) -> list[Message]:
    """The question without its tables: what a model scores by guessing, shown how as the agent is."""
    system = "The tables that these questions are about cannot be seen. Guess the answer: always give one."
    messages = [{"role": "system", "content": system}]
    for asked, guess in _GUESSES:
        messages += [
            {"role": "user", "content": f"Question: {asked}"},
            {"role": "assistant", "content": f"Answer: {guess}"},
        ]
    return [*messages, {"role": "user", "content": f"Question: {question}"}]


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
