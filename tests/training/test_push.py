"""What would be put on the Hub: the adapter's files, and a card with its own measured results."""

import json
from argparse import ArgumentParser
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import ModelCard

from agent.models import weights
from training import push, results, summary
from training.records import Prediction, write_json

REPO = "owner/tables-lora"
ADAPTERS = Path(__file__).parents[2] / "assets" / "adapters"


def prediction(number, right):
    return Prediction(
        **{
            "id": f"p{number}",
            "answer_type": "number",
            "gold": "2",
            "answer": "2",
            "summary": "",
            "value": "2",
        },
        **{"outcome": "verified", "link": "stdout", "official": right, "strict": right, "verified": True},
        **{"grounded": True, "exec_ok": True, "steps": 1, "hallucinated_results": 0, "seconds": 1.0},
        **{"prompt_tokens": 900, "output_tokens": 30},
    )


@pytest.fixture
def folder(tmp_path):
    """An adapter of coder-0.5b as assets/adapters holds it."""
    place = tmp_path / "coder-0.5b"
    place.mkdir()
    (place / "lora.gguf").write_bytes(b"adapter")
    write_json(place / "card.json", {"measured_better": True})
    (place / "notes.txt").write_text("not for others")
    return place


@pytest.fixture
def published(tmp_path, folder):
    """Results of the model with this adapter, and without."""
    place = tmp_path / "results"
    figures = summary.summarize([prediction(number, number < 3) for number in range(4)])
    about = {"benchmark": "databench validation_lite", "mode": "loop"}
    adapted = f"base+{weights.sha256(folder / 'lora.gguf')}"
    write_json(place / "adapted.json", {**about, "model_digest": adapted, **figures})
    untrained = figures | {"official": {"rate": 0.25, "low": 0, "high": 1, "hits": 1}}
    write_json(place / "base.json", {**about, "model_digest": "base", **untrained})
    return place


def test_the_adapter_and_what_it_rests_on_would_be_uploaded_and_nothing_else(folder, published, tmp_path):
    ready = push.prepare(folder, REPO, published, tmp_path / "build")
    assert {file.name for file in ready.iterdir()} == {"lora.gguf", "card.json", "README.md"}
    assert (ready / "lora.gguf").read_bytes() == b"adapter"


def test_the_card_carries_the_results_of_this_very_adapter(folder, published, tmp_path):
    card = ModelCard.load(push.prepare(folder, REPO, published, tmp_path / "build") / "README.md")
    assert card.data.base_model == "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF"
    measured = {entry.metric_name: entry.metric_value for entry in card.data.eval_results}
    assert measured == {"accuracy, official rule": 75.0, "a step ran without error": 100.0, "verified": 100.0}
    assert "| accuracy, official | 75.0 % (30 to 95) |" in card.text and "25.0 %" not in card.text
    assert weights.sha256(folder / "lora.gguf") in card.text


def test_without_results_the_card_says_so(folder, tmp_path):
    card = ModelCard.load(push.prepare(folder, REPO, tmp_path, tmp_path / "build") / "README.md")
    assert card.data.eval_results is None and "No result of this adapter is published yet." in card.text


def test_a_training_runs_folder_gives_its_peft_adapter_and_its_run_card(tmp_path):
    adapter = tmp_path / "run" / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "adapter_model.safetensors").write_bytes(b"adapter")
    (adapter / "adapter_config.json").write_text("{}")
    write_json(tmp_path / "run" / "run.json", {"model": "gemma-4-e2b"})
    ready = push.prepare(tmp_path / "run", REPO, tmp_path, tmp_path / "build")
    assert {file.name for file in ready.iterdir()} == {
        *("adapter_model.safetensors", "adapter_config.json", "run.json", "README.md")
    }
    assert ModelCard.load(ready / "README.md").data.base_model == "unsloth/gemma-4-E2B-it"


def parsed(*words):
    parser = ArgumentParser()
    push.add_command(parser.add_subparsers())
    return parser.parse_args(["push", *map(str, words)])


def test_a_dry_run_shows_files_and_card_and_asks_no_network(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "HfApi", None)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    options = parsed(folder, "--repo", REPO, "--dry-run")
    options.function(options)
    told = capsys.readouterr().out
    assert f"would be uploaded to {REPO}:" in told and "7  lora.gguf" in told
    assert "base_model: Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF" in told


def test_without_a_token_it_says_how_to_get_one(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    options = parsed(folder, "--repo", REPO)
    with pytest.raises(
        ValueError, match="no token of the Hugging Face Hub: set HF_TOKEN, or run hf auth login"
    ):
        options.function(options)


def test_the_prepared_folder_is_what_is_uploaded(folder, tmp_path, monkeypatch, capsys):
    calls = []

    class Hub:
        def create_repo(self, repo, *, exist_ok):
            return f"https://huggingface.co/{repo}"

        def upload_folder(self, *, repo_id, folder_path):
            calls.append((repo_id, sorted(file.name for file in folder_path.iterdir())))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "secret")
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    options = parsed(folder, "--repo", REPO)
    options.function(options)
    assert calls == [(REPO, ["README.md", "card.json", "lora.gguf"])]
    assert f"3 files are at https://huggingface.co/{REPO}" in capsys.readouterr().out


def test_what_cannot_be_pushed_is_said(folder, tmp_path):
    with pytest.raises(ValueError, match="'lora' is no name of a repository: give OWNER/NAME"):
        push.prepare(folder, "lora", tmp_path, tmp_path / "build")
    with pytest.raises(ValueError, match="holds no adapter .*: export or train one first"):
        push.prepare(tmp_path, REPO, tmp_path, tmp_path / "build")
    other = folder.rename(tmp_path / "mine")
    with pytest.raises(ValueError, match="does not say which model its adapter is for"):
        push.prepare(other, REPO, results.PUBLISHED, tmp_path / "build")


@pytest.mark.parametrize("folder", sorted(ADAPTERS.iterdir()), ids=lambda folder: folder.name)
def test_a_shipped_adapter_is_the_file_that_its_card_is_about_and_below_ten_megabytes(folder):
    card = json.loads((folder / "card.json").read_text())
    (file,) = folder.glob("*.gguf")
    assert (card["file"], card["sha256"]) == (file.name, weights.sha256(file))
    assert file.stat().st_size < 10_000_000
