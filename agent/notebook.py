"""A trajectory to take home: as a Jupyter notebook, a Python script or a Markdown report.

    write(trajectory, Path("answer.ipynb"))         # or .py, .md
    notebook(trajectory, earlier=[first, second])   # a follow-up, behind what it builds on

Notebook and script hold the steps, in order, behind a cell that loads the user's own files, so that they
give the same answer where the files lie beside them. A step that failed is kept, for what it did before it
failed, and does not end the run. Steps before Python was restarted are left out: nothing rests on them.
"""

from __future__ import annotations

import ast
import base64
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent import absence
from agent.provenance import STATE_LOST, file_of
from agent.trajectory import Trajectory
from sandbox import Execution

if TYPE_CHECKING:
    import nbformat

SUFFIXES = (".ipynb", ".py", ".md")

_MARKUP = re.compile(r"[\\`*_\[\]<>&!$|~#]")
_IMPORTS = (
    "import datetime\nimport gzip\nimport io\nimport json\nimport math\nimport re\nimport sqlite3\n\n"
    "import matplotlib.pyplot as plt\nimport numpy as np\nimport pandas as pd"
)
_SQL = '''def sql(query):
    """Queries the tables and all other data frames with DuckDB."""
    import duckdb

    with duckdb.connect() as connection:
        for name, value in {**globals(), **tables}.items():
            if isinstance(value, pd.DataFrame):
                connection.register(name, value)
        return connection.sql(query).df()'''
_INSPECT_SOURCE = '''def inspect_source(name):
    """The sheets of a workbook, named by its file or a table of it, with their first rows."""
    sheets = pd.read_excel(sources.get(name, name), sheet_name=None, header=None, engine="calamine")
    return "\\n".join(f"sheet {sheet!r}: {rows.shape}\\n{rows.head(3)}" for sheet, rows in sheets.items())'''
_CAUGHT = 'except (Exception, SystemExit) as error:\n    print(f"{type(error).__name__}: {error}")'


def write(trajectory: Trajectory, path: Path, earlier: Sequence[Trajectory] = ()) -> None:
    """Writes the form that the path's suffix names; ValueError for one that is not in SUFFIXES."""
    match path.suffix:
        case ".ipynb":
            import nbformat

            nbformat.write(notebook(trajectory, earlier), path)
        case ".py":
            path.write_text(script(trajectory, earlier), encoding="utf-8")
        case ".md":
            path.write_text(markdown(trajectory), encoding="utf-8")
        case other:
            raise ValueError(f"A notebook cannot be written as {other!r}: use {', '.join(SUFFIXES)}.")


def notebook(trajectory: Trajectory, earlier: Sequence[Trajectory] = ()) -> nbformat.NotebookNode:
    """The steps with their real outputs and figures, as an nbformat 4 notebook.

    Args:
        trajectory: the question that the notebook answers.
        earlier: what was asked before in the same Python process, the oldest first.
    """
    from nbformat import v4

    steps = _steps(trajectory, earlier, _escaped)
    cells = [
        v4.new_markdown_cell(_title(trajectory, _escaped)),
        v4.new_code_cell(_loading(trajectory, steps)),
    ]
    for heading, execution in steps:
        cells.append(v4.new_markdown_cell(heading))
        cells.append(v4.new_code_cell(_runnable(execution), outputs=_outputs(execution)))
    cells.append(v4.new_markdown_cell(_conclusion(trajectory, _escaped)))
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}"  # random by default: the same trajectory is to give the same file
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def script(trajectory: Trajectory, earlier: Sequence[Trajectory] = ()) -> str:
    """The same as a plain Python file; it shows what is printed, not the value of a step's last line."""
    steps = _steps(trajectory, earlier, _one_line)
    parts = [_commented(_title(trajectory, _one_line)), _loading(trajectory, steps)]
    parts += [f"{_commented(heading)}\n{_runnable(execution)}" for heading, execution in steps]
    return "\n\n".join([*parts, _commented(_conclusion(trajectory, _one_line))]) + "\n"


def markdown(trajectory: Trajectory) -> str:
    """A report of every step with its real output."""
    parts = [_title(trajectory, _escaped)]
    for number, execution in enumerate(trajectory.executions, 1):
        parts += [f"### Step {number}", _fenced(execution.code, "python")]
        if text := _printed(execution).rstrip():
            parts.append(_fenced(text, "text"))
    return "\n\n".join([*parts, _conclusion(trajectory, _escaped)]) + "\n"


# Words


def _title(trajectory: Trajectory, write: Callable[[str], str]) -> str:
    sources = ", ".join(dict.fromkeys(table["source"] for table in trajectory.tables))
    return f"# {write(trajectory.question)}\n\nAsked of {write(sources)} with DataSense."


def _conclusion(trajectory: Trajectory, write: Callable[[str], str]) -> str:
    answer = f"**Answer:** {write(trajectory.answer)}\n\n{write(trajectory.summary)}".rstrip()
    match trajectory.outcome:
        case "verified":
            return f"{answer}\n\nVerified: found in step {trajectory.evidence.step}'s output."
        case "unverified":
            return f"{answer}\n\nUnverified: this value was not found in any output."
        case "not_answerable":
            return f"{answer}\n\nNot verified. {write(absence.said(trajectory.evidence))}"
        case "stopped":
            return "**Stopped** before there was an answer."
        case "failed":
            return f"**Failed:** {write(trajectory.summary)}"
    return "**No answer** was found."


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """The text as Markdown that shows it and nothing else: an image in it would be fetched."""
    return _MARKUP.sub(r"\\\g<0>", _one_line(text))


def _commented(text: str) -> str:
    return "\n".join(f"# {line.lstrip('#').lstrip()}".rstrip() for line in text.splitlines())


def _fenced(text: str, language: str) -> str:
    """A fence that the text itself can't close."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


# Steps


def _steps(
    trajectory: Trajectory, earlier: Sequence[Trajectory], write: Callable[[str], str]
) -> list[tuple[str, Execution]]:
    """A heading and the execution of each step since Python's last restart."""
    steps = []
    for record in (*earlier, trajectory):
        asked = title = f"## {write(record.question)}\n\n" if earlier else ""
        for number, execution in enumerate(record.executions, 1):
            steps.append((f"{asked}### Step {number}", execution))
            asked = ""
            if execution.error and execution.error.kind in STATE_LOST:
                steps.clear()
                asked = title
    return steps


def _loading(trajectory: Trajectory, steps: Sequence[tuple[str, Execution]]) -> str:
    """Imports, tables and helpers, so that the steps find what the sandbox gave them."""
    tables = trajectory.tables
    lines = [_IMPORTS, "", "tables = {"]
    lines += [f"    {table['name']!r}: {table['load']}," for table in tables]
    lines += ["}", *(f"{table['name']} = tables[{table['name']!r}]" for table in tables)]
    if len(tables) == 1:
        lines.append(f"df = {tables[0]['name']}")
    code = "".join(execution.code for _, execution in steps)
    if "sql(" in code:
        lines += ["", "", _SQL]
    if "inspect_source(" in code:
        sources = {table["name"]: file_of(table["source"]) for table in tables}
        lines += ["", "", f"sources = {sources!r}", "", "", _INSPECT_SOURCE]
    return "\n".join(lines)


def _runnable(execution: Execution) -> str:
    """The code; where it failed, in a form that tells the error and lets the next step run."""
    if execution.error is None:
        return execution.code
    try:
        tree = ast.parse(execution.code)
    except (SyntaxError, ValueError):
        return "\n".join(f"# {line}" for line in execution.code.splitlines())  # nothing of it ran
    inside_text = {
        number
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant | ast.JoinedStr)
        for number in range(node.lineno + 1, node.end_lineno + 1)
    }
    lines = [
        line if number in inside_text else f"    {line}"
        for number, line in enumerate(execution.code.split("\n"), 1)
    ]
    return "\n".join(["try:", *lines, _CAUGHT])


def _outputs(execution: Execution) -> list:
    from nbformat import v4

    text = _printed(execution)
    outputs = [v4.new_output("stream", name="stdout", text=text)] if text else []
    for figure in execution.figures:
        data = {"image/png": base64.b64encode(figure).decode()}
        outputs.append(v4.new_output("display_data", data=data))
    return outputs


def _printed(execution: Execution) -> str:
    """The output, and behind it the error as `_CAUGHT` tells it."""
    error = execution.error
    return execution.stdout + (f"{error.kind}: {error.message}\n" if error else "")
