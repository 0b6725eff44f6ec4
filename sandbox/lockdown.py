"""Takes away from a fresh child what model code must not have, before any of it runs.

A child gets a session (process group) of its own, no descriptor but its channel, a clean environment,
limits on memory, processor time and file sizes, no capabilities even as root, no core dumps, no new
privileges, no look into it from others of the same user, and death with the warm process; then the
kernel confines it by Landlock (which files) and seccomp (which system calls).

It fails closed: where the kernel offers one of the two not, or refuses a rule, no child runs, unless
DATASENSE_SANDBOX=container-only says that a container around the app is protection enough. What the
kernel does offer is used even then. `python -m sandbox check` tries each rule on this machine.
"""

import ctypes
import fcntl
import functools
import logging
import os
import resource
import signal
import socket
from contextlib import suppress
from pathlib import Path

import landlockpy
import seccompy

from sandbox import landlock, seccomp
from sandbox.records import Limits, SandboxError

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
CAPABILITY_VERSION_3 = 0x20080522

# A file that is deleted while it is open is in no folder that the host could measure: it costs at
# most this many times the largest file.
OPEN_FILES = 64
# Far from the small numbers that code uses by accident.
CHANNEL_FD = OPEN_FILES - 1

MODE = "DATASENSE_SANDBOX"
CONTAINER_ONLY = "container-only"
ADVICE = (
    "use Linux 5.13 or newer on x86_64 or aarch64 with Landlock and seccomp enabled, or, if a container "
    f"around the app is protection enough, set {MODE}={CONTAINER_ONLY}"
)

_libc = ctypes.CDLL(None, use_errno=True)


def lock(limits: Limits, folder: Path, channel: socket.socket) -> socket.socket:
    """Locks the calling process into `folder` and returns its channel under a new descriptor.

    Must be called in a forked child that has one thread: Landlock and seccomp bind the calling thread
    and those that it starts. Raises OSError if a rule is refused.
    """
    required = not container_only()
    # A folder has two links of its own and one from each folder in it: cheaper than to list it.
    if os.stat("/proc/self/task").st_nlink != 3:
        raise OSError("a process with several threads cannot be locked down")
    os.setsid()
    die_with_parent()
    os.chdir(folder)
    channel = _close_all_but(channel)
    clean_environment(folder)
    _die_first_when_memory_is_short()
    _limit_resources(limits)
    hide_process()
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    confine(folder, required)
    return channel


def confine(folder: Path, required: bool) -> None:
    """Has the kernel confine the calling thread, for good.

    Raises OSError if it refuses a layer, unless that is not `required`.
    """
    for layer in (lambda: landlock.confine(folder), _drop_capabilities, seccomp.confine):
        try:
            layer()
        except OSError:
            if required:
                raise


def prepare(folder: Path) -> None:
    """Makes the memory pages that `lock` writes to this process's own; takes nothing away yet.

    A forked child pays for the first touch of each page, which is most of what `lock` takes; one that
    waits in reserve can pay before a session waits for it. Raises OSError as `confine`.
    """
    with landlock.ruleset(folder):
        pass
    _ = seccomp.signals_to_self().program


def rehearse(folder: Path) -> str:
    """Returns why children cannot be confined here, "" if they can: found by confining one.

    Must be called in a process of one thread, before any child is locked.
    """
    if not landlockpy.supported():
        return "this machine's kernel offers no Landlock"
    if not seccompy.supported():
        return "this machine's kernel offers no seccomp filters"
    try:
        # Both are worked out here once, and not in every child.
        seccomp.common_filter()
        landlock.readable()
    except OSError as error:
        return str(error)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _report_confinement(folder, writer)
    os.close(writer)
    with open(reader, encoding="utf-8") as report:
        said = report.read()
    os.waitpid(pid, 0)
    return "" if said == "confined" else f"the kernel refuses a rule of the lockdown ({said or 'killed'})"


def _report_confinement(folder: Path, writer: int) -> None:
    try:
        confine(folder, required=True)
        os.write(writer, b"confined")
    except OSError as error:
        os.write(writer, str(error).encode())
    finally:
        os._exit(0)


def container_only() -> bool:
    """Tells whether the operator lets children run without what the kernel does not offer."""
    return os.environ.get(MODE) == CONTAINER_ONLY


def check_protection(missing: str) -> None:
    """Raises SandboxError, on the host, if something is missing (see `rehearse`) and must not be.

    Logs a warning, once, if the operator has chosen to go without.
    """
    if container_only():
        _warn(missing or "nothing is missing here, and every layer is used")
    elif missing:
        raise SandboxError(f"The sandbox cannot start: {missing}; {ADVICE}.")


@functools.cache
def _warn(found: str) -> None:
    logging.getLogger("sandbox").warning(
        "%s=%s: model code runs with what the container gives; %s.", MODE, CONTAINER_ONLY, found
    )


def die_with_parent() -> None:
    """Has the kernel kill this process when the thread that started it ends."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def hide_process() -> None:
    """Keeps others of the same user from this process's memory, descriptors and environment in /proc.

    Without it any process of the app's user reads a token in /proc/PID/environ of the app.
    """
    _prctl(PR_SET_DUMPABLE, 0)


def clean_environment(folder: Path, *kept: str) -> None:
    """Leaves in the environment what code needs, `folder` as its home, and what else is `kept`.

    The warm process does it too: what it has removed is not each child's to remove.
    """
    own = {"HOME": str(folder), "TMPDIR": str(folder), "MPLBACKEND": "Agg"}
    for name in os.environ.keys() - own.keys() - {"PATH", "LANG", "TZ", *kept}:
        del os.environ[name]
    os.environ.update(own)


def _close_all_but(channel: socket.socket) -> socket.socket:
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    moved = fcntl.fcntl(channel.detach(), fcntl.F_DUPFD_CLOEXEC, CHANNEL_FD)
    os.closerange(3, moved)
    os.closerange(moved + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    return socket.socket(fileno=moved)


def _die_first_when_memory_is_short() -> None:
    # The kernel would otherwise choose the largest process, which is the app with a model in it.
    with suppress(OSError):
        file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(file, b"1000")
        os.close(file)


def _limit_resources(limits: Limits) -> None:
    caps = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: limits.file_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
    }
    for name, cap in caps.items():
        resource.setrlimit(name, (cap, cap))


def _drop_capabilities() -> None:
    # Root without them is an ordinary user who owns root's files. Dropped after Landlock's rules are
    # made, which may need to look into folders of others.
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    if _libc.capset(header, none) != 0:
        _raise_errno("capset")


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        _raise_errno(f"prctl({option}, {value})")


def _raise_errno(call: str) -> None:
    code = ctypes.get_errno()
    raise OSError(code, f"{call}: {os.strerror(code)}")
