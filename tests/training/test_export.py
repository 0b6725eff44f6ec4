"""Adapters as GGUF files: their numbers, and the same replies from PyTorch and llama.cpp."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("trl", reason="trl is not installed: training is not tested")
gguf = pytest.importorskip("gguf", reason="gguf is not installed: training is not tested")

import peft  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from agent import models  # noqa: E402
from agent.models import registry, weights  # noqa: E402
from training import export, samples, settings, student  # noqa: E402
from training.__main__ import main  # noqa: E402

from . import tiny  # noqa: E402

NAME = tiny.NAMES["qwen2"]
PROMPTS = [[{"role": "user", "content": word}] for word in ("How many dogs?", "Name all.", "x = 1", "a b c")]


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory):
    with tiny.installed(tmp_path_factory.mktemp("cache")):
        yield


@pytest.fixture(scope="module")
def base():
    return weights.fetch(registry.MODELS[NAME].weights, lambda progress: None)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    """A random adapter of rank 32 at scale 2, for all matrices."""
    return made(tmp_path_factory.mktemp("adapter"))


def made(folder, **changes):
    torch.manual_seed(1)
    targets = settings.of(NAME).lora_target_modules
    options = {"r": 32, "lora_alpha": 64, "target_modules": targets, "init_lora_weights": False} | changes
    adapted = peft.get_peft_model(student.load(NAME).model, peft.LoraConfig(**options))
    adapted.save_pretrained(folder, save_embedding_layers=False)
    return folder


def tensors(path):
    read = gguf.GGUFReader(path).tensors
    return {tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in read}


def test_the_file_holds_the_adapters_changes_by_llama_cpps_names(adapter, base, tmp_path):
    done = export.export(adapter, base, tmp_path / "a.gguf", "f32")
    assert (done.ranks, done.error) == ((32,) * 14, 0.0)
    written, saved = tensors(done.path), load_file(adapter / "adapter_model.safetensors")
    pairs = {"self_attn.q_proj": "attn_q", "self_attn.o_proj": "attn_output", "mlp.down_proj": "ffn_down"}
    for theirs, ours in pairs.items():
        a, b = (saved[f"base_model.model.model.layers.1.{theirs}.lora_{end}.weight"].numpy() for end in "AB")
        change = written[f"blk.1.{ours}.weight.lora_b"] @ written[f"blk.1.{ours}.weight.lora_a"] / 32
        np.testing.assert_allclose(change, 2 * b @ a, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("number_format", ["f32", "f16"])
def test_both_runtimes_agree_with_and_without_the_adapter(
    adapter, base, tmp_path, number_format, monkeypatch
):
    monkeypatch.setattr(export, "TOKENS", 24)  # random weights come to a near tie sooner than trained ones
    done = export.export(adapter, base, tmp_path / "a.gguf", number_format)
    shares = dict(export.check(NAME, adapter, done.path, PROMPTS))
    assert min(shares.values()) >= 0.95


def test_llama_cpp_may_compute_in_32_bits_as_well(adapter, base, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "TOKENS", 24)
    done = export.export(adapter, base, tmp_path / "a.gguf", "f32")
    loaded, real = [], models.load

    def load(source, *, adapter):
        kinds = {tensor.tensor_type.name for tensor in gguf.GGUFReader(source).tensors}
        loaded.append((source, adapter, kinds))
        return real(source, adapter=adapter)

    monkeypatch.setattr(models, "load", load)
    shares = dict(export.check(NAME, adapter, done.path, PROMPTS, exact=True))
    assert min(shares.values()) >= 0.95
    (source, *with_file), (again, *plain) = loaded
    assert with_file == [str(done.path), {"F32"}] and plain == ["none", {"F32"}] and source == again
    assert not Path(source).exists()


def test_in_32_bits_the_numbers_and_what_is_said_of_them_stay(tmp_path, monkeypatch):
    numbers = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    packed = gguf.quantize(numbers, gguf.GGMLQuantizationType.Q4_0)
    writer = gguf.GGUFWriter(tmp_path / "packed.gguf", "qwen2")
    writer.add_uint32("qwen2.block_count", 2)
    writer.add_array("tokenizer.ggml.tokens", ["a", "é"])
    writer.add_tensor("w", packed, raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    writer.add_tensor("norm", numbers[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    monkeypatch.setattr(weights, "fetch", lambda *_: tmp_path / "packed.gguf")
    whole = gguf.GGUFReader(export.in_32_bits(NAME, tmp_path))
    assert {tensor.tensor_type.name for tensor in whole.tensors} == {"F32"}
    held = {tensor.name: tensor.data for tensor in whole.tensors}
    np.testing.assert_array_equal(held["w"], gguf.dequantize(packed, gguf.GGMLQuantizationType.Q4_0))
    np.testing.assert_array_equal(held["norm"], numbers[0])
    said = {key: field.contents() for key, field in whole.fields.items() if not key.startswith("GGUF.")}
    assert said == {
        "general.architecture": "qwen2",
        "qwen2.block_count": 2,
        "tokenizer.ggml.tokens": ["a", "é"],
    }


def test_a_file_that_is_not_the_adapters_is_found_out(adapter, base, tmp_path):
    other = made(tmp_path / "other", lora_alpha=32)
    done = export.export(other, base, tmp_path / "a.gguf", "f32")
    shares = dict(export.check(NAME, adapter, done.path, PROMPTS))
    assert shares["with the adapter"] < 0.9 and shares["with the file's numbers"] >= 0.95


def test_of_a_cut_and_quantised_file_both_runtimes_compute_the_same(adapter, base, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "TOKENS", 24)
    whole = export.export(adapter, base, tmp_path / "whole.gguf", "q4_0")
    cut = export.export(adapter, base, tmp_path / "a.gguf", "q4_0", whole.bytes // 2)
    shares = dict(export.check(NAME, adapter, cut.path, PROMPTS))
    assert shares["with the adapter"] < 0.9 and shares["with the file's numbers"] >= 0.95


def test_llama_cpp_answers_by_the_quantised_adapter(adapter, base, tmp_path):
    done = export.export(adapter, base, tmp_path / "a.gguf", "q8_0")
    plain, adapted = (models.load(NAME, adapter=lora) for lora in ("none", str(done.path)))
    replies = [model.generate(PROMPTS, max_new_tokens=8) for model in (plain, adapted)]
    assert replies[0] != replies[1]
    plain.close()
    adapted.close()


def test_smaller_formats_cost_bytes_or_exactness(adapter, base, tmp_path):
    done = [export.export(adapter, base, tmp_path / "a.gguf", name) for name in export.FORMATS]
    assert [one.bytes for one in done] == sorted((one.bytes for one in done), reverse=True)
    assert [one.error for one in done] == sorted(one.error for one in done)
    assert done[2].error < 0.01


def test_rows_that_do_not_fill_a_block_are_written_as_f16(base, tmp_path):
    done = export.export(made(tmp_path / "adapter", r=4), base, tmp_path / "a.gguf", "q8_0")
    kinds = {tensor.name[-6:]: tensor.tensor_type.name for tensor in gguf.GGUFReader(done.path).tensors}
    assert kinds == {"lora_a": "Q8_0", "lora_b": "F16"}


def change(read, name):
    """b · a as llama.cpp adds it, alpha / rank being 1 / rank."""
    a, b = read[f"{name}.lora_a"], read[f"{name}.lora_b"]
    return b @ a / len(a)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_cut_to_a_size_keeps_the_strongest_directions_for_their_bytes(adapter, base, tmp_path, share):
    whole = export.export(adapter, base, tmp_path / "whole.gguf", "f32")
    done = export.export(adapter, base, tmp_path / "cut.gguf", "f32", round(whole.bytes * share))
    assert 0.85 * share * whole.bytes < done.bytes <= share * whole.bytes
    before, after = tensors(whole.path), tensors(done.path)
    lost, kept_least, lost_most, total = 0.0, np.inf, 0.0, 0.0
    for place, name in enumerate(name[:-7] for name in before if name.endswith("lora_a")):
        values = np.linalg.svd(change(before, name), compute_uv=False)[:32]
        rank = done.ranks[place]
        if rank:
            assert np.linalg.matrix_rank(change(after, name), tol=1e-4) == rank
            left = np.linalg.norm(change(before, name) - change(after, name))
            assert left == pytest.approx(np.linalg.norm(values[rank:]), rel=1e-3, abs=1e-4)
        worth = values**2 / sum(change(before, name).shape)
        kept_least = min([kept_least, *worth[:rank]])
        lost_most = max([lost_most, *worth[rank : rank + 1]])
        lost, total = lost + np.sum(values[rank:] ** 2), total + np.sum(values**2)
    assert done.error == pytest.approx((lost / total) ** 0.5, rel=1e-3)
    assert lost_most < 1.1 * kept_least  # the last bytes may be too few for the next one of a large matrix


def test_llama_cpp_scales_each_matrix_by_its_own_rank(adapter, base, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "TOKENS", 24)
    shutil.copytree(adapter, tmp_path / "narrow")
    path = tmp_path / "narrow" / "adapter_model.safetensors"
    saved = load_file(path)
    for number, key in enumerate(sorted(key for key in saved if ".lora_B." in key)):
        saved[key][:, 2 + number :] = 0  # a rank of its own for each
    save_file(saved, path)
    done = export.export(tmp_path / "narrow", base, tmp_path / "a.gguf", "f32", 10**7)
    whole = export.export(adapter, base, tmp_path / "whole.gguf", "f32")
    cut = export.export(tmp_path / "narrow", base, tmp_path / "a.gguf", "f32", whole.bytes // 2)
    assert done.ranks == (32,) * 14 and sorted(cut.ranks) != [cut.ranks[0]] * 14 and cut.error < 1e-3
    assert dict(export.check(NAME, tmp_path / "narrow", cut.path, PROMPTS))["with the adapter"] >= 0.95


def test_an_adapter_that_fits_is_not_cut(adapter, base, tmp_path):
    whole = export.export(adapter, base, tmp_path / "whole.gguf", "q8_0")
    assert export.export(adapter, base, tmp_path / "same.gguf", "q8_0", 10**7).ranks == whole.ranks


def test_a_size_for_nothing_is_refused(adapter, base, tmp_path):
    with pytest.raises(
        ValueError, match="Nothing of the adapter fits into 5,000 bytes: give --bytes a higher"
    ):
        export.export(adapter, base, tmp_path / "a.gguf", most_bytes=5000)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"use_dora": True}, "uses use_dora, which llama.cpp does not know"),
        ({"modules_to_save": ["lm_head"]}, "uses modules_to_save"),
        ({"rank_pattern": {"q_proj": 8}}, "uses rank_pattern"),
    ],
)
def test_what_is_no_plain_lora_is_refused(changes, reason, adapter, base, tmp_path):
    shutil.copytree(adapter, tmp_path / "other")
    path = tmp_path / "other" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=reason):
        export.export(tmp_path / "other", base, tmp_path / "a.gguf")


def test_an_adapter_of_another_model_is_refused(adapter, base, tmp_path):
    shutil.copytree(adapter, tmp_path / "other")
    path = tmp_path / "other" / "adapter_model.safetensors"
    saved = load_file(path)
    save_file({key.replace("layers.1.", "layers.7."): tensor for key, tensor in saved.items()}, path)
    with pytest.raises(ValueError, match=r"changes .*layers\.7\..*, of which the model's file knows nothing"):
        export.export(tmp_path / "other", base, tmp_path / "a.gguf")
    save_file({key: tensor[:, :16].contiguous() for key, tensor in saved.items()}, path)
    with pytest.raises(ValueError, match=r"is for another model: blk\.0\..* has another shape"):
        export.export(tmp_path / "other", base, tmp_path / "a.gguf")


def test_another_architecture_is_refused(adapter, tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "llama.gguf", "llama")
    writer.add_tensor("output.weight", np.zeros((2, 2), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ValueError, match="Adapters for llama cannot be written: only for qwen2"):
        export.export(adapter, tmp_path / "llama.gguf", tmp_path / "a.gguf")


def test_agreement_is_the_share_of_tokens_before_the_first_difference():
    def agree(left, right):
        return export.agreement(left, right, str.split)

    assert agree(["a b c d"], ["a b c d"]) == 1.0
    assert agree(["a b c d"], ["a x c d"]) == 0.25
    assert agree(["a b c d", "a b"], ["a b c d", "a b c d"]) == 6 / 8
    assert agree(["a " * 64 + "b"], ["a " * 64 + "c"]) == 1.0


@pytest.fixture
def command(adapter, play, tmp_path):
    """Runs the command, with a check on one sample."""
    trajectory = play("What is the greatest weight?", "print(df['Weight (kg)'].max())", "Answer: 31.5")
    about = {"source": "own", "family": "maximum", "answer_type": "number", "model": "test"}
    samples.write(tmp_path, "validation", [samples.from_dialog([trajectory], tables_sha256=[], **about)])
    written = ["--out", tmp_path / "a.gguf", "--format", "f16"]

    def run(given=adapter, options=written, check=("--check", tmp_path)):
        return main([*map(str, ["export", given, "--model", NAME, *options, *check])])

    return run


def test_the_command_tells_size_error_and_agreement(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "LARGEST_BYTES", 100_000)
    assert command() == 0
    told = capsys.readouterr().out
    assert f"a.gguf: {(tmp_path / 'a.gguf').stat().st_size:,} bytes, 14 matrices, rank 32, " in told
    assert "This is more than 100,000 bytes: give --bytes 100000 or" in told
    assert "agree without the adapter on " in told and "of 1 replies' first 64 tokens" in told


def test_the_command_fails_where_llama_cpp_does_not_compute_by_the_files_numbers(
    command, base, tmp_path, monkeypatch, capsys
):
    other = export.export(made(tmp_path / "other", lora_alpha=8), base, tmp_path / "other.gguf", "f32")
    real = export.read
    monkeypatch.setattr(export, "read", lambda file: real(other.path))
    assert command() == 2
    told = capsys.readouterr()
    assert "PyTorch and llama.cpp agree with the file's numbers on " in told.out
    assert "a.gguf as PyTorch does: they agree on " in told.err and "less than 95%" in told.err


def test_an_exported_file_is_checked_alone(command, adapter, base, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "TOKENS", 24)
    done = export.export(adapter, base, tmp_path / "shipped.gguf", "q4_0")
    before = done.path.read_bytes()
    assert command(done.path, ()) == 0
    told = capsys.readouterr().out
    assert "agree without the adapter on " in told and "agree with the file's numbers on " in told
    assert "agree with the adapter" not in told and done.path.read_bytes() == before
    other = export.export(made(tmp_path / "other", lora_alpha=8), base, tmp_path / "other.gguf", "f32")
    real = export.read
    monkeypatch.setattr(export, "read", lambda file: real(other.path))
    assert command(done.path, ()) == 2
    assert "shipped.gguf as PyTorch does: they agree on " in capsys.readouterr().err


def test_a_set_without_validation_samples_shows_nothing(command, tmp_path, capsys):
    samples.write(tmp_path / "empty", "validation", [])
    assert command(check=("--check", tmp_path / "empty")) == 2
    assert "has no validation samples to compare on" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--out", "b.gguf"], ["--format", "f16"], ["--bytes", "9"]])
def test_of_an_exported_file_nothing_else_is_asked(command, adapter, base, tmp_path, capsys, options):
    done = export.export(adapter, base, tmp_path / "shipped.gguf", "f32")
    assert command(done.path, options) == 2
    assert "shipped.gguf is a file. To write one, give a folder in PEFT's form" in capsys.readouterr().err
    assert command(done.path, (), ()) == 2


def test_exactness_is_of_a_comparison(command, capsys):
    assert command(check=("--exact",)) == 2
    assert "--exact says how to compare: give --check DIR too." in capsys.readouterr().err


def test_where_to_write_must_be_said(command, capsys):
    assert command(options=()) == 2
    assert "Give --out FILE" in capsys.readouterr().err
