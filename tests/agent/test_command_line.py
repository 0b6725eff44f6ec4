"""python -m agent ask: bad input gives status 2 and one clear line, before any model is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def ask(*arguments):
    command = [sys.executable, "-m", "agent", "ask", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


BAD_FILES = {
    "empty.csv": b"",
    "header.csv": b"a,b\n",
    "binary.csv": b"\x00\x01\x02\xff" * 100,
    "broken.parquet": b"PAR1 nothing",
    "letter.docx": b"hello",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_in_one_line_that_names_it(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(BAD_FILES[name])
    done = ask(path, "-q", "How many?")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and name in done.stderr
    assert done.stdout == ""


def test_a_missing_file_is_refused(tmp_path):
    done = ask(tmp_path / "no.csv", "-q", "How many?")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_an_unknown_model_is_refused_with_the_known_names(pets_csv):
    done = ask(pets_csv, "-q", "How many?", "--model", "coder-9b")
    assert done.returncode == 2 and "coder-0.5b" in done.stderr and done.stderr.count("\n") == 1


def test_an_empty_question_is_refused(pets_csv):
    assert ask(pets_csv, "-q", " ", "--model", "coder-0.5b").returncode == 2


def test_the_core_imports_light():
    code = "import sys, agent; print([m for m in ('torch', 'gradio', 'pandas', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
