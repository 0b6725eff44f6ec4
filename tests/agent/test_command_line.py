"""python -m agent ask: bad input gives status 2 and one clear line, before any model is loaded.

What a question gives is shown with a server that knows one trick.
"""

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest

from agent import __main__ as command_line
from agent import absence

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


def test_a_notebook_that_cannot_be_written_is_refused_before_anything_is_asked(pets_csv, tmp_path):
    (tmp_path / "folder.ipynb").mkdir()
    for out in (tmp_path, tmp_path / "folder.ipynb", tmp_path / "a.txt", tmp_path / "no" / "a.ipynb"):
        done = ask(pets_csv, "-q", "How many?", "--model", "coder-0.5b", "--notebook", out)
        assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
        assert str(out) in done.stderr


class Handler(BaseHTTPRequestHandler):
    """A model that puts the question as code, and answers with the last line of the output.

    Where that is an empty list, it says that the data does not hold the answer.
    """

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        last = body["messages"][-1]["content"]
        question = re.search(r"Question: (.*)\Z", last)
        answer = last.splitlines()[-1].replace("[]", "not answerable from this data")
        reply = f"```python\n{question[1]}\n```" if question else f"Answer: {answer}"
        choice = {"delta": {"content": reply}, "finish_reason": "stop"}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"data: {json.dumps({'choices': [choice]})}\n\ndata: [DONE]\n\n".encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"endpoint:http://127.0.0.1:{server.server_port}/v1#echo"
    server.shutdown()
    server.server_close()


TABLES = {
    "a thousand columns": (",".join(f"c{i}" for i in range(1000)), ",".join(map(str, range(1000))), 1),
    "300,000 rows": ("c998,c999", "1,999", 300_000),
    "columns called df and print": ("df,print,c999", "3,4,999", 1),
}


@pytest.mark.parametrize("kind", TABLES)
def test_any_table_can_be_asked(kind, server, tmp_path):
    header, row, count = TABLES[kind]
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\n" + f"{row}\n" * count)
    done = ask(path, "-q", "print(df['c999'].max())", "--model", server)
    assert done.returncode == 0, done.stderr
    assert "Answer:   999\n" in done.stdout and "Verified: found in step 1's output:" in done.stdout


def test_the_steps_are_taken_home_in_the_form_that_is_asked_for(server, pets_csv, tmp_path):
    question = "print(df['Weight (kg)'].max())"
    for suffix in (".ipynb", ".py", ".md"):
        out = tmp_path / f"answer{suffix}"
        assert ask(pets_csv, "-q", question, "--model", server, "--notebook", out).returncode == 0
        assert question in out.read_text() and "Verified: found in step 1's output" in out.read_text()
    nbformat.validate(nbformat.read(tmp_path / "answer.ipynb", as_version=4))


def test_an_answer_without_evidence_is_called_unverified(server, pets_csv):
    done = ask(pets_csv, "-q", "print('Atlantis')", "--model", server)
    assert done.returncode == 1 and "Unverified: this value was not found" in done.stdout


def test_what_was_looked_for_in_vain_is_named_and_not_called_verified(server, pets_csv):
    look = absence.look("regex", [])  # the question is this code, and so has the word
    done = ask(pets_csv, "-q", look, "--model", server)
    assert done.returncode == 1 and "Answer:   not answerable from this data\n" in done.stdout
    assert "Not verified. Step 1 found no column whose name or cells have “regex”." in done.stdout


def test_a_models_failure_is_no_answer(pets_csv):
    done = ask(pets_csv, "-q", "How many?", "--model", "endpoint:http://127.0.0.1:9/v1#none")
    assert done.returncode == 1
    assert "Failed: endpoint:http://127.0.0.1:9/v1#none cannot be reached" in done.stdout
    assert "Answer:" not in done.stdout and "Summary:" not in done.stdout


def test_a_fault_that_nobody_foresaw_is_told_in_one_line(monkeypatch, capsys, pets_csv):
    def fail(*_):
        raise KeyError("what is this?")

    monkeypatch.setattr(command_line, "ask", fail)
    assert command_line.main(["ask", str(pets_csv), "-q", "How many?"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: DataSense itself failed (KeyError") and said.count("\n") == 1


def test_the_core_imports_light():
    code = "import sys, agent; print([m for m in ('torch', 'gradio', 'pandas', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
