"""The system calls that a child may make: what is not listed here fails, whatever the kernel offers.

It is a list of what is allowed, so that a call that a later kernel adds, or that has another number
in a second table (x32), is refused without anybody having heard of it.

Sources: man 2 of each call; the default profile of Docker (moby/profiles/seccomp) for what a container
refuses; the rest is what pandas, DuckDB, scikit-learn and matplotlib were seen to ask for.
"""

import errno
import functools
import os
from contextlib import suppress

from seccompy import Action, ArgCmp, CmpOp, Filter, syscall_nr

ALLOWED = """
    read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close close_range
    stat fstat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat statfs fstatfs
    getdents getdents64 getcwd chdir fchdir mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2
    creat ftruncate fallocate fsync fdatasync sync_file_range fadvise64 readahead flock umask
    copy_file_range sendfile dup dup2 dup3 pipe pipe2 recvfrom
    mmap munmap mremap mprotect madvise mincore msync brk membarrier get_mempolicy
    futex futex_waitv futex_wait futex_wake futex_requeue set_robust_list get_robust_list rseq
    set_tid_address sched_yield sched_getaffinity sched_getparam sched_getscheduler
    sched_get_priority_max sched_get_priority_min getpriority exit exit_group wait4 waitid restart_syscall
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack pause
    kill tgkill
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times
    alarm setitimer getitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete
    timerfd_create timerfd_settime timerfd_gettime eventfd eventfd2 poll ppoll select pselect6
    epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
    getpid gettid getppid getpgid getpgrp getsid getuid geteuid getgid getegid getresuid getresgid
    getgroups capget getrlimit getrusage getcpu getrandom sysinfo uname
"""

# Python code may well try these, and "not permitted" tells it more than "not implemented".
NOT_PERMITTED = """
    socket socketpair connect bind listen accept accept4 sendmsg sendmmsg recvmsg recvmmsg
    execve execveat fork vfork ptrace process_vm_readv process_vm_writev
    tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_getfd pidfd_send_signal
    truncate link linkat symlink symlinkat mknod mknodat chown fchown lchown fchownat
    memfd_create shmget semget msgget mq_open setrlimit setpriority sched_setaffinity sched_setparam
    sched_setscheduler sched_setattr ioprio_set setsid setpgid setuid setgid setresuid setresgid setreuid
    setregid setgroups mount umount2 chroot pivot_root unshare setns bpf perf_event_open
    add_key request_key keyctl userfaultfd inotify_add_watch name_to_handle_at open_by_handle_at
"""

# Landlock does not guard a file's mode and times. Copying a file sets them, so they are left as they
# are and called a success.
WITHOUT_EFFECT = "chmod fchmod fchmodat fchmodat2 utime utimes futimesat utimensat"
NOT_SUPPORTED = """
    setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
    removexattr lremovexattr fremovexattr
"""

CLONE_THREAD = 0x00010000
# CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
CLONE_NAMESPACES = 0x7E020080
# PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_SET_VMA (malloc names its arenas).
PRCTL_OPTIONS = (3, 15, 16, 0x53564D41)
# TCGETS, TIOCGWINSZ (isatty and the like), FIONREAD, FIONBIO, FIONCLEX, FIOCLEX.
IOCTL_REQUESTS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# All but those that send signals (F_SETOWN, F_SETSIG), watch (F_NOTIFY, F_SETLEASE) or enlarge pipes.
FCNTL_COMMANDS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)


def confine() -> None:
    """Installs the filters on the calling thread, for good; raises OSError if that is refused."""
    signals_to_self().load()
    common_filter().load()


@functools.cache
def common_filter() -> Filter:
    """Returns the compiled filter that is the same in every child.

    Raises OSError if this machine is neither x86_64 nor aarch64.
    """
    # What is not known at all looks as on an older kernel, and libraries fall back.
    rules = Filter(default=Action.ERRNO | errno.ENOSYS)
    _allow_plain(rules)
    _allow_by_arguments(rules)
    _refuse(rules, NOT_PERMITTED, errno.EPERM)
    _refuse(rules, NOT_SUPPORTED, errno.EOPNOTSUPP)
    _refuse(rules, WITHOUT_EFFECT, 0)
    # Compiled here, once, and not in every child.
    _ = rules.program
    return rules


def signals_to_self() -> Filter:
    """Returns the rules that differ from child to child; a call must pass both filters."""
    rules = Filter(default=Action.ALLOW)
    for name in ("kill", "tgkill"):
        rules.allow(name, args={0: os.getpid()})
        rules.errno(name, errno.EPERM)
    return rules


def _allow_plain(rules: Filter) -> None:
    for number in _known(ALLOWED):
        rules.allow(number)


def _allow_by_arguments(rules: Filter) -> None:
    # A 64-bit argument is compared whole; a caller who sets bits that the kernel ignores is refused.
    thread = ArgCmp(0, CmpOp.MASKED_EQ, CLONE_THREAD, CLONE_THREAD | CLONE_NAMESPACES)
    rules.allow("clone", args=[thread])
    # To the other end of a connected channel, not to an address.
    rules.allow("sendto", args={4: 0})
    # Own limits may be read, not set.
    rules.allow("prlimit64", args={0: 0, 2: 0})
    for name, values, index in (
        ("prctl", PRCTL_OPTIONS, 0),
        ("ioctl", IOCTL_REQUESTS, 1),
        ("fcntl", FCNTL_COMMANDS, 1),
    ):
        for value in values:
            rules.allow(name, args={index: value})
    _refuse(rules, "clone sendto prlimit64 prctl fcntl", errno.EPERM)
    _refuse(rules, "ioctl", errno.ENOTTY)
    _allow_open(rules)


def _allow_open(rules: Filter) -> None:
    # Landlock before its third version lets O_TRUNC empty a file that is opened for reading, and no
    # version asks for a right where both bits of O_ACCMODE are set.
    for name, index in (("open", 1), ("openat", 2)):
        for number in _known(name):
            both = ArgCmp(index, CmpOp.MASKED_EQ, os.O_ACCMODE, os.O_ACCMODE)
            emptied = ArgCmp(index, CmpOp.MASKED_EQ, os.O_TRUNC, os.O_TRUNC | os.O_ACCMODE)
            rules.errno(number, errno.EPERM, args=[both])
            rules.errno(number, errno.EPERM, args=[emptied])
            rules.allow(number)


def _refuse(rules: Filter, names: str, code: int) -> None:
    for number in _known(names):
        rules.errno(number, code)


def _known(names: str) -> list[int]:
    """Returns the numbers of the calls that this architecture has."""
    numbers = []
    for name in names.split():
        with suppress(ValueError):
            numbers.append(syscall_nr(name))
    return numbers
