"""What programs and assistants call: `ask_files` is the API's function, `ask` the MCP server's tool.

    for said in ask_files(["sales.csv"], "Which region sells most?", 6): ...

Each call is a visit of its own, which ends with it. `app.py` gives them their names and components.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import gradio as gr

from agent.episode import EpisodeLimits
from page import visit
from page.errors import told
from page.loading import loader
from page.visit import Visit
from sandbox import InputError

MOST_STEPS = 20


def ask(
    file: str,
    question: str,
    second_file: str | None = None,
    third_file: str | None = None,
    max_steps: float = EpisodeLimits.max_steps,
) -> Iterator[str]:
    """Answers one question about tables by running Python on them, and says where the answer was found.

    The result is a record in JSON: {"answer", "summary", "verified", "evidence", "outcome", "steps", ...}.
    Rely on an answer only if "verified" is true: then it stands in the real output of the step that
    "evidence" names. With the outcome "not_answerable" that step looked for a word of the question in vain.

    Args:
        file: A CSV, TSV, Excel, ODS, parquet, JSON or SQLite file; each sheet of a workbook is a table.
        question: What to find out, in plain words, such as "Which region sold most in 2024?"
        second_file: Another file that the question is about, if there is one.
        third_file: A third one.
        max_steps: How often the model may run code, from 1 to 20; 6 is enough for most questions.
    """
    given = [one for one in (file, second_file, third_file) if one]
    for said in ask_files(given, question, max_steps):
        yield json.dumps(said, ensure_ascii=False)


def ask_files(files: list[str] | None, question: str, max_steps: float) -> Iterator[dict]:
    """Answers one question about data files; `max_steps` is from 1 to 20.

    Yields {"phase", "steps", "seconds"} while it goes on, and at last {"answer", "summary", "verified",
    "evidence", "outcome", "steps", ...}, the whole trajectory.
    """
    own = Visit()
    try:
        check(files, question, max_steps)
        with visit.asking(own, files):
            for shown in visit.answer(own, question, loader, max_steps=int(max_steps)):
                record = shown.trajectory
                count = len(record.executions) if record else 0
                yield {"phase": shown.phase, "steps": count, "seconds": round(shown.seconds, 1)}
        yield record.to_json()
    except Exception as error:
        raise gr.Error(told(error), print_exception=False) from error
    finally:
        visit.close(own)


# Gradio's MCP server takes no list of files (in 6.31 its schema points to nowhere): its tool is `ask`.
ask_files._mcp_type = "none"


def check(files: list[str] | None, question: str | None, max_steps: float | None) -> None:
    """Raises InputError where a program asked for what can't be done."""
    if not files:
        raise InputError("There is no file: give at least one.")
    if not (question or "").strip():
        raise InputError("The question is empty: ask something about the tables.")
    if max_steps is None or not 1 <= max_steps <= MOST_STEPS or max_steps != int(max_steps):
        raise InputError(f"max_steps must be a whole number from 1 to {MOST_STEPS}.")
