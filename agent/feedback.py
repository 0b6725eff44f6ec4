"""What a model is told about its code and its answers: real output, errors and how to mend them, refusals.

    observation(session.run(code), 1, question, tables, last=False, budget=500, count_tokens=count)

Small models repeat a mistake that they are only told of, so wherever it can be told what a line was meant to
be, that line is written out for them. Nothing here ever names an answer.
"""

from __future__ import annotations

import ast
import difflib
import itertools
import re
from collections.abc import Sequence

from agent import slips
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
from sandbox import Execution, ExecutionError, Sought, TableProfile


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


def corrected_line(execution: Execution, tables: Sequence[TableProfile]) -> str:
    """The failing line as it was most likely meant, "" where that cannot be told.

    Told are a parenthesis that closes `print` too early, a column's name that is almost right, rows taken by
    label as if they were columns, a value taken for a column, a table of one column where that column was
    meant, `.any()` of one value, dates among which other text stands,
    methods of text on numbers, an amount as text where its numbers stand in another column, a condition whose
    value is spelt otherwise or stands in another column.
    """
    error, lines = execution.error, execution.code.split("\n")
    if not 0 < error.lineno <= len(lines):
        return ""
    line = lines[error.lineno - 1]
    if error.kind == "SyntaxError" or "NoneType" in error.message:
        mended = _print_closed_last(line)
    elif error.kind == "KeyError" and re.match(_LABELS, error.message.strip("'\"")):
        mended = re.sub(r"\b(\w+)\[\1\b(?!\.columns)", r"\1.loc[\1", line, count=1)
    elif re.search(r"^'?DataFrame\b.*(?:no attribute|missing 1 required)", error.message):
        mended = re.sub(r"\[(\[(['\"])[^'\"]+\2\])\]", r"\1", line)
    elif any(one.instead and one.written in line for one in execution.sought):
        mended = _with_what_is_there(line, execution.sought)
    elif error.kind == "KeyError" and (found := _as_value(_named(error.message)[:1], tables)):
        mended = _with_rows_of(line, *found)
    elif error.kind == "AttributeError" and ".str accessor" in error.message:
        mended = _without_text_methods(line)
    elif error.kind in ("ValueError", "DateParseError") and re.search(_NO_DATE, error.message):
        mended = re.sub(r"(pd\.to_datetime\((?:[^()]|\([^()]*\))*)\)", r"\1, errors='coerce')", line)
    elif error.kind == "AttributeError" and (found := _ONE_VALUE.search(error.message)):
        mended = line.replace(f".{found[1]}()", "")
    elif _are_text(error):
        mended = _with_numbers(line, tables)
        mended = _converted(line, tables) if mended == line else mended
    else:
        mended = _with_real_names(line, error.message, tables)
    if mended == line or not parsed("\n".join([*lines[: error.lineno - 1], mended, *lines[error.lineno :]])):
        return ""
    return clip_characters(mended.strip(), 300)


_NO_DATE = r"doesn't match format|[Uu]nknown datetime string|unconverted data|Out of bounds"
_ONE_VALUE = re.compile(r"'(?:bool|int|float|str)' object has no attribute '(any|all|sum|item|tolist)'")


def _with_what_is_there(code: str, sought: Sequence[Sought]) -> str:
    """Conditions that found nothing, in the form in which they find something."""
    for one in sought:
        code = code.replace(one.written, one.instead or one.written)
    return code


def _are_text(error: ExecutionError) -> bool:
    """Whether text stood where numbers were wanted."""
    return error.kind in ("TypeError", "ValueError") and bool(re.search(_TEXT, error.message))


def _with_numbers(line: str, tables: Sequence[TableProfile]) -> str:
    """`df['a'] = df['a'] / 2` as `df['a'] = df['a (number)'] / 2`: what is set keeps its name."""
    target, equals, value = line.rpartition(" = ")
    for name, numbers in number_columns(tables).items():
        value = re.sub(rf"(['\"]){re.escape(name)}\1", lambda _, numbers=numbers: repr(numbers), value)
    return target + equals + value


_NUMBER = re.compile(r"\s*-?\d[\d.,]*\s*$")


def _converted(line: str, tables: Sequence[TableProfile]) -> str:
    """`print(df.nlargest(3, 'a'))` with numbers made of the one column of text that it names, before it."""
    columns = [column for table in tables for column in table.columns if column.kind == "text"]
    texts = [column.name for column in columns if any(map(_NUMBER.match, column.values))]
    named = [name for name in texts if re.search(rf"(['\"]){re.escape(name)}\1", line)]
    if len(tables) > 1 or len(named) != 1 or not re.match(r"\w.*[^:]$", line):
        return line
    column = f"df[{named[0]!r}]"
    return f"{column} = pd.to_numeric({column}, errors='coerce'); {line}"


def _without_text_methods(line: str) -> str:
    """`df['a'].str.replace(',', '').astype(float).sum()` as `df['a'].sum()`."""
    begin = line.find(".str.")
    while begin >= 0 and (call := re.compile(r"\.(?:str\.\w+|astype)\(").match(line, begin)):
        end = _closing(line, call.end())
        if end is None:
            break
        line = line[:begin] + line[end + 1 :]
    return line


def _print_closed_last(line: str) -> str:
    """`print(a == b).any())` and `print(a == b).any()` as `print((a == b).any())`."""
    start = re.match(r"\s*print\(", line)
    end = start and _closing(line, start.end())
    if not end or not (rest := line[end + 1 :].rstrip()):
        return line
    inner, balanced = line[start.end() : end], rest.count("(") == rest.count(")")
    return f"{start[0]}({inner}){rest if not balanced else rest + ')'}"


def _closing(line: str, begin: int) -> int | None:
    """Where the parenthesis that is open at `begin` closes; None if it does not."""
    depth = 1
    for token in re.finditer(r"'[^']*'|\"[^\"]*\"|[()]", line[begin:]):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if not depth:
            return begin + token.start()
    return None


def _with_real_names(line: str, message: str, tables: Sequence[TableProfile]) -> str:
    columns = [column.name for table in tables for column in table.columns]
    for name in _named(message):
        if near := "" if name in columns else _only_near(name, columns):
            line = re.sub(rf"(['\"]){re.escape(name)}\1", lambda _, near=near: repr(near), line)
    return line


def _only_near(name: str, columns: Sequence[str]) -> str:
    """The one column that begins with the wrong name, or that is at all like it; "" if there are several."""
    begun = [column for column in columns if column.casefold().startswith(name.casefold())]
    near = begun or _nearest_names(name, columns)
    return near[0] if len(near) == 1 else ""


_LABELS = r"^-?\d+$|^None of \[Index\(\[-?\d"  # rows taken as if they were columns

# Of an error that comes of text where numbers were wanted.
_TEXT = r"[Cc]annot use method 'n|convert string|string dtype|dtype=str|'str'|object|concatenat|numeric"

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
        "No row meets the condition. Look at the values that the column really has.",
    ),
    (
        "ModuleNotFoundError",
        r"",
        "It is not installed. Do without it: pandas splits text into words with df[column].str.split().",
    ),
    (
        "KeyError",
        rf"{_LABELS}|^True$|^False$",
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
        wrong = _named(error.message)
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
        near = _nearest_names(match[1], columns, cutoff=0.8)
        if near:
            return f"For a column write df[{near[0]!r}]."
    with_numbers = number_columns(tables) if _are_text(error) else {}
    if used := [name for name in with_numbers if re.search(rf"(['\"]){re.escape(name)}\1", error.line)]:
        return f"{used[0]!r} is text. Its numbers are in {with_numbers[used[0]]!r}."
    message = error.message.strip("'\"")
    for kinds, pattern, advice in _ADVICE:
        if error.kind in kinds.split() and re.search(pattern, message):
            return advice
    return ""


def _names(code: str, column: str) -> bool:
    """Whether code has the column's name in quotes."""
    return bool(re.search(rf"(['\"]){re.escape(column)}\1", code))


def _named(message: str) -> list[str]:
    """Up to three names that the error's message quotes."""
    pairs = re.findall(r"'([^']+)'|\"([^\"]+)\"", message)
    names = [name for pair in pairs for name in pair if name] or [message]
    names = [name.removeprefix("Column not found: ") for name in names]  # from a grouped table
    return [name for name in names[:3] if not re.match(rf"{_LABELS}|(True|False)$", name)]


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
    if not (found := _as_value([name], tables)):
        return ""
    _, frame, column, value = found
    return f"{name!r} is no column but a value: {frame}[{frame}[{column!r}] == {value!r}]."


def _as_value(names: Sequence[str], tables: Sequence[TableProfile]) -> tuple[str, str, str, str] | None:
    """A name that is no column but a value: it, the table's, the column's, and how the table spells it."""
    known = {column.name for table in tables for column in table.columns}
    for name, table in itertools.product(names, tables):
        for column in table.columns:
            for value in column.values:
                if name not in known and value.casefold() == name.casefold():
                    return name, "df" if len(tables) == 1 else table.name, column.name, value
    return None


def _with_rows_of(line: str, name: str, frame: str, column: str, value: str) -> str:
    """`df['Rex']['age']` as `df[df['name'] == 'Rex']['age'].iloc[0]`.

    `df['Rex'] == 'Rex'` becomes `df['name'] == 'Rex'`; of `df['Rex']` alone it is not clear what is wanted.
    """
    taken = rf"\b{re.escape(frame)}\[(['\"]){re.escape(name)}\1\]"
    same = rf"{taken}(?=\s*==\s*(['\"]){re.escape(name)}\2)"
    line = re.sub(same, lambda _: f"{frame}[{column!r}]", line)
    rows = f"{frame}[{frame}[{column!r}] == {value!r}]"
    return re.sub(rf"{taken}(\[(['\"])[^'\"]+\3\])", lambda found: f"{rows}{found[2]}.iloc[0]", line)


def _nearest(name: str, columns: Sequence[str]) -> str:
    near = _nearest_names(name, columns)
    if not near:
        return f"There is no column {name!r}. The columns are {', '.join(map(repr, columns[:12]))}."
    return f"There is no column {name!r}. Use {' or '.join(map(repr, near))}."


def _nearest_names(name: str, columns: Sequence[str], cutoff: float = 0.6) -> list[str]:
    """Up to two real columns that a wrong name may have meant: those with its words, or spelt much alike."""
    words = {column: _words(column) for column in columns}
    wanted = _words(name)
    within = [c for c, own in words.items() if wanted and own and (wanted <= own or own <= wanted)]
    folded = {column: _letters(column) for column in columns}
    close = difflib.get_close_matches(_letters(name), folded.values(), n=2, cutoff=cutoff)
    near = [c for text in close for c, other in folded.items() if other == text]
    return list(dict.fromkeys([*sorted(within, key=len), *near]))[:2]


def _words(name: str) -> set[str]:
    """The words of a name in whatever case and style, without a plural's s."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name)
    return {word.casefold().rstrip("s") for word in re.findall(r"\w+", spaced)}


def _letters(name: str) -> str:
    return re.sub(r"\W|_", "", name.casefold())


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
_SAME_CODE = "This is the code that just failed, and it was not run again."
_RAN_BEFORE = (
    "This code has just run, and was not run again: its output stands above. If that shows the answer, "
    "reply\nAnswer: <value>\nSummary: <one sentence>\nIf it does not, reply with other code."
)


def same_code(ran: Execution, question: str, tables: Sequence[TableProfile]) -> str:
    """The model has sent again what was run before."""
    if not ran.error:
        if (mended := _with_what_is_there(ran.code, ran.sought)) != ran.code:
            return f"{slips.not_found(ran.sought)} Send this instead:\n```python\n{mended}\n```"
        return f"{_RAN_BEFORE} {reminder(question)}"
    line = corrected_line(ran, tables)
    if not line and ran.error.kind in _UNREAD:
        return f"{_SAME_CODE} Start anew: one ```python block of simpler lines. {reminder(question)}"
    if not line:
        look = _look(ran.code, tables)
        return f"{_SAME_CODE} Look at the data first, then write other code:\n```python\n{look}\n```"
    lines = ran.code.split("\n")
    old = lines[ran.error.lineno - 1]
    lines[ran.error.lineno - 1] = old[: len(old) - len(old.lstrip())] + line
    return f"{_SAME_CODE} Send this instead:\n```python\n{chr(10).join(lines)}\n```"


_UNREAD = ("SyntaxError", "IndentationError")  # here no look at the data helps
_LOOKED_AT = 4  # columns


def _look(code: str, tables: Sequence[TableProfile]) -> str:
    """Code that prints the first rows of the columns that the code names."""
    named = [
        [column.name for column in table.columns if _names(code, column.name)][:_LOOKED_AT]
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
