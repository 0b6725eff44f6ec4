"""One session's process: forked from the warm one, locked down, then a small notebook kernel.

It reads the input files, keeps the variables of the model's code from step to step, and answers
the host's requests on its channel: `load`, `profile`, `look`, `preview`, `run`, `shown`. Whatever goes
wrong in here outside the code's own exceptions ends the process, and the host sees the channel close.
"""

import builtins
import functools
import multiprocessing.synchronize
import os
import random
import socket
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sandbox import display, joins, lockdown, looks, profiles, sought, steps, tables, wire, workbooks
from sandbox.records import ExecutionError, InputError, Limits, Reading

SEED = 0
SHOWN_ROWS = 100_000  # of a printed table that is taken home
# A wider one is not: it is copied whenever it is printed, at some eight bytes a cell.
SHOWN_CELLS = 10_000_000


def main(channel: socket.socket, folder: Path, limits: Limits) -> None:
    """Locks this process down and serves `channel` until the host closes it."""
    channel = lockdown.lock(limits, folder, channel)
    kernel = Kernel(limits)
    while True:
        request = wire.receive(channel)
        wire.send(channel, kernel.answer(request) | {"number": request["number"]})


class Kernel:
    """The tables and variables of one session."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.tables: list[tables.Table] = []
        self.output = display.BoundedText(limits.output_chars)
        self.figures = display.Figures(limits, self.output)
        self.module = types.ModuleType("__main__")
        self.steps = 0
        self.shown: pd.DataFrame | None = None  # the last table that a step printed, as it was then
        self._prepare()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Returns the reply to one request of the host."""
        match request["do"]:
            case "load":
                return self._load(request["files"], Reading.from_json(request["reading"]))
            case "profile":
                return {"tables": self._profiles()}
            case "look":
                return {"tables": [looks.look(table).to_json() for table in self.tables]}
            case "preview":
                return self._preview(request["name"], request["rows"])
            case "run":
                return self._run(request["code"])
            case "shown":
                return {"rows": self._save_shown(request["name"])}
        raise ValueError(f"unknown request {request['do']!r}")

    def _prepare(self) -> None:
        # The same question has to give the same trajectory twice, whatever is sampled in it.
        random.seed(SEED)
        np.random.seed(SEED)
        warnings.simplefilter("ignore")
        display.set_options()
        # A plain function, since pyplot sets attributes on it.
        plt.show = lambda *_, **__: self.figures.capture()
        builtins.input = _no_input
        builtins.print = self._seeing(builtins.print)
        os.fork = os.forkpty = multiprocessing.synchronize.SemLock.__init__ = _no_processes
        workbooks.write_text_as_text()
        # Code that looks for its own module (dataclasses, pickle) must find its variables there.
        sys.modules["__main__"] = self.module
        # What was imported by now is all that the code is to find of this project.
        sys.path[:] = [path for path in sys.path if Path(path) != Path(__file__).parents[1]]

    def _load(self, names: list[str], reading: Reading) -> dict[str, Any]:
        try:
            self.tables = tables.read_all([Path(name) for name in names], self.limits, reading)
        except InputError as error:
            return {"input_error": str(error)}
        by_name = {table.name: table.frame for table in self.tables}
        self.module.__dict__.update(tables.PREIMPORTED, pd=pd, np=np, plt=plt)
        self.module.__dict__.update(tables=by_name, sql=self._sql, inspect_source=self._inspect)
        self.module.__dict__.update(by_name)
        if len(self.tables) == 1:
            self.module.__dict__["df"] = self.tables[0].frame
        return {}

    def _profiles(self) -> list[dict[str, Any]]:
        found = joins.joins(self.tables)
        described = [(table.name, profiles.profile(table)) for table in self.tables]
        return [replace(one, joins=tuple(found.get(name, ()))).to_json() for name, one in described]

    def _preview(self, name: str, rows: int) -> dict[str, Any]:
        by_name = {table.name: table for table in self.tables}
        if name not in by_name:
            return {"input_error": f"{name} is not a table; there are {', '.join(by_name)}."}
        return profiles.preview(by_name[name], rows).to_json()

    def _run(self, code: str) -> dict[str, Any]:
        self.steps += 1
        sys.stdout = sys.stderr = self.output
        self.output.clear()
        error = steps.run(code, f"<step {self.steps}>", self.module.__dict__, self._see)
        self.figures.capture()
        stdout, truncated = self.output.take()
        report = {"stdout": stdout, "truncated": truncated, "figures": self.figures.take()}
        report["sought"] = self._sought(code, stdout, error)
        return report | {"error": error.to_json() if error else None}

    def _sought(self, code: str, stdout: str, error: ExecutionError | None) -> list[dict[str, Any]]:
        try:
            return [one.to_json() for one in sought.of_step(code, stdout, error, self.tables)]
        except Exception:  # of whatever code has put into the tables
            return []

    def _see(self, value: object) -> None:
        if isinstance(value, pd.DataFrame | pd.Series):
            self.shown = _copied(value)

    def _seeing(self, print_values: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(print_values)
        def seeing(*values: object, **options: Any) -> None:
            for value in values:
                self._see(value)
            print_values(*values, **options)

        return seeing

    def _save_shown(self, name: str) -> int:
        """Writes the last table that was printed since this was asked before; returns its rows, 0 if none."""
        shown, self.shown = self.shown, None
        if shown is None or not len(shown):
            return 0
        try:
            shown.to_csv(name, index=not isinstance(shown.index, pd.RangeIndex))
        except Exception:  # of whatever code has put into it, or for want of room
            return 0
        return len(shown)

    def _sql(self, query: str) -> pd.DataFrame:
        """Returns the result of a DuckDB query over the tables and every DataFrame variable."""
        with duckdb.connect(config={"threads": 1}) as connection:
            for name, value in {**self.module.__dict__, **self.module.__dict__["tables"]}.items():
                if isinstance(value, pd.DataFrame):
                    connection.register(name, value)
            return connection.sql(query).df()

    def _inspect(self, name: str) -> str:
        """Returns a workbook's structure as text; `name` is its file's or a table's name."""
        sources = {table.name: table.path.name for table in self.tables}
        return workbooks.inspect(Path(sources.get(name, name)))


def _copied(shown: pd.DataFrame | pd.Series) -> pd.DataFrame | None:
    """The first rows of a printed table, which code may change in place afterwards; None if it is too large.

    A view would do for most changes, but then pandas copies all of a large table at the first one.
    """
    try:
        frame = shown.to_frame() if isinstance(shown, pd.Series) else shown
        head = frame.iloc[:SHOWN_ROWS]
        return head.copy() if head.size <= SHOWN_CELLS else None
    except Exception:  # of whatever code has put into it, or for want of memory
        return None


def _no_input(prompt: object = "") -> str:
    raise EOFError("input() has nobody to ask here; the data is in df or tables")


def _no_processes(*_: object, **__: object) -> None:
    raise PermissionError("processes cannot be started here; use plain code or threads")
