"""What the README says can be done, can be done: its commands, names and links are taken from its text."""

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from agent.models import registry
from benchmarks import examples
from sandbox import bench
from training import results, runs
from training.__main__ import _parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S)
COMMANDS = [line for language, body in BLOCKS if language == "sh" for line in body.splitlines() if line]


def test_every_make_target_it_names_is_there():
    targets = [shlex.split(command, comments=True)[1] for command in COMMANDS if command.startswith("make ")]
    assert {"app", "test"} <= set(targets)
    for target in targets:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_its_python_compiles_and_calls_the_public_endpoint():
    code = [body for language, body in BLOCKS if language == "python"]
    assert code and all(compile(body, "README.md", "exec") for body in code)
    assert any('api_name="/ask"' in body for body in code)


def test_its_models_are_those_of_the_registry():
    named = re.findall(r"^\| `([^`+]+)(?:\+sft-v1)?` \|", README, re.M)
    assert {name for name in named if name.startswith(("coder", "gemma"))} == set(registry.MODELS)


def test_its_files_exist():
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / path).exists(), path


def test_its_figures_are_the_stored_ones():
    for name in ("examples-coder-1.5b", "gallery-coder-1.5b"):
        report = json.loads((ROOT / f"assets/results/{name}.json").read_text())
        assert examples.table(report) in README
    lite = "databench validation_lite"
    for benchmark in (lite, f"{lite}, 24 drawn", "wtq dev, 300 drawn", "examples unanswerable"):
        assert results.published(benchmark) in README
    figures = json.loads((ROOT / "assets/results/sandbox.json").read_text())
    assert bench.table(figures) in README


def with_and_without(line):
    """The words of a line: each [optional part] left out, and put in as each of its alternatives."""
    parts = re.split(r"\[([^\]]+)\]", line)
    choices = [[part] if i % 2 == 0 else ["", *part.split("|")] for i, part in enumerate(parts)]
    return [shlex.split("".join(chosen), comments=True) for chosen in itertools.product(*choices)]


def test_its_benchmark_commands_are_understood_and_its_report_is_of_one_of_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"^python -m training (bench .*)", README, re.M)
    assert lines
    folders, reported = set(), set()
    for words in itertools.chain.from_iterable(map(with_and_without, lines)):
        options = _parser().parse_args(words)
        if "report" in words:
            reported.add(options.folder)
        elif options.problems:
            file, name = Path(options.problems), options.model[0]
            if file.suffix:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
            adapter = registry._adapter_file(name, options.adapter)
            title = results.title(options.problems, options.sample, options.limit, options.temperature)
            folders.add(results.default_folder(title, f"{name}+{adapter.stem}" if adapter else name))
    assert reported and reported <= folders


def test_the_training_runs_that_are_told_are_the_stored_ones():
    told = (ROOT / "training/README.md").read_text()
    for model in ("coder-0.5b", "coder-1.5b"):
        stored = json.loads((ROOT / f"assets/results/sft-{model}.json").read_text())
        assert runs.table(stored["runs"]) in told


def test_its_question_is_answered_as_it_says(small_weights):
    command = next(c for c in COMMANDS if "python -m agent ask" in c)
    arguments = [sys.executable, *shlex.split(command)[1:]]
    environment = os.environ | {"DATASENSE_MODEL": "coder-0.5b"}
    done = subprocess.run(
        arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Answer:   West" in done.stdout and "Verified: found in step 1's output" in done.stdout
