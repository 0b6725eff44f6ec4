"""Runs untrusted Python on data files, each session in a process of its own.

    session = sandbox.open(["sales.csv"])
    session.run("df.groupby('region')['revenue'].sum()").stdout
    session.close()

`sandbox.Pool` runs many at once. `python -m sandbox bench` shows what a session costs, `check` which
rules hold on this machine, `soak` that nothing leaks. The host side imports nothing heavy; pandas and
its kin are imported once, in the warm process that sessions are forked from.
"""

from sandbox import parsing
from sandbox.host import shutdown, warm
from sandbox.pool import Pool
from sandbox.records import (
    ColumnLook,
    ColumnProfile,
    Execution,
    ExecutionError,
    InputError,
    Join,
    Limits,
    Preview,
    Reading,
    SandboxError,
    Sought,
    TableLook,
    TableProfile,
)
from sandbox.session import Session, open

parsing.mend()

__all__ = [
    "ColumnLook",
    "ColumnProfile",
    "Execution",
    "ExecutionError",
    "InputError",
    "Join",
    "Limits",
    "Pool",
    "Preview",
    "Reading",
    "SandboxError",
    "Session",
    "Sought",
    "TableLook",
    "TableProfile",
    "open",
    "shutdown",
    "warm",
]
