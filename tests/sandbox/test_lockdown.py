"""The lockdown itself: it fails closed, hides the app, and its filter is right on both architectures."""

import errno
import os
import platform
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import seccompy

import sandbox
from sandbox import check, lockdown, seccomp

ROOT = Path(__file__).parents[2]
PR_GET_DUMPABLE = 3
EPERM = seccompy.Action.ERRNO | errno.EPERM
ENOSYS = seccompy.Action.ERRNO | errno.ENOSYS
# Makes the kernel look older to this process and all that it starts, then runs a step.
OLD_KERNEL = """
import logging, sys
import seccompy
import sandbox
logging.basicConfig(format="%(levelname)s %(message)s")
older = seccompy.Filter()
for name in sys.argv[2:]:
    older.errno(name, int(sys.argv[1]))
older.load()
for _ in range(2):
    with sandbox.open([]) as session:
        print(session.run("1 + 1").stdout, end="")
        print(session.run("import socket; socket.socket()").error is None)
    sandbox.shutdown()
"""
LANDLOCK = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"]


def on_old_kernel(code, *names, mode=None):
    env = {name: value for name, value in os.environ.items() if name != lockdown.MODE}
    env |= {"PYTHONPATH": str(ROOT)} | ({lockdown.MODE: mode} if mode else {})
    command = [sys.executable, "-c", OLD_KERNEL, str(code), *names]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)


@pytest.mark.parametrize(
    ("code", "names", "missing"),
    [
        (errno.ENOSYS, LANDLOCK, "this machine's kernel offers no Landlock"),
        (errno.EOPNOTSUPP, LANDLOCK, "this machine's kernel offers no Landlock"),
        (errno.ENOSYS, ["seccomp"], "this machine's kernel offers no seccomp filters"),
        (errno.EINVAL, ["landlock_add_rule"], "the kernel refuses a rule of the lockdown"),
        (errno.E2BIG, ["landlock_restrict_self"], "the kernel refuses a rule of the lockdown"),
        (errno.EPERM, ["capset"], "the kernel refuses a rule of the lockdown"),
    ],
)
def test_without_a_layer_the_sandbox_refuses_and_says_what_to_do(code, names, missing):
    done = on_old_kernel(code, *names)
    assert done.returncode == 1
    assert done.stdout == ""
    refusal = done.stderr.splitlines()[-1]
    assert f"SandboxError: The sandbox cannot start: {missing}" in refusal
    assert "Linux 5.13 or newer" in refusal and "DATASENSE_SANDBOX=container-only" in refusal


def test_another_word_than_container_only_is_no_override():
    assert on_old_kernel(errno.ENOSYS, *LANDLOCK, mode="container").returncode == 1


@pytest.mark.parametrize(("names", "socket"), [(LANDLOCK, "False"), (["seccomp"], "True")])
def test_the_override_runs_with_what_there_is_and_warns_once(names, socket):
    done = on_old_kernel(errno.ENOSYS, *names, mode="container-only")
    assert done.stdout == f"2\n{socket}\n" * 2
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("WARNING DATASENSE_SANDBOX=container-only")
    assert "kernel offers no" in warning


def test_a_process_with_a_second_thread_is_not_locked(tmp_path):
    """Landlock would bind the one and not the other."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with pytest.raises(OSError, match="several threads"):
            lockdown.lock(sandbox.Limits(), tmp_path, None)
    finally:
        stop.set()
        thread.join()


def test_the_app_hides_itself_when_it_starts_the_sandbox():
    code = (
        "import ctypes, sandbox\n"
        f"print(ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}))\n"
        f"sandbox.warm()\nprint(ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.stdout == "1\n0\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become two processes of another user")
def test_a_hidden_process_is_closed_to_others_of_its_user():
    """As an ordinary user; root reads everything."""
    assert as_nobody(hidden=False) == "read"
    assert as_nobody(hidden=True) == "PermissionError"


def as_nobody(hidden):
    """What comes of reading the environment of one process of an ordinary user from another."""
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setresuid(65534, 65534, 65534)
        # A change of user hides a process; an app that was started as this user is not hidden.
        lockdown._prctl(lockdown.PR_SET_DUMPABLE, 1)
        if hidden:
            lockdown.hide_process()
        os.write(ready[1], b"1")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    command = ["setpriv", "--reuid=65534", "--clear-groups", "cat", f"/proc/{pid}/environ"]
    read = subprocess.run(command, capture_output=True)
    os.write(go[1], b"1")
    os.waitpid(pid, 0)
    for descriptor in (*ready, *go):
        os.close(descriptor)
    return "PermissionError" if b"Permission denied" in read.stderr else "read"


def test_the_check_finds_that_all_rules_hold(capsys):
    assert check.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "All rules hold."
    assert sum(line.startswith("✓") for line in lines) > 20


def test_the_check_finds_a_rule_that_does_not_hold(capsys, monkeypatch):
    broken = check.Rule("prints nothing", "print(1)")
    monkeypatch.setattr(check, "rules", lambda *_: [broken])
    assert check.main() == 1
    assert "✗ prints nothing\n✓ honest work goes on\n1 of 2 rules do not hold." in capsys.readouterr().out


@pytest.fixture(params=["x86_64", "aarch64"])
def verdict(request, monkeypatch):
    """A function that tells what the filter of that architecture says to a system call."""
    monkeypatch.setattr(platform, "machine", lambda: request.param)
    program = seccomp.common_filter.__wrapped__().program

    def judge(call, *arguments, arch=None):
        six = [*arguments, *[0] * (6 - len(arguments))]
        data = struct.pack("<iIQ6Q", number(call), arch or seccompy.audit_arch(), 0, *six)
        return run_bpf(program, data)

    return judge


def number(call):
    """A call's number; a 32-bit pattern as the kernel sees it, signed."""
    value = seccompy.syscall_nr(call)
    return value - 2**32 if value >= 2**31 else value


def run_bpf(program, data):
    """Runs a classic BPF program as the kernel does (linux/filter.h), as far as seccompy uses it."""
    instructions = list(struct.iter_unpack("<HBBI", program))
    at, value = 0, 0
    while True:
        code, jump_true, jump_false, constant = instructions[at]
        at += 1
        match code:
            case 0x20:
                (value,) = struct.unpack_from("<I", data, constant)
            case 0x54:
                value &= constant
            case 0x05:
                at += constant
            case 0x15:
                at += jump_true if value == constant else jump_false
            case 0x06:
                return constant
            case _:
                raise AssertionError(f"instruction {code:#x} is not known here")


def test_the_filter_allows_what_python_needs(verdict):
    for call in ("read", "write", "mmap", "futex", "openat", "exit_group", "getrandom", "newfstatat"):
        assert verdict(call) == seccompy.Action.ALLOW, call


def test_the_filter_refuses_what_reaches_out(verdict):
    for call in ("socket", "connect", "execve", "ptrace", "mount", "bpf", "linkat", "truncate", "setrlimit"):
        assert verdict(call) == EPERM, call


def test_the_filter_knows_no_call_that_is_not_listed(verdict):
    for call in ("io_uring_setup", "clone3", "seccomp", "kexec_load", 5000, 2**32 - 1):
        assert verdict(call) == ENOSYS, call


def test_the_filter_ends_a_process_that_uses_another_architectures_numbers(verdict):
    assert verdict("read", arch=0x40000003) == seccompy.Action.KILL_PROCESS  # AUDIT_ARCH_I386
    assert verdict("read", arch=0x40000028) == seccompy.Action.KILL_PROCESS  # AUDIT_ARCH_ARM


def test_the_filter_knows_no_call_of_the_x32_table(verdict):
    """x32 has the architecture of x86_64, and bit 30 set in its numbers."""
    for call in ("read", "socket", "execve", "openat"):
        assert verdict(seccompy.syscall_nr(call) | 0x40000000) == ENOSYS, call


def test_the_filter_allows_threads_and_no_processes(verdict):
    thread = 0x3D0F00  # as pthread_create calls it
    assert verdict("clone", thread) == seccompy.Action.ALLOW
    assert verdict("clone", 0x11) == EPERM  # as fork does
    assert verdict("clone", 0x4111) == EPERM  # as vfork does
    assert verdict("clone", thread | 0x10000000) == EPERM  # in a new user namespace


def test_the_filter_allows_reading_limits_and_not_setting_them(verdict):
    assert verdict("prlimit64", 0, 7, 0, 0x1000) == seccompy.Action.ALLOW
    assert verdict("prlimit64", 0, 7, 0x1000, 0) == EPERM
    assert verdict("prlimit64", 1, 7, 0, 0x1000) == EPERM


def test_the_filter_opens_no_file_that_is_emptied_without_the_right_to_write(verdict):
    assert verdict("openat", 0, 0, os.O_WRONLY | os.O_TRUNC) == seccompy.Action.ALLOW
    assert verdict("openat", 0, 0, os.O_RDONLY | os.O_TRUNC) == EPERM
    assert verdict("openat", 0, 0, os.O_ACCMODE) == EPERM


def test_every_name_in_the_lists_is_a_call_somewhere(monkeypatch):
    known = set()
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
        for text in (seccomp.ALLOWED, seccomp.NOT_PERMITTED, seccomp.NOT_SUPPORTED, seccomp.WITHOUT_EFFECT):
            known |= {name for name in text.split() if seccomp._known(name)}
    listed = {*seccomp.ALLOWED.split(), *seccomp.NOT_PERMITTED.split()}
    listed |= {*seccomp.NOT_SUPPORTED.split(), *seccomp.WITHOUT_EFFECT.split()}
    assert listed == known


def test_no_call_is_in_two_lists():
    texts = (seccomp.ALLOWED, seccomp.NOT_PERMITTED, seccomp.NOT_SUPPORTED, seccomp.WITHOUT_EFFECT)
    names = [name for text in texts for name in text.split()]
    assert len(names) == len(set(names))


def test_another_architecture_is_refused(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="riscv64"):
        seccomp.common_filter.__wrapped__()
