"""Runs untrusted Python on data files, each session in a process of its own.

    session = sandbox.open(["sales.csv"])
    session.run("df.groupby('region')['revenue'].sum()").stdout
    session.close()

`python -m sandbox bench` shows what a session costs. The host side imports the standard library
only; pandas and its kin are imported once, in the warm process that sessions are forked from.
"""

from sandbox.records import (
    ColumnProfile,
    Execution,
    ExecutionError,
    InputError,
    Limits,
    Preview,
    SandboxError,
    TableProfile,
)
from sandbox.session import Session, open, shutdown, warm

__all__ = [
    "ColumnProfile",
    "Execution",
    "ExecutionError",
    "InputError",
    "Limits",
    "Preview",
    "SandboxError",
    "Session",
    "TableProfile",
    "open",
    "shutdown",
    "warm",
]
