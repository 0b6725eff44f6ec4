"""`bench --torch`: an adapter in PEFT's form, measured before it is exported."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

pytest.importorskip("gguf", reason="gguf is not installed: training is not tested")

import peft  # noqa: E402
import torch  # noqa: E402

from agent.models import registry, weights  # noqa: E402
from training import data, settings, student  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.problems import Problem, save  # noqa: E402

from . import tiny  # noqa: E402

NAME = tiny.NAMES["qwen2"]
ASKED = [[{"role": "user", "content": text}] for text in ("How many dogs?", "Name all.", "x = 1")]


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory):
    with tiny.installed(tmp_path_factory.mktemp("cache")):
        yield


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    """A random one, where a run would leave it."""
    torch.manual_seed(1)
    options = {"r": 8, "target_modules": settings.of(NAME).lora_target_modules, "init_lora_weights": False}
    adapted = peft.get_peft_model(student.load(NAME).model, peft.LoraConfig(**options))
    folder = tmp_path_factory.mktemp("runs") / "my-run" / "adapter"
    adapted.save_pretrained(folder, save_embedding_layers=False)
    return folder


@pytest.fixture
def bench(tmp_path, pets_csv, capsys):
    """Asks one problem; returns the exit status, the figures and what was said to stderr."""
    asked = tmp_path / "asked.jsonl"
    save([Problem("p1", "How many dogs?", (pets_csv,), "2", "number")], asked)

    def ran(*words):
        out = tmp_path / "out"
        status = main(
            ["bench", "--problems", str(asked), "--model", NAME, "--out", str(out), *map(str, words)]
        )
        found = out / "loop-seed0" / "summary.json"
        figures = json.loads(found.read_text()) if found.exists() else None
        return status, figures, capsys.readouterr().err

    return ran


def test_the_adapter_is_measured_under_its_runs_name_and_by_its_digest(bench, adapter):
    status, figures, _ = bench("--torch", "--adapter", adapter)
    assert status == 0 and figures["problems"] == 1
    assert figures["model"] == f"{NAME}+my-run in PyTorch"
    digest = weights.sha256(adapter / "adapter_model.safetensors")
    assert figures["model_digest"] == f"{student.load(NAME).digest}+{digest}"


def test_the_model_alone_is_measured_without_an_adapter(bench):
    _, figures, _ = bench("--torch")
    assert figures["model"] == f"{NAME} in PyTorch" and figures["model_digest"] == student.load(NAME).digest


def test_the_merged_model_answers_as_the_model_with_the_adapter_beside_it(adapter):
    base = student.load(NAME)
    beside = student.running(base, peft.PeftModel.from_pretrained(base.model, adapter))
    expected = beside.generate(ASKED, max_new_tokens=12, temperature=0.0)
    plain = student.running(student.load(NAME)).generate(ASKED, max_new_tokens=12, temperature=0.0)
    merged = student.running(student.adapted(student.load(NAME), adapter))
    assert merged.generate(ASKED, max_new_tokens=12, temperature=0.0) == expected != plain


def test_a_mentor_with_an_adapter_rolls_out_on_the_gpu(adapter, monkeypatch):
    monkeypatch.setattr(data.suite, "gpus", lambda: ["0"])
    mentor, _ = data._load(f"{NAME}@{adapter}", 2)
    bare, _ = data._load(NAME, 2)
    # Of one name, the one would go on with the other's journal.
    assert (mentor.name, bare.name) == (f"{NAME}+my-run", NAME)
    said, plain = (model.generate(ASKED, max_new_tokens=12, temperature=0.0) for model in (mentor, bare))
    merged = student.running(student.adapted(student.load(NAME), adapter))
    assert said == merged.generate(ASKED, max_new_tokens=12, temperature=0.0) != plain


def test_a_folder_without_an_adapter_is_refused(bench, tmp_path):
    status, figures, told = bench("--torch", "--adapter", tmp_path)
    assert (status, figures) == (2, None)
    assert "holds no adapter in PEFT's form: give a folder with adapter_model.safetensors" in told


def test_a_suite_is_not_computed_in_torch(capsys, tmp_path):
    assert main(["bench", "--suite", "hackathon", "--model", NAME, "--torch", "--data", str(tmp_path)]) == 2
    assert "--torch go with --problems" in capsys.readouterr().err


def test_processes_that_start_at_once_make_one_copy_of_the_weights():
    known, start = registry.MODELS[NAME], Barrier(3)

    def made(_):
        start.wait()
        return student._dequantised(known, torch.float64)

    with ThreadPoolExecutor(3) as pool:
        (folder,) = set(pool.map(made, range(3)))
    assert (folder / "model.safetensors").exists()
    assert not list(folder.parent.glob("*.draft"))
