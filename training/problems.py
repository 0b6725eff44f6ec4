"""Questions with known answers over real tables: the problem format, and loaders of published benchmarks.

    load("validation_lite.jsonl")                    # any file in the problem format, one JSON object a line
    load("databench-lite-dev")                       # cardiffnlp/databench from the Hub
    load("databench-lite-dev", "databench")          # or from a copy of that repository
    load("databench-lite-validation")                # the half of dev that no training of ours saw
    load("wtq-dev", "WikiTableQuestions")            # the user's own copy of the published files
    load("dsbench", "DSBench/data_analysis")
    load("dabench", "DABench")

A problem in a file is `{"id", "question", "tables", "answer", "answer_type", "choices"?, "intro"?}`, its
tables paths relative to the file. Every table must be there: a missing one is an error that names file and
line, never left out or replaced.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agent import answers

LETTER, CLOSED = "letter", "closed"
ANSWER_TYPES = (*answers.ANSWER_TYPES, LETTER, CLOSED)

DATABENCH = "cardiffnlp/databench"
# Numbers of the folders of each split, as SemEval-2025 Task 8 cut the data set; "validation" is the half of
# dev that no training of ours saw.
DATABENCH_SPLITS = {
    "train": range(1, 50),
    "dev": range(50, 66),
    "validation": range(58, 66),
    "test": range(66, 81),
}
DATABENCH_SIZES = {"lite": ("sample.parquet", "sample_answer"), "full": ("all.parquet", "answer")}
WTQ_SPLITS = {
    "train": "random-split-1-train.tsv",
    "dev": "random-split-1-dev.tsv",
    "test": "pristine-unseen-tables.tsv",
}
_WORKBOOKS = {".xlsx", ".xlsb", ".xlsm"}


class ProblemError(ValueError):
    """Problems cannot be loaded. The message is one sentence that names the file, and the line if it can."""


@dataclass(frozen=True)
class Problem:
    """One question with its known answer.

    Attributes:
        id: Unique within its file.
        question: As it is put to the model, without `intro`.
        tables: Paths of the data files, none for the few published questions that have no data.
        answer: The known answer as text; a list as Python writes it.
        answer_type: One of ANSWER_TYPES: the five of DataBench; "letter", one of `choices`; or "closed",
            DABench's `@name[value]`, one or several.
        choices: Answer texts by letter, a capital, for "letter"; empty where only a picture shows them.
        intro: Background that belongs to the question, "" if there is none.
    """

    id: str
    question: str
    tables: tuple[Path, ...]
    answer: str
    answer_type: str
    choices: dict[str, str] = field(default_factory=dict)
    intro: str = ""

    def to_json(self, folder: Path) -> dict:
        """The problem as a line of a file in `folder`, from which the tables are reached."""
        data = {
            "id": self.id,
            "question": self.question,
            "tables": [Path(os.path.relpath(table, folder)).as_posix() for table in self.tables],
            "answer": self.answer,
            "answer_type": self.answer_type,
        }
        extra = {"choices": self.choices, "intro": self.intro}
        return data | {name: value for name, value in extra.items() if value}

    @classmethod
    def from_json(cls, data: dict, folder: Path) -> Problem:
        """The problem that `to_json` wrote; unknown keys are ignored, tables are not looked for.

        Letters may be small ones.

        Raises:
            ValueError: a key is missing, or a value is not what it should be.
        """
        if not isinstance(data, dict):
            raise ValueError(f"expected an object, got {type(data).__name__}")
        if missing := [k for k in ("id", "question", "tables", "answer", "answer_type") if k not in data]:
            raise ValueError(f"{missing[0]!r} is missing")
        tables, choices, intro = data["tables"], data.get("choices") or {}, data.get("intro") or ""
        if not isinstance(tables, list) or not all(isinstance(table, str) for table in tables):
            raise ValueError("'tables' must be a list of paths")
        if not isinstance(choices, dict) or not all(isinstance(text, str) for text in choices.values()):
            raise ValueError("'choices' must be texts by letter")
        if data["answer_type"] not in ANSWER_TYPES:
            raise ValueError(f"'answer_type' must be one of {', '.join(ANSWER_TYPES)}")
        if not str(data["question"]).strip():
            raise ValueError("'question' is empty")
        if not isinstance(intro, str):
            raise ValueError("'intro' must be a text")
        answer = str(data["answer"])
        if data["answer_type"] == LETTER:
            answer, choices = answer.strip().upper(), {key.strip().upper(): choices[key] for key in choices}
            if choices and answer not in choices:
                raise ValueError(f"'answer' is {answer!r}, which is none of the choices {', '.join(choices)}")
        return cls(
            id=str(data["id"]),
            question=str(data["question"]),
            tables=tuple(folder / table for table in tables),
            answer=answer,
            answer_type=data["answer_type"],
            choices=choices,
            intro=intro,
        )


def load(source: str | Path, folder: str | Path | None = None) -> list[Problem]:
    """The problems of a file, or of a published benchmark by name.

    Args:
        source: Path of a file in the problem format; or "databench-lite-SPLIT", "databench-full-SPLIT",
            "wtq-SPLIT" (SPLIT is train, dev or test; of DataBench also validation, the half of dev that no
            training of ours saw), "dsbench" or "dabench".
        folder: For a file, where its tables are, if not beside it. For a name, the copy of the published
            files; DataBench can do without, and then comes from the Hugging Face Hub.

    Raises:
        ProblemError: a file or table is missing or not as published.
    """
    where = Path(folder) if folder is not None else None
    if where is not None and not where.is_dir():
        raise ProblemError(f"{where} is not a folder: give the one that holds the data.")
    loader = loaders().get(str(source))
    if loader:
        problems = list(loader(where))
    elif Path(source).is_file():
        problems = list(_from_lines(Path(source), where or Path(source).parent))
    else:
        names = ", ".join(loaders())
        raise ProblemError(
            f"{source} is neither a file nor a benchmark: give a JSONL file or one of {names}."
        )
    if not problems:
        raise ProblemError(f"{source} holds no problems: check that it is complete.")
    _check_ids(problems, source)
    return problems


def save(problems: list[Problem], path: Path) -> None:
    """Writes problems to a file in the problem format."""
    lines = [json.dumps(problem.to_json(path.parent), ensure_ascii=False) for problem in problems]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def loaders() -> dict[str, Callable[[Path | None], Iterator[Problem]]]:
    """What `load` knows by name; each takes the folder of the published files."""
    named = {}
    for size in DATABENCH_SIZES:
        for split in DATABENCH_SPLITS:
            named[f"databench-{size}-{split}"] = lambda where, s=size, p=split: _databench(where, s, p)
    for split in WTQ_SPLITS:
        named[f"wtq-{split}"] = lambda where, p=split: _wtq(where, p)
    return named | {"dsbench": _dsbench, "dabench": _dabench}


def _check_ids(problems: list[Problem], source: str | Path) -> None:
    seen: set[str] = set()
    for problem in problems:
        if problem.id in seen:
            raise ProblemError(f"{source}: the id {problem.id!r} is there twice: make every id unique.")
        seen.add(problem.id)


# Files


def _from_lines(path: Path, folder: Path) -> Iterator[Problem]:
    for place, data in _json_lines(path):
        try:
            problem = Problem.from_json(data, folder)
        except ValueError as error:
            raise ProblemError(f"{place}: {error}.") from None
        for table in problem.tables:
            _existing(table, place)
        yield problem


def _json_lines(path: Path) -> Iterator[tuple[str, dict]]:
    """Each line's place, for errors, and its value."""
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise ProblemError(f"{path}:{number}: not JSON ({error}).") from None
        yield f"{path}:{number}", value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ProblemError(f"{path} cannot be read: {why}.") from None


def _existing(table: Path, place: str) -> Path:
    if not table.is_file():
        raise ProblemError(f"{place}: the table {table} does not exist: check the folder of the tables.")
    return table


def _published(where: Path | None, name: str) -> Path:
    if where is None:
        raise ProblemError(f"{name} is loaded from your own copy: give its folder.")
    return where


def _field(data: dict, key: str, place: str):
    if not isinstance(data, dict) or key not in data:
        raise ProblemError(f"{place}: {key!r} is missing: the file is not as published.")
    return data[key]


# DataBench: data/NNN_Name/{qa,all,sample}.parquet, in a copy of the repository or from the Hub


def _databench(where: Path | None, size: str, split: str) -> Iterator[Problem]:
    import pyarrow.parquet

    table_name, answer_key = DATABENCH_SIZES[size]
    root = (where or _from_hub(split, table_name)) / "data"
    for number in DATABENCH_SPLITS[split]:
        folder = next(root.glob(f"{number:03}_*"), None)
        if folder is None:
            raise ProblemError(
                f"{root} has no folder {number:03}_…: the copy of {DATABENCH} is not complete."
            )
        questions, table = folder / "qa.parquet", folder / table_name
        for path in (questions, table):
            _existing(path, str(folder))
        for index, row in enumerate(pyarrow.parquet.read_table(questions).to_pylist()):
            place = f"{questions}, row {index}"
            yield Problem(
                id=f"databench-{size}-{folder.name}-{index:02}",
                question=_field(row, "question", place),
                tables=(table,),
                answer=str(_field(row, answer_key, place)),
                answer_type=_known_type(str(_field(row, "type", place)).strip(), place),
            )


def _known_type(name: str, place: str) -> str:
    if name not in answers.ANSWER_TYPES:
        raise ProblemError(f"{place}: {name!r} is not one of {', '.join(answers.ANSWER_TYPES)}.")
    return name


def _from_hub(split: str, table_name: str) -> Path:
    import huggingface_hub

    folders = [f"data/{number:03}_*" for number in DATABENCH_SPLITS[split]]
    patterns = [f"{folder}/{name}" for folder in folders for name in ("qa.parquet", table_name)]
    try:
        return Path(
            huggingface_hub.snapshot_download(DATABENCH, repo_type="dataset", allow_patterns=patterns)
        )
    except Exception as error:  # of whatever kind the network gives
        raise ProblemError(
            f"{DATABENCH} cannot be fetched from the Hugging Face Hub ({type(error).__name__}): "
            "give the folder of a copy."
        ) from error


# WikiTableQuestions: data/*.tsv and csv/


def _wtq(where: Path | None, split: str) -> Iterator[Problem]:
    root = _published(where, f"wtq-{split}")
    path = root / "data" / WTQ_SPLITS[split]
    reader = csv.DictReader(_text(path).split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE)
    for row in reader:
        place = f"{path}:{reader.line_num}"
        values = [_wtq_text(value) for value in (_field(row, "targetValue", place) or "").split("|")]
        yield Problem(
            id=f"wtq-{_field(row, 'id', place)}",
            question=_wtq_text(_field(row, "utterance", place)),
            tables=(_existing(root / _field(row, "context", place), place),),
            answer=values[0] if len(values) == 1 else str(values),
            answer_type=_suggested_type(values),
        )


def _wtq_text(text: str) -> str:
    """Without the file's escapes: newline, vertical bar and backslash."""
    return re.sub(r"\\([np\\])", lambda match: {"n": "\n", "p": "|", "\\": "\\"}[match[1]], text)


def _suggested_type(values: list[str]) -> str:
    """The type of answers that a benchmark gives without one."""
    numbers = all(answers.parse(value, "number") is not None for value in values)
    if len(values) > 1:
        return "list[number]" if numbers else "list[category]"
    if numbers:
        return "number"
    return "category" if answers.parse(values[0], "boolean") is None else "boolean"


# DSBench: data.json (one task a line) and data/ID/{introduction.txt, questionN.txt, workbooks}


def _dsbench(where: Path | None) -> Iterator[Problem]:
    root = _published(where, "dsbench")
    for place, task in _json_lines(root / "data.json"):
        folder = root / "data" / _field(task, "id", place)
        questions, gold = _field(task, "questions", place), _field(task, "answers", place)
        if len(questions) != len(gold):
            raise ProblemError(f"{place}: {len(questions)} questions but {len(gold)} answers.")
        if not folder.is_dir():
            raise ProblemError(f"{place}: the folder {folder} does not exist: unpack the published data.")
        tables = tuple(sorted(path for path in folder.iterdir() if _is_workbook(path)))
        intro = _text(folder / "introduction.txt")
        for name, answer in zip(questions, gold, strict=True):
            text = _text(folder / f"{name}.txt").strip()
            yield _dsbench_problem(f"dsbench-{folder.name}-{name}", text, tables, answer, intro)


def _is_workbook(path: Path) -> bool:
    """The authors' own rule; the other workbooks hold their solutions."""
    return path.suffix.lower() in _WORKBOOKS and "answer" not in path.name.lower()


def _dsbench_problem(id: str, text: str, tables: tuple[Path, ...], gold: object, intro: str) -> Problem:
    if isinstance(gold, dict):
        fields = {name: value for name, value in gold.items() if name != "Q"}
        answer = ", ".join(f"@{name}[{value}]" for name, value in fields.items())
        form = ", ".join(f"@{name}[value]" for name in fields)
        return Problem(id, f"{text}\nFormat: {form}", tables, answer, CLOSED, intro=intro)
    answer = str(gold).strip()
    if re.fullmatch(r"[A-Za-z]", answer):
        choices = parse_choices(text)
        answer = answer.upper()
        # A chain of letters that lacks the answer is no list of choices.
        return Problem(id, text, tables, answer, LETTER, choices if answer in choices else {}, intro)
    return Problem(id, text, tables, answer, _suggested_type([answer]), intro=intro)


def parse_choices(question: str) -> dict[str, str]:
    """The choices that a question's text lists: `A. 12 B. 14 …` or one a line; {} if there are none.

    The longest run of letters from A on counts, the later of two equally long ones.
    """
    marks = [
        (match[1].upper(), match.start(), match.end())
        for match in re.finditer(r"(?<!\S)\(?([A-Za-z])[.)](?=\s)", question)
    ]
    best: list[tuple[str, int, int]] = []
    for start, mark in enumerate(marks):
        run = []
        for candidate in marks[start:] if mark[0] == "A" else ():
            if candidate[0] == chr(ord("A") + len(run)):
                run.append(candidate)
        best = run if len(run) >= max(len(best), 2) else best
    ends = [start for _, start, _ in best[1:]] + [len(question)]
    return {
        letter: " ".join(question[begin:end].split())
        for (letter, _, begin), end in zip(best, ends, strict=False)
    }


# DABench: da-dev-questions.jsonl, da-dev-labels.jsonl and da-dev-tables/


def _dabench(where: Path | None) -> Iterator[Problem]:
    root = _published(where, "dabench")
    labels = {
        _field(label, "id", place): _field(label, "common_answers", place)
        for place, label in _json_lines(root / "da-dev-labels.jsonl")
    }
    for place, data in _json_lines(root / "da-dev-questions.jsonl"):
        id, question = _field(data, "id", place), _field(data, "question", place)
        if id not in labels:
            raise ProblemError(f"{place}: da-dev-labels.jsonl has no answer to the question {id}.")
        constraints, form = _field(data, "constraints", place), _field(data, "format", place)
        table = root / "da-dev-tables" / _field(data, "file_name", place)
        yield Problem(
            id=f"dabench-{id}",
            question=f"{question}\nConstraints: {constraints}\nFormat: {form}",
            tables=(_existing(table, place),),
            answer=", ".join(f"@{name}[{value}]" for name, value in labels[id]),
            answer_type=CLOSED,
        )
