"""Says what this machine offers the sandbox, and proves each rule by breaking it.

    python -m sandbox check

Every forbidden thing is really tried, in a session like any other. The exit status is 0 if all rules
hold, 1 if one does not or the sandbox cannot start.
"""

import os
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path

import landlockpy
import seccompy

import sandbox
from sandbox import lockdown

STEP_SECONDS = 1.0
NOT_PERMITTED = "PermissionError"


@dataclass(frozen=True)
class Rule:
    """What must not happen, code that tries it, and how that has to fail."""

    words: str
    attempt: str
    failure: str = NOT_PERMITTED


def main() -> int:
    """Prints the table; returns the exit status."""
    for name, value in offered().items():
        print(f"  {name:<12}{value}")
    try:
        sandbox.warm()
    except sandbox.SandboxError as error:
        print(f"✗ {error}")
        return 1
    with tempfile.TemporaryDirectory() as folder, sandbox.open([]) as neighbour:
        results = [(rule.words, holds(rule)) for rule in rules(Path(folder), neighbour)]
    results.append(("honest work goes on", sandbox_works()))
    for words, held in results:
        print(f"{'✓' if held else '✗'} {words}")
    broken = sum(not held for _, held in results)
    print(f"{broken} of {len(results)} rules do not hold." if broken else "All rules hold.")
    return 1 if broken else 0


def offered() -> dict[str, str]:
    """Returns what there is to protect with, by name."""
    version = landlockpy.abi_version()
    return {
        "kernel": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Landlock": f"version {version}" if version else "none",
        "seccomp": "yes" if seccompy.supported() else "none",
        "user": "root, without its capabilities" if os.geteuid() == 0 else "an ordinary user",
        "mode": lockdown.CONTAINER_ONLY if lockdown.container_only() else "all layers required",
    }


def rules(folder: Path, neighbour: sandbox.Session) -> list[Rule]:
    """Returns the rules; `folder` is one outside every session, `neighbour` another session."""
    secret = folder / "secret.csv"
    secret.write_text("a\n1\n", encoding="utf-8")
    theirs = neighbour.run("import os; print(os.getcwd())").stdout.strip()
    app = os.getpid()
    return [
        Rule("starts no program", "os.execv('/bin/sh', ['sh', '-c', 'exit'])"),
        Rule("starts no process", "os.posix_spawn('/bin/sh', ['sh', '-c', 'exit'], {})"),
        Rule("opens no network connection", "socket.socket(socket.AF_INET)"),
        Rule("reaches no server on this machine", "socket.socket(socket.AF_UNIX)"),
        Rule("reads no file outside its folder", f"open({str(secret)!r}).read()"),
        Rule("writes no file outside its folder", f"open({str(secret)!r}, 'w')"),
        Rule("removes no file outside its folder", f"os.remove({str(secret)!r})"),
        Rule("reads nothing of the app's source", f"open({__file__!r}).read()"),
        Rule("sees no folder but its own and those of libraries", "os.listdir('/')"),
        Rule("reads nothing of another session", f"os.listdir({theirs!r})"),
        Rule("reads nothing of the app's environment", f"open('/proc/{app}/environ').read()"),
        Rule("reads nothing of the app's memory", f"open('/proc/{app}/mem', 'rb').read()"),
        Rule("makes no link in its own folder", f"os.symlink({str(secret)!r}, 'link')"),
        Rule("makes no device in its own folder", "os.mkfifo('pipe')"),
        Rule("sends no signal to the app", f"os.kill({app}, 0)"),
        Rule("slows the app down by no priority", f"os.setpriority(os.PRIO_PROCESS, {app}, 19)"),
        Rule("raises no limit of its own", "resource.prlimit(0, resource.RLIMIT_NOFILE, (9999, 9999))"),
        Rule("takes no other user's rights", "os.setuid(1)"),
        Rule("mounts nothing and enters no namespace", call("unshare")),
        Rule("traces no process", call("ptrace")),
        Rule("loads nothing into the kernel", call("bpf")),
        Rule("has no second way to the kernel (io_uring)", call("io_uring_setup"), "OSError"),
        Rule("takes no more memory than its limit", "bytearray(1 << 40)", "MemoryError"),
        Rule("writes no larger file than its limit", "os.truncate(os.open('f', 66), 1 << 40)", "OSError"),
        Rule("runs no longer than its time", "while True: pass", "Timeout"),
    ]


def call(name: str) -> str:
    """Returns code that makes a system call and raises what the kernel says."""
    number = seccompy.syscall_nr(name)
    return (
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"if libc.syscall({number}, 0, 0, 0) == -1:\n"
        "    raise OSError(ctypes.get_errno(), 'refused')"
    )


def holds(rule: Rule) -> bool:
    """Tries the forbidden thing in a new session, and tells whether it failed as it has to."""
    with sandbox.open([]) as session:
        execution = session.run(f"import ctypes, os, resource, socket\n{rule.attempt}", STEP_SECONDS)
    return execution.error is not None and execution.error.kind == rule.failure


def sandbox_works() -> bool:
    """Tells whether a session still computes."""
    with sandbox.open([]) as session:
        return session.run("pd.DataFrame({'n': [1, 2]})['n'].sum()").stdout == "3\n"
