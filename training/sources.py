"""Supplements: traces that others have published, read in their own formats and played anew.

    for found in drafts("jupyter-agent", Path("data/supplements/jupyter-agent"), work): ...

Each source gives drafts, or says why a row gives none; the code of a draft is run for real and its answer
verified like any other (`rollouts.play`). A folder holds rows (*.jsonl, *.json or *.parquet) and, for sources
that need them, the tables in `files/`. Nothing is fetched unless `fetch` is called.

jupyter-agent   jupyter-agent/jupyter-agent-dataset: {"id", "question", "answer", "files_used",
                "kaggle_dataset_name", "executor_type", "messages"}. Code is the `code` of the tool calls. The
                tables are Kaggle's: files/OWNER/NAME/FILE or files/FILE.
code-feedback   m-a-p/Code-Feedback: {"id", "messages"}, a user's turn of "Execution result:" behind code.
                Used where the code builds its data frame from literals (it becomes the table) and the
                recorded result is one value, which is the known answer.
dialogs         several questions about the same tables: {"tables", "messages"}, an assistant's turn being
                code, the user's next one its output, and the assistant's next one an answer in our form.
dashboards      {"instruction", "input", "output"}: `input` is the table as CSV text, `output` code that draws
                it and prints one value, behind it the value as "Answer:".
"""

from __future__ import annotations

import ast
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from agent import protocol
from agent.answers import parse
from agent.protocol import FinalAnswer, RunCode
from training.problems import Problem, ProblemError
from training.rollouts import MOST_STEPS, Draft, answer_reply, code_reply
from training.shapes import CHART_DRAWN, in_form, tidy

ON_HUB = {
    "jupyter-agent": ("jupyter-agent/jupyter-agent-dataset", "non_thinking"),
    "code-feedback": ("m-a-p/Code-Feedback", "train"),
}
# Of 72 GB most are notebooks that are not needed.
_COLUMNS = {
    "jupyter-agent": [
        "id", "question", "answer", "files_used", "kaggle_dataset_name", "executor_type", "messages",
    ],
}  # fmt: skip
_RESULT = re.compile(r"^\s*Execution result:?\s*\n?(.*)", re.S | re.I)
_PATH = re.compile(r"(['\"])[^'\"\n]*?([^'\"/\n]+\.(?:csv|tsv|json|jsonl|parquet|xlsx))\1")

Found = Draft | str


def drafts(name: str, folder: Path, work: Path) -> Iterator[Found]:
    """A draft for each row of the source, or why it gives none, as half a sentence.

    Args:
        name: One of SOURCES.
        folder: Holds the rows, and `files/`.
        work: Where tables that rows hold as text are written.

    Raises:
        ProblemError: there is no such source, or nothing is in the folder.
    """
    if name not in SOURCES:
        raise ProblemError(f"There is no supplement {name!r}: take one of {', '.join(SOURCES)}.")
    for row in _rows(folder):
        try:
            yield SOURCES[name](row, folder / "files", work)
        except (KeyError, TypeError, AttributeError, IndexError):
            yield "not in the published format"


def fetch(name: str, folder: Path, rows: int) -> None:
    """Writes the first rows of a published source into the folder; asks the Hugging Face Hub.

    Raises:
        ProblemError: the source is not on the Hub, or cannot be had.
    """
    if name not in ON_HUB:
        raise ProblemError(f"{name} is not on the Hub ({', '.join(ON_HUB)} are): give the folder of a copy.")
    import datasets

    repo, split = ON_HUB[name]
    try:
        stream = datasets.load_dataset(repo, split=split, streaming=True, columns=_COLUMNS.get(name))
        taken = list(stream.take(rows))
    except Exception as error:  # of whatever kind the network gives
        reason = f"{repo} cannot be fetched ({type(error).__name__}): give the folder of a copy."
        raise ProblemError(reason) from error
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in taken), encoding="utf-8")


def _rows(folder: Path) -> Iterator[dict]:
    paths = [path for path in sorted(folder.glob("*")) if path.suffix in (".jsonl", ".json", ".parquet")]
    if not paths:
        raise ProblemError(f"{folder} holds no rows: put *.jsonl, *.json or *.parquet files there.")
    for path in paths:
        if path.suffix == ".parquet":
            import pyarrow.parquet

            for batch in pyarrow.parquet.ParquetFile(path).iter_batches(100):
                yield from batch.to_pylist()
        elif path.suffix == ".json":
            yield from json.loads(path.read_text(encoding="utf-8"))
        else:
            with path.open(encoding="utf-8") as file:
                yield from (json.loads(line) for line in file if line.strip())


# The formats


def _jupyter_agent(row: dict, files: Path, work: Path) -> Found:
    if row["executor_type"] == "llm":
        return "its outputs were made up by a model"
    tables = [_file(files, row["kaggle_dataset_name"] or "", used) for used in row["files_used"]]
    if not tables or None in tables:
        return "its tables are not here"
    calls = [call["function"] for message in row["messages"] for call in message.get("tool_calls") or []]
    code = [call["arguments"]["code"] for call in calls if call["arguments"].get("code")]
    given = [call["arguments"]["answer"] for call in calls if call["arguments"].get("answer")]
    if not code or not given:
        return "without code or without an answer"
    steps = [step for cell in code if (step := _on_loaded_table(_without_paths(cell), tables))]
    problem = _problem("jupyter-agent", row["question"], tables, row["answer"])
    steps = steps if len(steps) <= MOST_STEPS else ["\n".join(steps)]
    return _draft(problem, steps, _sentence(given[-1]), "jupyter-agent", "notebook")


def _file(files: Path, dataset: str, used: str) -> Path | None:
    name = Path(used).name
    return next((path for path in (files / dataset / name, files / name) if path.is_file()), None)


def _code_feedback(row: dict, files: Path, work: Path) -> Found:
    messages = row["messages"]
    pairs = [
        (number, code, result[1].strip(), later)
        for number, message in enumerate(messages[:-1])
        if (code := _code(message["content"])) and (result := _RESULT.match(messages[number + 1]["content"]))
        for later in [messages[number + 2]["content"] if number + 2 < len(messages) else ""]
    ]
    if not pairs:
        return "no code with its result"
    number, code, result, said = pairs[-1]
    table, rest = _literal_table(code)
    if not table:
        return "no table in it"
    if not result or "\n" in result:
        return "the result is not one value"
    said_by_user = [message["content"] for message in messages[:number] if message["role"] == "user"]
    asked = [text for text in said_by_user if not _RESULT.match(text)]
    if not asked:
        return "no question before the code"
    problem = _problem("code-feedback", asked[-1], [_written(table, work)], result)
    return _draft(problem, [rest], _sentence(said), "code-feedback", "execution pair")


def _dialog(row: dict, files: Path, work: Path) -> Found:
    tables = [files / name for name in row["tables"]]
    if not all(table.is_file() for table in tables):
        return "its tables are not here"
    asked: list[tuple[Problem, tuple[str, ...]]] = []
    question, replies = "", []
    for message in row["messages"]:
        if message["role"] == "user":
            question = question or message["content"]
            continue
        reply = protocol.parse(message["content"])
        if isinstance(reply, RunCode):
            replies.append(code_reply(tidy(reply.code)))
        elif isinstance(reply, FinalAnswer):
            problem = _problem("dialogs", question, tables, reply.answer)
            asked.append((problem, (*replies, answer_reply(reply.answer, reply.summary))))
            question, replies = "", []
    if not asked:
        return "without an answer"
    *earlier, (problem, last) = asked
    return Draft(problem, last, "dialogs", f"{len(asked)} questions", "dialogs", earlier=tuple(earlier))


def _dashboard(row: dict, files: Path, work: Path) -> Found:
    code, _, said = row["output"].rpartition("Answer:")
    answer = protocol.parse(f"Answer:{said}")
    code = _code(code)
    if not code or not isinstance(answer, FinalAnswer):
        return "without code or without an answer"
    lines = list(csv.reader(io.StringIO(row["input"].strip())))
    if len(lines) < 2:
        return "no table in it"
    table = _written(lines, work)
    problem = _problem("dashboards", row["instruction"], [table], answer.answer)
    steps = [_on_loaded_table(_without_paths(code), [table])]
    found = _draft(problem, steps, answer.summary, "dashboards", "chart")
    return found if isinstance(found, str) else replace(found, shows=CHART_DRAWN)


SOURCES: dict[str, Callable[[dict, Path, Path], Found]] = {
    "jupyter-agent": _jupyter_agent,
    "code-feedback": _code_feedback,
    "dialogs": _dialog,
    "dashboards": _dashboard,
}


# Their parts


def _problem(source: str, question: str, tables: list[Path], answer: str) -> Problem:
    text = json.dumps([question, *map(str, tables)])
    id = f"{source}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return Problem(id, question.strip(), tuple(tables), answer.strip(), _type(answer))


def _type(answer: str) -> str:
    if answer.strip().startswith("["):
        return "list[number]" if parse(answer, "list[number]") is not None else "list[category]"
    return next((name for name in ("boolean", "number") if parse(answer, name) is not None), "category")


def _draft(problem: Problem, steps: list[str], summary: str, source: str, family: str) -> Found:
    answer = in_form(problem.answer, problem.answer_type)
    if not answer or not summary:
        return "no value and sentence to answer with"
    replies = [*(code_reply(tidy(step)) for step in steps), answer_reply(answer, summary)]
    return Draft(problem, tuple(replies), source, family, source)


def _code(text: str) -> str:
    reply = protocol.parse(text)
    return reply.code if isinstance(reply, RunCode) else ""


def _sentence(text: str) -> str:
    return re.split(r"(?<=[.!?])\s", " ".join(text.split()), maxsplit=1)[0]


def _without_paths(code: str) -> str:
    """Data files by their names alone: they lie in the session's own folder."""
    return _PATH.sub(lambda match: repr(match[2]), code)


def _on_loaded_table(code: str, tables: list[Path]) -> str:
    """The code on the one table as the session has it, instead of reading it once more."""
    if len(tables) != 1:
        return code
    name = re.escape(tables[0].name)
    reading = rf"^(\w+) *= *pd\.read_\w+\(['\"]{name}['\"].*\)[ \t]*$\n?"
    found = re.sub(reading, lambda match: "" if match[1] == "df" else f"{match[1]} = df\n", code, flags=re.M)
    return "" if re.fullmatch(r"(?:\s*import .*)*\s*", found) else found


def _literal_table(code: str) -> tuple[list[list], str]:
    """The rows, header first, of the data frame that the code builds from literals, and the code without it.

    ([], "") where there is none. The frame's name must be `df`, as the session calls its table.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return [], ""
    held: dict[str, object] = {}
    dropped: list[ast.stmt] = []
    for statement in tree.body:
        match statement:
            case ast.Assign([ast.Name("df")], ast.Call(ast.Attribute(attr="DataFrame"), [given])):
                data = held.get(given.id) if isinstance(given, ast.Name) else _literal(given)
                if isinstance(data, dict) and len({len(column) for column in data.values()}) == 1:
                    rest = [other for other in tree.body if other not in (*dropped, statement)]
                    rows = [list(data), *map(list, zip(*data.values(), strict=True))]
                    return rows, "\n".join(ast.get_source_segment(code, other) or "" for other in rest)
            case ast.Assign([ast.Name(name)], value) if (data := _literal(value)) is not None:
                held[name] = data
                dropped.append(statement)
    return [], ""


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _written(rows: list[list], work: Path) -> Path:
    """The rows as a CSV file, named by what it holds."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    work.mkdir(parents=True, exist_ok=True)
    path = work / f"table_{hashlib.sha256(text.getvalue().encode()).hexdigest()[:12]}.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path
