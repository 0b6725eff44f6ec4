"""Attacks: reading what is not the session's, writing outside its folder, and odd files inside it."""

import os
import stat
from pathlib import Path

import pytest

import sandbox

ROOT = Path(__file__).parents[2]
SECRET = "sk-verysecret"
CALL = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    result = getattr(libc, name)(*arguments)
    return errno.errorcode[ctypes.get_errno()] if result == -1 else result
"""
STACK = """
import ctypes
libc = ctypes.CDLL(None)
libc.getauxval.restype = ctypes.c_ulong
start = ctypes.c_ulong.in_dll(libc, '__libc_stack_end').value
program = libc.getauxval(31)  # AT_EXECFN: the last text that the kernel puts on a new stack
text = ctypes.string_at(start, program - start)
print(b'OPENBLAS_NUM_THREADS=1' in text, b'verysecret' in text)
"""


@pytest.fixture
def outside(tmp_path):
    """A folder that is not the session's, with a file in it that everybody may read and write."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    path = tmp_path / "open" / "secret.csv"
    path.write_text(f"a\n{SECRET}\n", encoding="utf-8")
    path.chmod(0o666)
    return path


READS = {
    "open": "open({path!r}).read()",
    "os.open": "os.read(os.open({path!r}, 0), 99)",
    "pandas": "pd.read_csv({path!r})",
    "NumPy": "np.fromfile({path!r}, 'u1')",
    "pyarrow": "import pyarrow.csv as c; c.read_csv({path!r})",
    "DuckDB": 'sql("select * from read_csv({path!r})")',
    "a copy": "import shutil; shutil.copyfile({path!r}, 'copy')",
    "C": "import ctypes; assert ctypes.CDLL(None).open({path!r}.encode(), 0) >= 0",
    "a path through its own folder": "open(os.path.relpath({path!r})).read()",
    "/proc/self/root": "open('/proc/self/root' + {path!r}).read()",
    "/proc/self/cwd": "open('/proc/self/cwd/' + os.path.relpath({path!r})).read()",
    "a folder's descriptor": "os.open('secret.csv', 0, dir_fd=os.open(os.path.dirname({path!r}), os.O_PATH))",
    "a list of its folder": "os.listdir(os.path.dirname({path!r}))",
    "a link to it": "os.symlink({path!r}, 'link'); open('link').read()",
    "a hard link to it": "os.link({path!r}, 'link'); open('link').read()",
    "moving it": "os.rename({path!r}, 'moved'); open('moved').read()",
}


@pytest.mark.parametrize("way", READS)
def test_a_file_outside_is_not_read_by(anyone, outside, way):
    execution = anyone.run(f"import os\n{READS[way].format(path=str(outside))}")
    assert execution.error is not None
    assert SECRET not in execution.stdout + str(execution.error)


WRITES = {
    "open": "open({path!r}, 'w').write('x')",
    "append": "open({path!r}, 'a').write('x')",
    "os.open": "os.write(os.open({path!r}, os.O_RDWR), b'x')",
    "opening it for reading, emptied": "os.open({path!r}, os.O_RDONLY | os.O_TRUNC)",
    "opening it for nothing, emptied": "os.open({path!r}, 3 | os.O_TRUNC)",
    "truncate": "os.truncate({path!r}, 0)",
    "pandas": "df = pd.DataFrame({{'a': [1]}}); df.to_csv({path!r})",
    "parquet": "df = pd.DataFrame({{'a': [1]}}); df.to_parquet({path!r})",
    "NumPy": "np.save({path!r}, np.ones(3))",
    "DuckDB COPY": 'sql("copy (select 1) to {path!r}")',
    "DuckDB database": "import duckdb; duckdb.connect({path!r} + '.db').sql('create table t (a int)')",
    "sqlite": "import sqlite3; sqlite3.connect({path!r} + '.db').execute('create table t (a)')",
    "a figure": "plt.plot([1]); plt.savefig({path!r} + '.png')",
    "unlink": "os.unlink({path!r})",
    "a new file": "open({path!r} + '.new', 'w')",
    "a new folder": "os.mkdir({path!r} + '.new')",
    "a temporary file": "os.open(os.path.dirname({path!r}), os.O_TMPFILE | os.O_WRONLY)",
    "moving a file out": "open('f', 'w'); os.rename('f', {path!r})",
    "moving it away": "os.rename({path!r}, {path!r} + '.new')",
    "a link from there": "os.symlink('/etc', {path!r} + '.new')",
    "a hard link from there": "open('f', 'w'); os.link('f', {path!r} + '.new')",
    "a pipe there": "os.mkfifo({path!r} + '.new')",
    "a socket there": "import socket; socket.socket(socket.AF_UNIX).bind({path!r} + '.new')",
    "another owner": "os.chown({path!r}, 1, 1)",
    "an attribute": "os.setxattr({path!r}, 'user.a', b'x')",
}


@pytest.mark.parametrize("way", WRITES)
def test_nothing_outside_is_changed_by(anyone, outside, way):
    before = state(outside.parent)
    assert anyone.run(f"import os\n{WRITES[way].format(path=str(outside))}").error is not None
    assert state(outside.parent) == before


@pytest.mark.parametrize("code", ["os.chmod({path!r}, 0)", "os.utime({path!r}, (1, 1))"])
def test_modes_and_times_outside_are_left_as_they_are(anyone, outside, code):
    before = state(outside.parent)
    anyone.run(f"import os\n{code.format(path=str(outside))}")
    assert state(outside.parent) == before


def test_the_mode_of_a_readable_file_is_left_as_it_is(attacker):
    """Landlock lets it be opened, and does not guard its mode."""
    path = Path(pytest.__file__)
    mode = stat.S_IMODE(path.stat().st_mode)
    try:
        attacker.run(f"import os; os.fchmod(os.open({str(path)!r}, 0), {mode ^ 1})")
        assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        path.chmod(mode)


def state(folder):
    """All that there is to see of a folder and its files, reading apart."""
    found = {}
    for path in (folder, *folder.iterdir()):
        seen = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[path.name] = (seen.st_mode, seen.st_uid, seen.st_mtime_ns, seen.st_ino, content)
        found[f"{path.name}'s attributes"] = os.listxattr(path)
    return found


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(ROOT / "app.py", id="the app's source"),
        pytest.param(ROOT / "sandbox/lockdown.py", id="the sandbox's source"),
        pytest.param(ROOT / "assets", id="the app's assets and adapters"),
        pytest.param(ROOT / ".git", id="the repository"),
        pytest.param(Path.home(), id="the user's home"),
        pytest.param(Path.home() / ".cache", id="the user's caches"),
        pytest.param("/etc/passwd", id="the users"),
        pytest.param("/etc/shadow", id="the passwords"),
        pytest.param("/etc/hostname", id="the host's name"),
        pytest.param("/", id="the root folder"),
        pytest.param("/tmp", id="/tmp"),
        pytest.param("/dev/shm", id="shared memory"),
        pytest.param("/dev", id="devices"),
        pytest.param("/dev/kmsg", id="the kernel's log"),
        pytest.param("/var", id="/var"),
        pytest.param("/run", id="/run"),
        pytest.param("/proc", id="all processes"),
        pytest.param("/proc/self/environ", id="its own first environment"),
        pytest.param("/proc/self/mem", id="its own memory as a file"),
        pytest.param("/proc/self/maps", id="its own address space"),
        pytest.param("/proc/self/fd", id="its own descriptors"),
        pytest.param("/proc/mounts", id="mounts"),
        pytest.param("/proc/net/tcp", id="connections"),
        pytest.param("/proc/kallsyms", id="the kernel's addresses"),
        pytest.param("/proc/{app}/environ", id="the app's environment"),
        pytest.param("/proc/{app}/cmdline", id="the app's command line"),
        pytest.param("/proc/{app}/mem", id="the app's memory"),
        pytest.param("/proc/{app}/maps", id="the app's address space"),
        pytest.param("/proc/{app}/fd", id="the app's descriptors"),
        pytest.param("/proc/{app}/root/etc/passwd", id="files through the app"),
        pytest.param("/proc/{app}/cwd/app.py", id="the app's folder through the app"),
        pytest.param("/proc/{app}/status", id="the app's status"),
        pytest.param("/sys/kernel", id="the kernel's settings"),
    ],
)
def test_code_does_not_read(anyone, path):
    path = str(path).format(app=anyone.app)
    code = f"import os\nos.listdir({path!r}) if os.path.isdir({path!r}) else open({path!r}, 'rb').read(99)"
    assert anyone.run(code).error.kind in ("PermissionError", "FileNotFoundError")


@pytest.mark.parametrize("name", ["environ", "mem", "maps", "cwd", "fd"])
def test_code_does_not_read_the_warm_process(anyone, name):
    code = f"import os\npath = f'/proc/{{os.getppid()}}/{name}'\n"
    execution = anyone.run(code + "os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(99)")
    assert execution.error.kind == "PermissionError"


def test_no_token_is_left_on_the_stack(honest, monkeypatch):
    sandbox.shutdown()
    monkeypatch.setenv("HF_TOKEN", SECRET)
    with sandbox.open([]) as session:
        assert session.run(STACK).stdout == "True False\n"


def test_another_sessions_folder_is_closed(attacker, tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n", encoding="utf-8")
    with sandbox.open([tmp_path / "t.csv"]) as other:
        folder = other.run("import os; print(os.getcwd())").stdout.strip()
        for code in (
            f"open({folder!r} + '/t.csv').read()",
            f"open({folder!r} + '/x', 'w')",
            f"import os; os.listdir({folder!r})",
            "import os; os.listdir('..')",
            f"open('../{Path(folder).name}/t.csv').read()",
        ):
            assert attacker.run(code).error.kind == "PermissionError"
        assert os.listdir(folder) == ["t.csv"]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("os.symlink('/etc/passwd', 'odd')", id="a link"),
        pytest.param("open('f', 'w'); os.link('f', 'odd')", id="a hard link"),
        pytest.param("os.mkfifo('odd')", id="a pipe"),
        pytest.param("os.mknod('odd', 0o60666, os.makedev(8, 0))", id="a disk"),
        pytest.param("os.mknod('odd', 0o20666, os.makedev(1, 1))", id="memory"),
        pytest.param("import socket; socket.socket(socket.AF_UNIX).bind('odd')", id="a socket"),
    ],
)
def test_its_own_folder_gets_no(anyone, code):
    execution = anyone.run(
        f"import os\ntry:\n    {code}\nexcept OSError as e:\n    print(os.path.lexists('odd'))"
    )
    assert execution.stdout == "False\n"


def test_no_file_becomes_a_program_of_its_owner(attacker):
    """The set-user-id bit would give it the rights of the user who runs the app."""
    attacker.run("import os; open('p', 'w'); os.chmod('p', 0o4777); os.fchmod(os.open('p', 0), 0o4777)")
    mode = int(attacker.output("os.stat('p').st_mode"))
    assert not mode & (stat.S_ISUID | stat.S_IXUSR)


@pytest.mark.parametrize("name", ["link", "hard", "pipe", "folder"])
def test_the_host_takes_no(name, honest, tmp_path):
    """Made from outside here: if code could make one, the host would still not follow it."""
    (tmp_path / "secret").write_text(SECRET, encoding="utf-8")
    makers = {
        "link": lambda path: path.symlink_to(tmp_path / "secret"),
        "hard": lambda path: path.hardlink_to(tmp_path / "secret"),
        "pipe": os.mkfifo,
        "folder": os.mkdir,
    }
    with sandbox.open([]) as session:
        folder = Path(session.run("import os; print(os.getcwd())").stdout.strip())
        makers[name](folder / "odd.txt")
        with pytest.raises(sandbox.InputError):
            session.read_file("odd.txt")


@pytest.mark.parametrize("folder", [Path(pytest.__file__).parent, Path(os.__file__).parent])
def test_libraries_are_not_poisoned(anyone, folder):
    """What one session wrote there, the app and every later session would import."""
    try:
        assert anyone.run(f"open('{folder}/poison.py', 'w')").error.kind == "PermissionError"
        assert not (folder / "poison.py").exists()
    finally:
        (folder / "poison.py").unlink(missing_ok=True)


def test_deleted_files_that_are_kept_open_are_few(attacker):
    """They are in no folder that the host can measure."""
    code = """
import os
held = []
try:
    while True:
        held.append(os.open('f', os.O_RDWR | os.O_CREAT))
        os.unlink('f')
except OSError as error:
    print(error.strerror, len(held) < 64)
"""
    assert attacker.output(code) == "Too many open files True\n"
