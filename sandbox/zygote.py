"""The warm process: it has imported pandas and its kin, and does nothing but fork.

Started by `sandbox.warm` as a fresh program with a clean environment, never forked from the app,
so that nothing of the app is in its memory. It must have one thread: a fork copies only the
calling one, and the kernel's lockdown binds only the calling one.

It answers two requests on descriptor 0: `fork` (the child's end of the session's channel follows
as a descriptor) and `reap`. A dead child is reaped on request only, so that until then its number
cannot come to mean another process that the host would kill instead.

Most of what a new session takes is the copying of memory pages that it writes to first. So when
nothing is asked for a moment, one spare child is forked ahead and goes through what most sessions
do; the next session gets it, and locks it down before anything of that session comes in.
"""

import gc
import io
import os
import select
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from sandbox import child, lockdown, profiles, steps, tables, wire
from sandbox.records import Limits

# A burst of sessions, and the first look at a new one, are not to compete with a spare's rehearsal.
IDLE_SECONDS = 0.1
TABLE = Path("rehearsal.csv")
LINES = ["name,value,count,day", *(f"n{i % 7},{i}.5,{i},2024-01-{i % 28 + 1:02}" for i in range(200))]
STEP = """
df.groupby('name')['value'].agg(['mean', 'sum']).sort_values('mean')
df[df['value'] > 3].merge(df, on='name')['name'].value_counts()
print(df.head())
df.describe()
"""


@dataclass(frozen=True)
class Spare:
    """A child that waits for a session; `handover` is this side's end of its channel."""

    pid: int
    handover: socket.socket


def main() -> None:
    """Serves the host on descriptor 0 until it closes its end."""
    control = socket.socket(fileno=os.dup(0))
    lockdown.die_with_parent()
    missing = prepare()
    wire.send(control, {"threads": len(os.listdir("/proc/self/task")), "missing": missing})
    spare = None
    while True:
        if spare is None and not _readable(control, IDLE_SECONDS):
            spare = _fork_spare(control)
        try:
            request = wire.receive(control)
        except wire.WireError:
            return
        if "folder" not in request:
            reply = _reap(request["pid"])
        elif spare and _readable(spare.handover):
            reply, spare = _hand_over(control, request, spare), None
        else:
            with _receive_channel(control) as channel:
                reply = _fork(control, request, channel)
        wire.send(control, reply)


def prepare() -> str:
    """Makes this process ready to fork; returns why its children cannot be confined, "" if they can."""
    TABLE.write_text("\n".join(LINES), encoding="utf-8")
    _rehearse()
    _rehearse_plot()
    missing = lockdown.rehearse(Path.cwd())
    lockdown.clean_environment(Path.cwd(), lockdown.MODE)
    # What is alive now never becomes garbage; a collector that visits it would copy every page.
    gc.collect()
    gc.freeze()
    return missing


def _readable(channel: socket.socket, seconds: float = 0.0) -> bool:
    return bool(select.select([channel], [], [], seconds)[0])


def _rehearse() -> None:
    """Does once what most sessions do first, so that no child imports it again."""
    (table,) = tables.read_all([TABLE], Limits())
    profiles.profile(table)
    error = steps.run(STEP, "<rehearsal>", {"df": table.frame})
    assert error is None, error


def _rehearse_plot() -> None:
    frame = pd.DataFrame({"value": [1.5, 2.5]})
    frame.plot(title="name").figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
    plt.close("all")


def _fork_spare(control: socket.socket) -> Spare | None:
    ours, theirs = socket.socketpair()
    try:
        pid = os.fork()
    except OSError:
        return None
    if pid == 0:
        try:
            control.close()
            ours.close()
            _wait_in_reserve(theirs)
        finally:
            os._exit(1)
    theirs.close()
    return Spare(pid, ours)


def _wait_in_reserve(handover: socket.socket) -> None:
    """Makes the pages that most sessions write to its own, and becomes the child it is asked to be."""
    lockdown.die_with_parent()
    _rehearse()
    with suppress(OSError):
        lockdown.prepare(Path.cwd())
    wire.send(handover, {})
    request = wire.receive(handover)
    channel = _receive_channel(handover)
    handover.close()
    child.main(channel, Path(request["folder"]), Limits.from_json(request["limits"]))


def _hand_over(control: socket.socket, request: dict[str, Any], spare: Spare) -> dict[str, Any]:
    with _receive_channel(control) as channel, spare.handover as handover:
        try:
            wire.receive(handover)
            wire.send(handover, request)
            socket.send_fds(handover, [b"+"], [channel.fileno()])
        except (wire.WireError, OSError):
            # It was killed while it waited, when memory was short.
            os.waitpid(spare.pid, 0)
            return _fork(control, request, channel)
    return {"pid": spare.pid}


def _fork(control: socket.socket, request: dict[str, Any], channel: socket.socket) -> dict[str, Any]:
    try:
        pid = os.fork()
    except OSError as error:
        return {"error": str(error)}
    if pid == 0:
        try:
            control.close()
            child.main(channel, Path(request["folder"]), Limits.from_json(request["limits"]))
        finally:
            os._exit(1)
    return {"pid": pid}


def _receive_channel(source: socket.socket) -> socket.socket:
    _, descriptors, _, _ = socket.recv_fds(source, 1, 1)
    return socket.socket(fileno=descriptors[0])


def _reap(pid: int) -> dict[str, Any]:
    """Tells how a child that has ended did so; the host waits for that, and nobody else meanwhile."""
    ended, status, used = os.wait4(pid, os.WNOHANG)
    if not ended:
        return {"error": f"process {pid} does not end"}
    return {"exit": os.waitstatus_to_exitcode(status), "cpu": used.ru_utime + used.ru_stime}
