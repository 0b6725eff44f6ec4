"""Attacks: programs, processes, threads, signals, and the kernel's calls that are not for data work."""

import ast
import os
import platform
import time
from pathlib import Path

import pytest
import seccompy

import sandbox

CALL = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    result = libc.syscall(*map(ctypes.c_long, arguments))
    return errno.errorcode[ctypes.get_errno()] if result == -1 else result
"""
SPAWN = "os.posix_spawn('/usr/bin/touch', ['touch', 'made'], {})"
C_EXEC = """
import ctypes
arguments = (ctypes.c_char_p * 3)(b'touch', b'made', None)
ctypes.CDLL(None).execve(b'/usr/bin/touch', arguments, None)
"""
SCRIPT = """
open('run', 'w').write('#!/bin/sh\\ntouch made')
os.chmod('run', 0o755)
os.execv('./run', ['run'])
"""
REFUSED = """
    ptrace process_vm_readv process_vm_writev process_madvise kcmp tkill rt_sigqueueinfo
    mount umount2 pivot_root unshare setns open_tree fsopen move_mount mount_setattr swapon quotactl
    bpf perf_event_open keyctl add_key request_key userfaultfd io_uring_setup io_uring_enter io_setup
    clone3 execveat memfd_create memfd_secret shmget semget msgget mq_open vmsplice splice
    open_by_handle_at name_to_handle_at inotify_init1 fanotify_init openat2 seccomp
    landlock_create_ruleset personality syslog acct reboot kexec_load init_module finit_module
    delete_module settimeofday clock_settime adjtimex sethostname iopl ioperm modify_ldt vhangup
    lookup_dcookie nfsservctl migrate_pages move_pages mbind set_mempolicy sync syncfs uselib
    pidfd_getfd sched_setattr ioprio_set
"""


def number(name):
    """The number of a system call here; -1, which no kernel knows, if this architecture has none."""
    try:
        return seccompy.syscall_nr(name)
    except ValueError:
        return -1


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("os.system('touch made')", id="os.system"),
        pytest.param("os.popen('touch made').read()", id="os.popen"),
        pytest.param("import subprocess; subprocess.run(['touch', 'made'])", id="subprocess"),
        pytest.param("import subprocess; subprocess.run('touch made', shell=True)", id="shell"),
        pytest.param(SPAWN, id="posix_spawn"),
        pytest.param("os.execv('/usr/bin/touch', ['touch', 'made'])", id="execv"),
        pytest.param(C_EXEC, id="execve through ctypes"),
        pytest.param(SCRIPT, id="a script of its own"),
    ],
)
def test_no_program_is_started_by(attacker, code):
    attacker.run(f"import os\n{code}")
    assert attacker.output("import os; os.path.exists('made')") == "False\n"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("os.fork()", id="fork"),
        pytest.param("os.forkpty()", id="forkpty"),
        pytest.param("import multiprocessing; multiprocessing.Process(target=print).start()", id="Process"),
        pytest.param("import multiprocessing; multiprocessing.Pool(2)", id="Pool"),
        pytest.param(
            "from concurrent.futures import ProcessPoolExecutor as P; P().submit(print)", id="executor"
        ),
    ],
)
def test_no_process_is_started_by(attacker, code):
    error = attacker.run(f"import os\n{code}").error
    assert error.kind == "PermissionError"
    assert "processes cannot be started" in error.message


@pytest.mark.parametrize("flags", ["17", "0x4111", "0x10000011", "0x10100"])
def test_no_process_is_started_by_a_raw_clone(attacker, flags):
    """As fork does, as vfork does, with a user namespace, and as a thread without its own rights."""
    code = f"{CALL}\nme = os.getpid()\nresult = call({number('clone')}, {flags}, 0, 0, 0, 0)\n"
    assert attacker.output(code + "os._exit(0) if os.getpid() != me else result") in ("EPERM\n", "EINVAL\n")


def test_a_fork_bomb_makes_no_process(attacker):
    code = CALL + (
        "forks = {call(%d, 17, 0, 0, 0, 0) for _ in range(10_000)}\nforks" % number("clone")  # noqa: UP031
    )
    assert attacker.output(code) == "{'EPERM'}\n"


def test_a_thread_bomb_is_ended(attacker):
    code = """
import threading, time
threading.stack_size(32 * 1024)
while True:
    try:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError:
        pass
"""
    execution = attacker.run(code)
    assert execution.error.kind == "Crashed"
    assert "threads" in execution.error.message
    assert execution.seconds < 10


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("os.kill({app}, 9)", id="kill the app"),
        pytest.param("os.kill({app}, 0)", id="probe the app"),
        pytest.param("os.kill(os.getppid(), 9)", id="kill the warm process"),
        pytest.param("os.kill(-1, 9)", id="kill everybody"),
        pytest.param("os.killpg(os.getpgid({app}), 9)", id="kill the app's group"),
        pytest.param("os.pidfd_open({app})", id="a handle on the app"),
        pytest.param("signal.pidfd_send_signal(0, 9)", id="kill by handle"),
        pytest.param("os.setpriority(os.PRIO_PROCESS, {app}, 19)", id="slow the app down"),
        pytest.param("os.sched_setaffinity({app}, {{0}})", id="crowd the app on one core"),
        pytest.param("resource.prlimit({app}, resource.RLIMIT_NOFILE, (3, 3))", id="starve the app of files"),
        pytest.param("resource.prlimit({app}, resource.RLIMIT_NOFILE)", id="read the app's limits"),
        pytest.param("resource.prlimit(0, resource.RLIMIT_AS, (-1, -1))", id="raise its own limits"),
        pytest.param("os.setuid(12345)", id="become another user"),
        pytest.param("os.setgroups([0])", id="join a group"),
        pytest.param("os.setsid()", id="leave its session"),
        pytest.param("os.setpgid(0, 0)", id="leave its group"),
        pytest.param("os.chroot('.')", id="chroot"),
        pytest.param("fcntl.fcntl(1, fcntl.F_SETOWN, {app})", id="aim SIGIO at the app"),
        pytest.param("fcntl.fcntl(1, 10, 9)", id="make SIGIO a SIGKILL"),
        pytest.param("fcntl.fcntl(1, 1026, 0x80000001)", id="watch a folder"),
    ],
)
def test_the_kernel_does_not_permit_code_to(anyone, code):
    imports = "import fcntl, os, resource, signal\n"
    assert anyone.run(imports + code.format(app=anyone.app)).error.kind == "PermissionError"
    os.kill(anyone.app, 0)


@pytest.mark.parametrize("name", REFUSED.split())
def test_there_is_no_call(attacker, name):
    allowed = attacker.output(f"{CALL}\ncall({number(name)}, 0, 0, 0, 0, 0, 0)")
    assert allowed in ("EPERM\n", "ENOSYS\n")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="32-bit calls are a feature of x86_64")
def test_a_32_bit_call_ends_the_process(attacker):
    """`int 0x80` has other numbers for the same calls, and a filter by number would miss them."""
    code = r"""
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(b'\xb8\x14\x00\x00\x00\xcd\x80\xc3')  # mov eax, 20 (getpid); int 0x80; ret
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""
    assert "SIGSYS" in attacker.run(code).error.message


@pytest.mark.parametrize(
    "option",
    [
        pytest.param("1, 0", id="outlive its parent"),
        pytest.param("4, 1", id="be dumpable again"),
        pytest.param("0x59616d61, -1", id="let anyone trace it"),
    ],
)
def test_a_process_cannot(attacker, option):
    assert attacker.output(f"{CALL}\ncall({number('prctl')}, {option}, 0, 0, 0)") == "EPERM\n"


def test_nobody_has_capabilities_not_even_root(anyone):
    code = "dict(line.split() for line in open('/proc/self/status') if line.startswith('Cap'))"
    sets = ast.literal_eval(anyone.output(code))
    assert {sets["CapPrm:"], sets["CapEff:"], sets["CapInh:"], sets["CapAmb:"]} == {"0" * 16}


def test_a_sibling_is_not_reached(attacker):
    with sandbox.open([]) as sibling:
        pid = int(sibling.run("import os; os.getpid()").stdout)
        assert attacker.run(f"import os; os.kill({pid}, 9)").error.kind == "PermissionError"
        assert sibling.run("1 + 1").stdout == "2\n"


def test_when_memory_is_short_the_child_dies_before_the_app(attacker):
    pid = int(attacker.output("import os; os.getpid()"))
    assert Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii") == "1000\n"


def test_a_thread_that_outlives_its_step_ends_with_the_session(honest):
    with sandbox.open([]) as session:
        code = "import os, threading\ndef spin():\n    while True: pass\n"
        session.run(code + "threading.Thread(target=spin).start()")
        pid = int(session.run("os.getpid()").stdout)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
