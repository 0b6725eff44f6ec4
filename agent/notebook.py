"""A trajectory to take home: as a Jupyter notebook, a Python script or a Markdown report.

    nbformat.write(notebook(trajectory), "answer.ipynb")

The notebook and the script hold the steps that ran without error, in order, behind a cell that loads the
user's own files, so that they give the same answer where the files lie beside them.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from agent.episode import Trajectory
from sandbox import Execution

if TYPE_CHECKING:
    import nbformat

_IMPORTS = (
    "import datetime\nimport math\nimport re\n\n"
    "import matplotlib.pyplot as plt\nimport numpy as np\nimport pandas as pd"
)
_SQL = (
    'def sql(query):\n    """Queries the tables with DuckDB."""\n    import duckdb\n\n'
    "    with duckdb.connect() as connection:\n        for name, table in tables.items():\n"
    "            connection.register(name, table)\n"
    "{alias}        return connection.sql(query).df()"
)


def notebook(trajectory: Trajectory) -> nbformat.NotebookNode:
    """The trajectory with its real outputs and figures, as an nbformat 4 notebook."""
    from nbformat import v4

    cells = [v4.new_markdown_cell(_title(trajectory)), v4.new_code_cell(loading_code(trajectory))]
    for number, execution in enumerate(_kept(trajectory), 1):
        outputs = []
        if execution.stdout:
            outputs.append(v4.new_output("stream", name="stdout", text=execution.stdout))
        for figure in execution.figures:
            data = {"image/png": base64.b64encode(figure).decode()}
            outputs.append(v4.new_output("display_data", data=data))
        cells.append(v4.new_code_cell(execution.code, execution_count=number + 1, outputs=outputs))
    cells.append(v4.new_markdown_cell(_conclusion(trajectory)))
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index}"  # random by default: the same trajectory is to give the same file
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def script(trajectory: Trajectory) -> str:
    """The same as a plain Python file, the words as comments."""
    parts = [_commented(_title(trajectory)), loading_code(trajectory)]
    parts += [execution.code for execution in _kept(trajectory)]
    return "\n\n".join([*parts, _commented(_conclusion(trajectory))]) + "\n"


def markdown(trajectory: Trajectory) -> str:
    """A report of every step, failed ones included, with its real output."""
    parts = [_title(trajectory)]
    for number, execution in enumerate(trajectory.executions, 1):
        parts.append(f"**Step {number}**\n\n{_fenced(execution.code, 'python')}")
        if execution.stdout.strip():
            parts.append(_fenced(execution.stdout.rstrip(), "text"))
        if execution.error:
            parts.append(f"Failed: `{execution.error.kind}`\n\n{_fenced(execution.error.message, 'text')}")
    return "\n\n".join([*parts, _conclusion(trajectory)]) + "\n"


def loading_code(trajectory: Trajectory) -> str:
    """Imports, tables and helpers, so that the steps find what the sandbox gave them."""
    lines = [_IMPORTS, "", "tables = {"]
    lines += [f"    {table['name']!r}: {table['load']}," for table in trajectory.tables]
    lines += ["}"]
    lines += [f"{table['name']} = tables[{table['name']!r}]" for table in trajectory.tables]
    single = len(trajectory.tables) == 1
    if single:
        lines.append(f"df = {trajectory.tables[0]['name']}")
    if any("sql(" in execution.code for execution in trajectory.executions):
        alias = '        connection.register("df", df)\n' if single else ""
        lines += ["", "", _SQL.format(alias=alias)]
    return "\n".join(lines)


def _kept(trajectory: Trajectory) -> list[Execution]:
    return [execution for execution in trajectory.executions if execution.error is None]


def _title(trajectory: Trajectory) -> str:
    sources = ", ".join(dict.fromkeys(table["source"] for table in trajectory.tables))
    return f"# {' '.join(trajectory.question.split())}\n\nAsked of {sources} with DataSense."


def _conclusion(trajectory: Trajectory) -> str:
    if not trajectory.answer:
        return "**No answer.** " + (trajectory.summary or "The steps ended before one was found.")
    text = f"**Answer:** {trajectory.answer}\n\n{trajectory.summary}".rstrip()
    if trajectory.verified:
        return f"{text}\n\nVerified: found in step {trajectory.evidence.step}'s output."
    return f"{text}\n\nUnverified: this value was not found in any output."


def _commented(text: str) -> str:
    return "\n".join(f"# {line.lstrip('# ')}".rstrip() for line in text.splitlines())


def _fenced(text: str, language: str) -> str:
    """A fence that the text itself can't close."""
    fence = "`" * max(3, 1 + max((len(run) for run in text.split("\n") if set(run) == {"`"}), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
