"""What a line that failed was most likely meant to be, written out.

    corrected_line(execution, tables)       # "print(df['Weight (kg)'].max())"

Small models repeat a mistake that they are only told of, so wherever it can be told what a line was meant to
be, it is. Nothing is known here of the question.
"""

from __future__ import annotations

import ast
import difflib
import itertools
import re
from collections.abc import Sequence

from agent.prompts import clip_characters, number_columns
from agent.slips import parsed
from sandbox import Execution, ExecutionError, Sought, TableProfile

# Rows taken as if they were columns.
LABELS = r"^-?\d+$|^None of \[Index\(\[-?\d"
# Of an error that comes of text where numbers were wanted.
_TEXT = r"[Cc]annot use method 'n|convert string|string dtype|dtype=str|'str'|object|concatenat|numeric"
_NO_DATE = r"doesn't match format|[Uu]nknown datetime string|unconverted data|Out of bounds"
_ONE_VALUE = re.compile(r"'(?:bool|int|float|str)' object has no attribute '(any|all|sum|item|tolist)'")
_NUMBER = re.compile(r"\s*-?\d[\d.,]*\s*$")
_BEGINS_WITH_NUMBER = re.compile(r"\s*[$€£]?-?\d[\d.,]*\s*(?:[^\W\d_(]|\(|%|$)")  # "56 m", and no date
_APOSTROPHE = re.compile(r"""(==\s*|\()'([^"]*?'[^"]*?)'(?=\s*[)\]])""")  # == 'Lorenzo de' Medici'
_THOUSANDS = re.compile(r"((?:[=!<>]=|[<>])\s*)(\d{1,3}(?:,\d{3})+)(?!\d)")


def corrected_line(execution: Execution, tables: Sequence[TableProfile]) -> str:
    """The failing line as it was most likely meant, "" where that cannot be told.

    Told are a parenthesis that closes `print` too early, an apostrophe that ends a text, a column's name that
    is almost right, rows taken by label as if they were columns, a value taken for a column, a table of one
    column where that column was meant, `.any()` of one value, dates among which other text stands, `22,860`
    for a number, the row after one that was looked for, methods of text on numbers, text that is or begins
    with a number, an amount as text where its numbers stand in another column, a condition whose value is
    spelt otherwise or stands in another column.
    """
    error, lines = execution.error, execution.code.split("\n")
    if not 0 < error.lineno <= len(lines):
        return ""
    line = lines[error.lineno - 1]
    if _THOUSANDS.search(line):
        mended = _THOUSANDS.sub(lambda found: found[1] + found[2].replace(",", ""), line)
    elif error.kind == "SyntaxError" or "NoneType" in error.message:
        mended = _print_closed_last(line)
        mended = _APOSTROPHE.sub(r'\1"\2"', line) if mended == line else mended
    elif error.kind == "KeyError" and re.match(LABELS, error.message.strip("'\"")):
        mended = re.sub(r"\b(\w+)\[\1\b(?!\.columns)", r"\1.loc[\1", line, count=1)
    elif re.search(r"^'?DataFrame\b.*(?:no attribute|missing 1 required)", error.message):
        mended = re.sub(r"\[(\[(['\"])[^'\"]+\2\])\]", r"\1", line)
    elif any(one.instead and one.written in line for one in execution.sought):
        mended = with_what_is_there(line, execution.sought)
    elif error.kind == "IndexError":
        mended = _with_row_after(line)
    elif error.kind == "KeyError" and (found := as_value(names_in(error.message)[:1], tables)):
        mended = _with_rows_of(line, *found)
    elif error.kind == "AttributeError" and ".str accessor" in error.message:
        mended = _without_text_methods(line)
    elif error.kind in ("ValueError", "DateParseError") and re.search(_NO_DATE, error.message):
        mended = re.sub(r"(pd\.to_datetime\((?:[^()]|\([^()]*\))*)\)", r"\1, errors='coerce')", line)
    elif error.kind == "AttributeError" and (found := _ONE_VALUE.search(error.message)):
        mended = line.replace(f".{found[1]}()", "")
    elif text_for_numbers(error):
        mended = _with_numbers(line, tables)
        mended = _converted(line, tables) if mended == line else mended
    else:
        mended = _with_real_names(line, error.message, tables)
    if mended == line or not parsed("\n".join([*lines[: error.lineno - 1], mended, *lines[error.lineno :]])):
        return ""
    return clip_characters(mended.strip(), 300)


def with_what_is_there(code: str, sought: Sequence[Sought]) -> str:
    """Conditions that found nothing, in the form in which they find something."""
    for one in sought:
        code = code.replace(one.written, one.instead or one.written)
    return code


def text_for_numbers(error: ExecutionError) -> bool:
    """Whether text stood where numbers were wanted."""
    return error.kind in ("TypeError", "ValueError") and bool(re.search(_TEXT, error.message))


def _with_numbers(line: str, tables: Sequence[TableProfile]) -> str:
    """`df['a'] = df['a'] / 2` as `df['a'] = df['a (number)'] / 2`: what is set keeps its name."""
    target, equals, value = line.rpartition(" = ")
    for name, numbers in number_columns(tables).items():
        value = re.sub(rf"(['\"]){re.escape(name)}\1", lambda _, numbers=numbers: repr(numbers), value)
    return target + equals + value


def _converted(line: str, tables: Sequence[TableProfile]) -> str:
    """`print(df.nlargest(3, 'a'))` with numbers made of the one column of text that it names, before it."""
    if len(tables) > 1 or not re.match(r"\w.*[^:]$", line):
        return line
    texts = [column for column in tables[0].columns if column.kind == "text" and mentions(line, column.name)]
    for pattern, numbers in (
        (_NUMBER, "pd.to_numeric({}, errors='coerce')"),
        (_BEGINS_WITH_NUMBER, r"{}.str.extract(r'(-?\d[\d.,]*)')[0].str.replace(',', '').astype(float)"),
    ):
        named = [column.name for column in texts if any(map(pattern.match, column.values))]
        if len(named) == 1:
            column = f"df[{named[0]!r}]"
            return f"{column} = {numbers.format(column)}; {line}"
    return line


def _with_row_after(line: str) -> str:
    """`df[df['a'] == 'x']['b'].iloc[1]` as `df.loc[df.index[df['a'] == 'x'][0] + 1, 'b']`.

    Where only one row meets the condition, the next one of these is seldom what was meant.
    """
    for node in ast.walk(parsed(line.strip()) or ast.Module([], [])):
        match node:
            case ast.Subscript(
                value=ast.Attribute(value=rows, attr="iloc" | "values"), slice=ast.Constant(value=int(place))
            ) if place > 0:
                pass
            case _:
                continue
        match rows:
            case ast.Subscript(
                value=ast.Attribute(value=ast.Name() as table, attr="loc"),
                slice=ast.Tuple(elts=[condition, ast.Constant() as column]),
            ):
                pass
            case ast.Subscript(
                value=ast.Subscript(value=ast.Name() as table, slice=ast.Compare() as condition),
                slice=ast.Constant() as column,
            ):
                pass
            case _:
                continue
        name, source = table.id, ast.get_source_segment(line.strip(), node)
        first = f"{name}.index[{ast.unparse(condition)}][0]"
        return line.replace(source, f"{name}.loc[{first} + {place}, {ast.unparse(column)}]")
    return line


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
    for name in names_in(message):
        if near := "" if name in columns else _only_near(name, columns):
            line = re.sub(rf"(['\"]){re.escape(name)}\1", lambda _, near=near: repr(near), line)
    return line


def _only_near(name: str, columns: Sequence[str]) -> str:
    """The one column that begins with the wrong name, or that is at all like it; "" if there are several."""
    begun = [column for column in columns if column.casefold().startswith(name.casefold())]
    near = begun or nearest_names(name, columns)
    return near[0] if len(near) == 1 else ""


def as_value(names: Sequence[str], tables: Sequence[TableProfile]) -> tuple[str, str, str, str] | None:
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


def mentions(code: str, column: str) -> bool:
    """Whether code has the column's name in quotes."""
    return bool(re.search(rf"(['\"]){re.escape(column)}\1", code))


def names_in(message: str) -> list[str]:
    """Up to three names that the error's message quotes."""
    pairs = re.findall(r"'([^']+)'|\"([^\"]+)\"", message)
    names = [name for pair in pairs for name in pair if name] or [message]
    names = [name.removeprefix("Column not found: ") for name in names]  # from a grouped table
    return [name for name in names[:3] if not re.match(rf"{LABELS}|(True|False)$", name)]


def nearest_names(name: str, columns: Sequence[str], cutoff: float = 0.6) -> list[str]:
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
