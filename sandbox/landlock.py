"""The files that a child may see: what it needs to run Python, and its session's folder.

Landlock (https://docs.kernel.org/userspace-api/landlock.html) denies every right that a ruleset
handles and no rule gives. All rights that the kernel knows are handled; the right to execute and
those to make links, devices, sockets and pipes are given nowhere. Every rule holds with the first
version of Landlock (Linux 5.13); what later versions add is a second layer for what seccomp refuses.
"""

import functools
import os
import sys
from pathlib import Path

from landlockpy import AccessFS, Ruleset, Scope

READ = AccessFS.READ_FILE | AccessFS.READ_DIR
WORK = (
    READ
    | AccessFS.WRITE_FILE
    | AccessFS.TRUNCATE
    | AccessFS.MAKE_REG
    | AccessFS.MAKE_DIR
    | AccessFS.REMOVE_FILE
    | AccessFS.REMOVE_DIR
    | AccessFS.REFER
)
# Never a whole prefix: below it may lie the app, its caches or a home.
LIBRARIES = tuple(
    f"{prefix}/{name}"
    for prefix in dict.fromkeys((sys.prefix, sys.base_prefix, "/usr", "/usr/local", ""))
    for name in ("lib", "lib64")
)
DATA = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/usr/share/zoneinfo",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/dev/urandom",
)
MACHINE = ("/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/sys/fs/cgroup")
# Of the process itself. DuckDB looks for its share of the machine in its cgroup, and aborts if it must not.
OWN = ("/proc/self/cgroup", "/proc/self/status")


def confine(folder: Path) -> None:
    """Leaves the calling thread `folder` to work in and the above to read, for good.

    Raises OSError if the kernel has no Landlock or refuses a rule.
    """
    with ruleset(folder) as rules:
        rules.restrict()


def ruleset(folder: Path) -> Ruleset:
    """Returns the rules, not yet in force; raises OSError as `confine`."""
    rules = Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL)
    for path, rights in readable().items():
        rules.allow_path(path, rights)
    for path in OWN:
        rules.allow_path(path, AccessFS.READ_FILE)
    rules.allow_path("/dev/null", AccessFS.READ_FILE | AccessFS.WRITE_FILE)
    rules.allow_path(folder, WORK)
    return rules


@functools.cache
def readable() -> dict[str, AccessFS]:
    """Returns the readable paths of this system, each with what may be done below it."""
    real = {os.path.realpath(path) for path in (*LIBRARIES, *DATA, *MACHINE) if os.path.exists(path)}
    return {path: READ if os.path.isdir(path) else AccessFS.READ_FILE for path in sorted(real)}
