"""Names of models: what each becomes, and what is said where it becomes none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.models import ModelError, available, check_name, load, registry

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["coder-1.5b", "gemma-4-e2b", "endpoint:http://host/v1#a", "hf:some/model"])
def test_a_name_of_each_form_is_known(name):
    check_name(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("coder-1.5", "There is no model 'coder-1.5': take one of coder-1.5b, .* Did you mean coder-1.5b?"),
        ("nothing-like-it", "There is no model 'nothing-like-it'"),
        ("nowhere.gguf", "There is no file nowhere.gguf: give the path of a .gguf file."),
        ("endpoint:http://host/v1", "is not of the form endpoint:URL#NAME"),
        ("endpoint:host/v1#small", "is not of the form endpoint:URL#NAME"),
        ("hf:", "is not of the form endpoint:URL#NAME or hf:NAME"),
    ],
)
def test_a_name_that_is_none_is_told_in_one_line(name, said):
    for ask in (check_name, load):
        with pytest.raises(ModelError, match=said) as failure:
            ask(name)
        assert "\n" not in str(failure.value)


def test_the_help_text_has_a_line_for_each_model_and_form():
    text = available()
    for name in [*registry.MODELS, *registry.FORMS]:
        assert any(line.split()[:1] == [name] for line in text.splitlines())


def test_the_environment_chooses_where_nothing_else_does(monkeypatch):
    monkeypatch.setenv("DATASENSE_MODEL", "coder-7b")
    with pytest.raises(ModelError, match="no model 'coder-7b'"):
        load()
    with pytest.raises(ModelError, match="no model 'coder-7b'"):
        check_name(None)
    monkeypatch.delenv("DATASENSE_MODEL")
    monkeypatch.setattr(registry, "_has_gpu", lambda: False)
    assert registry.default_name() == "coder-1.5b"
    monkeypatch.setattr(registry, "_has_gpu", lambda: True)
    assert registry.default_name() == "gemma-4-e2b"


def test_an_adapter_cannot_be_loaded_into_a_server():
    with pytest.raises(ModelError, match="runs elsewhere, so no adapter can be loaded into it"):
        load("hf:some/model", adapter="lora.gguf")


def test_an_adapter_of_ours_is_taken_only_if_it_was_measured_better(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "ADAPTERS", tmp_path)
    folder = tmp_path / "coder-0.5b"
    folder.mkdir()
    (folder / "lora.gguf").touch()
    assert registry._adapter_file("coder-0.5b", None) is None
    (folder / "card.json").write_text(json.dumps({"measured_better": False}))
    assert registry._adapter_file("coder-0.5b", None) is None
    (folder / "card.json").write_text(json.dumps({"measured_better": True}))
    assert registry._adapter_file("coder-0.5b", None) == folder / "lora.gguf"
    assert registry._adapter_file("coder-0.5b", "none") is None


def test_the_environment_asks_for_four_bits(monkeypatch):
    from agent.models import transformers

    monkeypatch.setattr(transformers, "load", lambda repo, **options: options["four_bit"])
    assert load("gemma-4-e2b", progress=print) is False
    monkeypatch.setenv("DATASENSE_4BIT", "1")
    assert load("gemma-4-e2b", progress=print) is True


def test_importing_the_models_loads_no_library():
    code = "import sys, agent.models; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split()
    heavy = {"torch", "transformers", "xllamacpp", "huggingface_hub", "httpx", "numpy", "pandas", "tqdm"}
    assert not heavy & set(loaded)


def test_a_file_that_is_no_model_is_named(tmp_path):
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"no model")
    reports = []
    with pytest.raises(ModelError, match=f"llama.cpp cannot load {file}: it is damaged"):
        load(str(file), progress=reports.append)
    assert [report.phase for report in reports] == ["verify", "load"]
