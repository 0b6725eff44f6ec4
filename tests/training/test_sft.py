"""Fine-tuning from the SFT set to the adapter, on tiny random models of both architectures."""

import json
import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="trl is not installed: training is not tested")
pytest.importorskip("gguf", reason="gguf is not installed: training is not tested")

import peft  # noqa: E402
import torch  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from agent.models import Usage, transformers  # noqa: E402
from training import curves, records, samples, settings, sft, student  # noqa: E402
from training.encode import IGNORED, encode, end_of_turn  # noqa: E402
from training.problems import Problem, save  # noqa: E402
from training.sft import Run  # noqa: E402
from training.trainer import TokenBatches, collate  # noqa: E402

from . import tiny  # noqa: E402

ROOT = Path(__file__).parents[2]
QWEN, GEMMA = tiny.NAMES["qwen2"], tiny.NAMES["gemma4"]
# The command line in a process of its own, which saves after each step.
COMMAND = """
import argparse, sys
from pathlib import Path
from tests.training import tiny
from training import sft, trainer
trainer.SAVE_SECONDS = 0
with tiny.installed(Path(sys.argv[1])):
    parser = argparse.ArgumentParser()
    sft.add_command(parser.add_subparsers())
    options = parser.parse_args(sys.argv[2:])
    options.function(options)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", autouse=True)
def installed(cache):
    with tiny.installed(cache):
        yield


@pytest.fixture(scope="module")
def sft_set(tmp_path_factory, play):
    made = []
    for place in range(6):
        question, answer = f"What is the greatest weight plus {place}?", f"Answer: {31.5 + place}"
        trajectory = play(question, f"print(df['Weight (kg)'].max() + {place})", answer)
        about = {"source": "own", "family": "maximum", "answer_type": "number", "model": "test"}
        made.append(samples.from_dialog([trajectory], tables_sha256=[], **about))
    folder = tmp_path_factory.mktemp("set")
    samples.write(folder, "train", made[:4])
    samples.write(folder, "validation", made[4:])
    return folder


@pytest.fixture(scope="module")
def asked(pets_csv):
    return [Problem(f"p{i}", f"print({i} * len(df))", (pets_csv,), str(4 * i), "number") for i in (1, 2)]


@pytest.fixture(scope="module", params=[QWEN, GEMMA])
def trained(request, sft_set, asked, tmp_path_factory):
    """A finished run with its card and the folder."""
    out = tmp_path_factory.mktemp("run")
    run = Run(sft_set, out, settings.of(request.param), asked)
    return run, sft.train(student.load(request.param), run)


def rows(name, sft_set, split="validation"):
    return [encode(sample, student.load(name).tokenizer, 4096) for sample in samples.read(sft_set, split)]


def plain_loss(model, encoded):
    """The mean over all labels, sequence by sequence, from the whole logits."""
    lost = count = 0
    for row in encoded:
        ids, labels = torch.tensor([row.input_ids]), torch.tensor(row.labels[1:])
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, :-1].float()
        lost += torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
        count += int((labels != IGNORED).sum())
    return lost / count


def set_up(name, sft_set, out, **changes):
    """The trainer as a run would make it, before its first step."""
    run = Run(sft_set, out, replace(settings.of(name), **changes))
    base = student.load(name)
    split = {part: rows(name, sft_set, part) for part in samples.SPLITS}
    return sft._trainer(base, run, split, None)


def scripted(monkeypatch, accuracies):
    """Has the evaluations give these accuracies, one after the other."""
    given = iter(accuracies)
    monkeypatch.setattr(sft, "_ask", lambda *_: {"accuracy": next(given), "exec_ok": 1.0})


# A whole run


def test_a_run_lowers_the_loss_and_is_evaluated_by_loss_and_by_episodes(trained):
    run, card = trained
    assert [entry["step"] for entry in card["loss"]] == [1, 2, 3, 4] and card["steps"] == 4
    assert card["loss"][-1]["loss"] < card["loss"][0]["loss"] - 0.3
    first, *_, last = card["validation"]
    assert (first["step"], last["step"]) == (0, 4) and last["eval_loss"] < first["eval_loss"] - 0.3
    assert all({"eval_accuracy", "eval_exec_ok"} <= entry.keys() for entry in card["validation"])
    predictions, trajectories = records.read_run(run.out / "evaluations" / "step-4")
    assert {prediction.id for prediction in predictions} == {"p1", "p2"} == trajectories.keys()
    assert all(trajectory.turns for trajectory in trajectories.values())


def test_a_run_card_names_all_that_the_adapter_rests_on(trained):
    run, card = trained
    assert card == json.loads((run.out / "run.json").read_text())
    assert card["settings"]["rank"] == 4 and card["seed"] == 0 and card["model"] in (QWEN, GEMMA)
    assert len(card["data_sha256"]) == 64 and len(card["model_digest"]) == 64
    assert card["samples"] == {"train": 4, "validation": 2}
    assert card["tokens"] > 5000 and card["tokens_per_second"] > 0
    assert card["hardware"] and card["date"] and card["versions"]["torch"]
    told = (run.out / "README.md").read_text()
    assert card["data_sha256"] in told and "| step | loss | accuracy | exec_ok |" in told


def test_the_curves_are_drawn_beside_the_card(trained):
    run, card = trained
    picture = (run.out / "curves.svg").read_text()
    assert "<svg" in picture and "![" in (run.out / "README.md").read_text()
    curves.draw(card, run.out / "again.svg")
    assert (run.out / "again.svg").read_text() == picture
    curves.draw(card | {"loss": []}, run.out / "again.svg")
    assert (run.out / "again.svg").read_text() != picture


def test_the_kept_adapter_reloads_as_it_was_measured(trained, sft_set):
    run, card = trained
    base = student.load(card["model"])
    loaded = peft.PeftModel.from_pretrained(base.model, run.out / "adapter")
    measured = {entry["step"]: entry["eval_loss"] for entry in card["validation"]}
    with torch.no_grad():
        loss = float(plain_loss(loaded, rows(card["model"], sft_set)))
    assert loss == pytest.approx(measured[card["best_step"]], rel=1e-3)


def test_the_agent_loads_the_adapter(trained, cache):
    run, card = trained
    place = next(cache.glob("tiny-*-float32")) if card["model"] == QWEN else cache / "gemma4"
    with_adapter = transformers.load(str(place), name="tiny", adapter=str(run.out / "adapter"))
    assert with_adapter.generate([[{"role": "user", "content": "Hi"}]], max_new_tokens=4)


def test_no_path_of_this_machine_is_in_an_embedded_models_adapter(trained):
    run, card = trained
    config = json.loads((run.out / "adapter" / "adapter_config.json").read_text())
    assert card["model"] != QWEN or config["base_model_name_or_path"] == "owner/tiny"


def test_a_finished_run_is_not_done_again(trained):
    run, card = trained
    before = (run.out / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns
    assert sft.train(student.load(card["model"]), run) == card
    assert (run.out / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns == before


def test_another_run_into_the_same_folder_is_refused_by_what_differs(trained):
    run, card = trained
    other = replace(run, seed=7, settings=replace(run.settings, rank=8))
    with pytest.raises(ValueError, match=r"holds a run with other settings, seed: give another folder"):
        sft.train(student.load(card["model"]), other)


# Loss and gradients


@pytest.mark.parametrize("name", [QWEN, GEMMA])
def test_the_loss_of_a_padded_batch_is_the_plain_one_of_its_sequences(name, sft_set, tmp_path):
    trainer = set_up(name, sft_set, tmp_path)
    encoded = rows(name, sft_set, "train")
    short = replace(encoded[0], input_ids=encoded[0].input_ids[:-3], labels=encoded[0].labels[:-3])
    batch = collate([vars(row) for row in (*encoded, short)], pad_token_id=0)
    assert batch["input_ids"].shape[1] > len(short.input_ids)
    with torch.no_grad():
        for parameter in (p for n, p in trainer.model.named_parameters() if "lora_B" in n):
            torch.nn.init.normal_(parameter, std=0.1)
        loss = trainer.compute_loss(trainer.model, dict(batch))
        assert float(loss) == pytest.approx(float(plain_loss(trainer.model, [*encoded, short])), rel=1e-5)


@pytest.mark.parametrize("name", [QWEN, GEMMA])
def test_gradients_are_the_same_whether_activations_are_kept_or_computed_twice(name, sft_set, tmp_path):
    gradients = []
    for checkpointing in (True, False):
        trainer = set_up(name, sft_set, tmp_path, checkpointing=checkpointing)
        if checkpointing:
            trainer.model.gradient_checkpointing_enable({"use_reentrant": False})
        trainer.model.train()
        batch = collate([vars(row) for row in rows(name, sft_set)], pad_token_id=0)
        trainer.compute_loss(trainer.model, batch).backward()
        gradients.append({n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None})
    kept, twice = gradients
    assert kept.keys() == twice.keys() and len(kept) >= 28
    assert any(gradient.abs().sum() > 0 for gradient in kept.values())
    for key, gradient in kept.items():
        torch.testing.assert_close(gradient, twice[key])


@pytest.mark.parametrize("name", [QWEN, GEMMA])
def test_merged_for_an_evaluation_the_adapter_counts_and_the_weights_come_back_exactly(
    name, sft_set, tmp_path
):
    model = set_up(name, sft_set, tmp_path).model.eval()
    encoded = rows(name, sft_set)
    with torch.no_grad():
        for parameter in (p for n, p in model.named_parameters() if "lora_B" in n):
            torch.nn.init.normal_(parameter, std=0.1)
        before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        adapted = float(plain_loss(model, encoded))
        with student.merged(model):
            changed = [key for key, tensor in model.state_dict().items() if not tensor.equal(before[key])]
            assert len(changed) == sum("lora_A" in key for key in before)
            assert float(plain_loss(model, encoded)) == pytest.approx(adapted, rel=1e-4)
    assert all(tensor.equal(before[key]) for key, tensor in model.state_dict().items())
    with torch.no_grad():
        assert float(plain_loss(model, encoded)) == adapted


@pytest.mark.parametrize("name", [QWEN, GEMMA])
def test_a_reply_stops_where_the_model_learned_to_end_its_turn(name, sft_set, tmp_path):
    trainer = set_up(name, sft_set, tmp_path)
    stops = trainer.model.generation_config.eos_token_id
    assert end_of_turn(student.load(name).tokenizer) in stops
    assert all(row.labels[-1] in stops for row in rows(name, sft_set))


# Batches


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(1, 600), st.integers(0, 3))
def test_batches_hold_each_sequence_once_within_their_tokens(lengths, tokens, seed):
    batches = list(TokenBatches(lengths, tokens, seed))
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= tokens


def test_each_epoch_has_an_order_of_its_own_that_is_always_the_same():
    batches = TokenBatches(range(1, 40), 60, seed=3)
    orders = []
    for epoch in (0, 1, 0):
        batches.set_epoch(epoch)
        orders.append(list(batches))
    assert orders[0] == orders[2] != orders[1] and sorted(orders[0]) == sorted(orders[1])


# Evaluation and stopping


class Coder:
    """Answers by running the question as code."""

    name, digest, context_tokens, usage = "coder", "", 8192, Usage()

    def count_tokens(self, text):
        return len(text) // 3

    def generate(self, conversations, **_):
        return [self.reply(conversation[-1]["content"]) for conversation in conversations]

    def close(self):
        pass

    def reply(self, last):
        question = last.rpartition("Question: ")[2]
        return f"```python\n{question}\n```" if "print(" in last else f"Answer: {last.splitlines()[-1]}"


def test_accuracy_is_that_of_real_episodes(monkeypatch, sft_set, asked, tmp_path):
    monkeypatch.setattr(student, "answering", lambda *_, **__: (Coder(), True))
    asked = [*asked, replace(asked[0], id="p3", answer="5")]
    run = Run(sft_set, tmp_path, replace(settings.of(QWEN), epochs=1), asked)
    card = sft.train(student.load(QWEN), run)
    assert {entry["eval_accuracy"] for entry in card["validation"]} == {2 / 3}
    assert {entry["eval_exec_ok"] for entry in card["validation"]} == {1.0}


def test_training_stops_early_and_keeps_the_best(monkeypatch, sft_set, asked, tmp_path):
    scripted(monkeypatch, [0.1, 0.2, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    changes = {"epochs": 4, "evaluations": 8, "patience": 2}
    run = Run(sft_set, tmp_path, replace(settings.of(QWEN), **changes), asked)
    card = sft.train(student.load(QWEN), run)
    assert (card["best_step"], card["steps"], card["planned_steps"]) == (2, 4, 8)
    assert card["best"] == {"accuracy": 0.6}


def test_what_is_evaluated_was_saved_a_step_before(monkeypatch, sft_set, asked, tmp_path):
    saved = {}

    def ask(student, run, trained, step):
        found = (tmp_path / "checkpoints").glob("*/adapter_model.safetensors")
        saved[step] = max(int(path.parent.name[11:]) for path in found)
        return {"accuracy": 0.0, "exec_ok": 1.0}

    monkeypatch.setattr(sft, "_ask", ask)
    changes = {"evaluations": 2, "baseline": False}
    sft.train(student.load(QWEN), Run(sft_set, tmp_path, replace(settings.of(QWEN), **changes), asked))
    assert saved == {2: 1, 4: 3}


def test_a_source_can_be_left_out_of_what_is_learned(sft_set, tmp_path):
    mixed = tmp_path / "mixed"
    train = samples.read(sft_set, "train")
    samples.write(mixed, "train", [*train[:3], replace(train[3], source="recovery")])
    samples.write(mixed, "validation", samples.read(sft_set, "validation"))
    changes = {"epochs": 1, "evaluations": 1, "baseline": False}
    run = Run(mixed, tmp_path / "run", replace(settings.of(QWEN), **changes), without=("recovery",))
    card = sft.train(student.load(QWEN), run)
    assert card["samples"] == {"train": 3, "validation": 2} and card["without"] == ["recovery"]
    assert "without recovery" in (run.out / "README.md").read_text()


def test_problems_are_taken_at_even_distances(asked):
    many = [replace(asked[0], id=str(number)) for number in range(10)]
    assert [problem.id for problem in sft.spread(many, 4)] == ["0", "2", "5", "7"]
    assert sft.spread(many, 99) == many


# Killed and resumed


def start(cache, sft_set, out, *more):
    command = [sys.executable, "-c", COMMAND, cache, "sft", "--model", QWEN, "--data", sft_set, "--out", out]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*command, "--set", "epochs=4", *more], env=environment, cwd=ROOT)


def test_a_killed_run_goes_on_to_the_same_adapter(cache, sft_set, tmp_path):
    out = tmp_path / "killed"
    process = start(cache, sft_set, out)
    deadline = time.monotonic() + 200
    while not (out / "checkpoints" / "checkpoint-3" / "trainer_state.json").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = max(int(path.parent.name[11:]) for path in out.rglob("trainer_state.json"))
    assert 3 <= done < 8 and not (out / "run.json").exists()
    for number, written in ((9, "{"), (10, None)):  # as those that were being written
        (out / "checkpoints" / f"checkpoint-{number}").mkdir()
        if written:
            (out / "checkpoints" / f"checkpoint-{number}" / "trainer_state.json").write_text(written)
    run = Run(sft_set, out, replace(settings.of(QWEN), epochs=4))
    card = sft.train(student.load(QWEN), run)
    whole = sft.train(student.load(QWEN), replace(run, out=tmp_path / "whole"))
    assert card["steps"] == whole["steps"] == 8 and card["best_step"] == whole["best_step"]
    assert [entry["step"] for entry in card["loss"]] == list(range(1, 9))
    resumed, straight = (
        load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (out, tmp_path / "whole")
    )
    for key, tensor in straight.items():
        torch.testing.assert_close(resumed[key], tensor)


def test_a_runs_folder_that_was_moved_still_has_its_best_adapter(tmp_path):
    state = tmp_path / "checkpoint-6" / "trainer_state.json"
    records.write_json(state, {"best_model_checkpoint": "elsewhere/checkpoint-4", "global_step": 6})
    assert sft._last_checkpoint(tmp_path) == state.parent
    held = json.loads(state.read_text())
    assert held == {"best_model_checkpoint": str(tmp_path / "checkpoint-4"), "global_step": 6}


# The command line


def parsed(*words):
    parser = ArgumentParser()
    sft.add_command(parser.add_subparsers())
    return parser.parse_args(["sft", *map(str, words)])


def test_the_command_trains_with_changed_settings_and_prints_the_card(sft_set, asked, tmp_path, capsys):
    save(asked, tmp_path / "problems.jsonl")
    options = parsed(
        *("--model", QWEN, "--data", sft_set, "--out", tmp_path / "out", "--ask", 1, "--seed", 3),
        *("--problems", tmp_path / "problems.jsonl", "--set", "rank=2", "--set", "targets=attention"),
        *("--set", "epochs=1", "--set", "evaluations=1"),
    )
    options.function(options)
    assert "# A LoRA adapter for tiny-qwen2" in capsys.readouterr().out
    tensors = load_file(tmp_path / "out" / "adapter" / "adapter_model.safetensors")
    assert len(tensors) == 2 * 4 * 2 and all(2 in tensor.shape for tensor in tensors.values())
    card = json.loads((tmp_path / "out" / "run.json").read_text())
    assert card["seed"] == 3 and card["problems"] == 1 and card["steps"] == 2
    assert [entry["step"] for entry in card["validation"]] == [0, 2]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--set", "ranks=2"], "no setting 'ranks': take one of layers, targets, rank"),
        (["--set", "rank=2.5"], "rank=2.5: the value must be a whole number"),
        (["--set", "targets=some"], "targets is 'some': it must be one of all, attention"),
        (["--set", "max_tokens=50"], "None of the 4 samples of .*train.jsonl can be learned from"),
        pytest.param(
            ["--four-bit"],
            "is small enough to be trained as it is",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here"),
        ),
    ],
)
def test_what_cannot_be_done_is_said(words, reason, sft_set, tmp_path):
    options = parsed("--model", QWEN, "--data", sft_set, "--out", tmp_path, *words)
    with pytest.raises(ValueError, match=reason):
        options.function(options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_four_bits_without_a_gpu_are_refused():
    with pytest.raises(ValueError, match="4-bit training needs a CUDA GPU"):
        student.load(GEMMA, four_bit=True)


def test_a_folder_without_a_set_is_named(tmp_path):
    options = parsed("--model", QWEN, "--data", tmp_path, "--out", tmp_path / "out")
    with pytest.raises(ValueError, match=r"holds no train.jsonl: build the set"):
        options.function(options)
