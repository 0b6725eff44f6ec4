"""The warm process: it has imported pandas and its kin, and does nothing but fork.

Started by `sandbox.warm` as a fresh program with a clean environment, never forked from the app,
so that nothing of the app is in its memory. It must have one thread: a fork copies only the
calling one, and the kernel's lockdown binds only the calling one.

It answers two requests on descriptor 0: `fork` (the child's end of the session's channel follows
as a descriptor) and `reap`. A dead child is reaped on request only, so that until then its number
cannot come to mean another process that the host would kill instead.
"""

import gc
import io
import os
import socket
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from sandbox import child, lockdown, wire
from sandbox.records import Limits

REAP_SECONDS = 5.0


def main() -> None:
    """Serves the host on descriptor 0 until it closes its end."""
    control = socket.socket(fileno=os.dup(0))
    lockdown.die_with_parent()
    _rehearse()
    wire.send(control, {"threads": len(os.listdir("/proc/self/task"))})
    # What is alive now never becomes garbage; a collector that visits it would copy every page.
    gc.collect()
    gc.freeze()
    while True:
        try:
            request = wire.receive(control)
        except wire.WireError:
            return
        wire.send(control, _fork(control, request) if "folder" in request else _reap(request))


def _rehearse() -> None:
    """Does once what most sessions do first, so that no child imports it again."""
    frame = pd.read_csv(io.StringIO("name,value,day\na,1.5,2024-01-01\nb,2.5,2024-01-02\n"))
    frame["day"] = pd.to_datetime(frame["day"])
    frame.groupby("name")["value"].sum()
    str(frame.describe())
    frame.plot(title="name").figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
    plt.close("all")


def _fork(control: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
    _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
    channel = socket.socket(fileno=descriptors[0])
    try:
        pid = os.fork()
    except OSError as error:
        return {"error": str(error)}
    if pid == 0:
        try:
            control.close()
            limits = Limits.from_json(request["limits"])
            child.main(channel, Path(request["folder"]), limits)
        finally:
            os._exit(1)
    channel.close()
    return {"pid": pid}


def _reap(request: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + REAP_SECONDS
    while time.monotonic() < deadline:
        pid, status, used = os.wait4(request["pid"], os.WNOHANG)
        if pid:
            return {"exit": os.waitstatus_to_exitcode(status), "cpu": used.ru_utime + used.ru_stime}
        time.sleep(0.001)
    return {"error": f"process {request['pid']} does not end"}
