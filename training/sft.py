"""Supervised fine-tuning of a LoRA adapter on the verified conversations of an SFT set:

    python -m training sft --model coder-0.5b --data build/sft --out build/sft-coder-0.5b \\
        --problems data/databench/validation_lite.jsonl

Only the marked replies are learned. During training the model answers some problems for real, and the
adapter that answered best is kept; without --problems it is the one of the lowest validation loss. What is
left in the folder: `adapter` in PEFT's form, `run.json` and `README.md` with all that it rests on, the curves
in `curves.svg`, `evaluations` with every trajectory. A run that was killed goes on by the same command;
until its end, the newest and the best adapter lie in `checkpoints`, in the same form.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training import bench, curves, problems, records, samples, settings, summary
from training.bench import Settings
from training.encode import Row, encode
from training.problems import Problem
from training.settings import SftSettings

if TYPE_CHECKING:
    from trl import SFTConfig

    from training.student import Student
    from training.trainer import EpisodeTrainer

CARD, PLAN, PICTURE = "run.json", "plan.json", "curves.svg"
CURVES = ("step", "loss", "eval_loss", "eval_accuracy", "eval_exec_ok")
# Problems that are answered at each evaluation, all in one batch.
ASKED = 64


@dataclass(frozen=True)
class Run:
    """What a training run depends on, besides its student.

    Attributes:
        data: Folder of the SFT set.
        out: Folder for what comes of it; one run each.
        settings: The model's.
        asked: Problems that the model answers at each evaluation; none leaves it to the validation loss.
        seed: Of the adapter's first values and of the order of the samples.
        four_bit: Whether the student's weights are quantised to 4 bits.
        without: Sources of samples that are not learned from; validation stays the same.
    """

    data: Path
    out: Path
    settings: SftSettings
    asked: Sequence[Problem] = ()
    seed: int = 0
    four_bit: bool = False
    without: tuple[str, ...] = ()


def add_command(commands: argparse._SubParsersAction) -> None:
    """Adds `sft` to the command line of `python -m training`."""
    command = commands.add_parser(
        "sft",
        help="fine-tune a LoRA adapter on an SFT set",
        description="Fine-tunes a LoRA adapter; a run that was killed goes on by the same command.",
    )
    command.set_defaults(function=run_sft)
    command.add_argument("--model", required=True, choices=list(settings.SFT), metavar="NAME")
    command.add_argument("--data", type=Path, required=True, metavar="DIR", help="the SFT set")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="for adapter and run card")
    command.add_argument("--problems", metavar="FILE|NAME", help="to be answered at each evaluation")
    command.add_argument("--tables", type=Path, metavar="DIR", help="a benchmark's copy, a file's tables")
    command.add_argument("--ask", type=int, default=ASKED, metavar="N", help=f"of them; default {ASKED}")
    command.add_argument("--seed", type=int, default=0, metavar="S")
    command.add_argument(
        "--without", action="append", default=[], metavar="SOURCE", help="samples to leave out; see the card"
    )
    command.add_argument("--four-bit", action="store_true", help="QLoRA, on a CUDA GPU")
    command.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of training/settings.py"
    )


def run_sft(options: argparse.Namespace) -> None:
    """Trains, and prints where the adapter is and how good."""
    from training import student

    loaded = problems.load(options.problems, options.tables) if options.problems else []
    run = Run(
        data=options.data,
        out=options.out,
        settings=settings.changed(settings.of(options.model), options.set),
        asked=spread(loaded, options.ask),
        seed=options.seed,
        four_bit=options.four_bit,
        without=tuple(options.without),
    )
    # Before the minute that loading the model may take.
    samples.without(samples.read(run.data, "train"), run.without)
    train(student.load(options.model, four_bit=options.four_bit), run)
    print((run.out / "README.md").read_text(encoding="utf-8"))


def spread(asked: Sequence[Problem], number: int) -> list[Problem]:
    """So many problems, at even distances, so that they are about many tables."""
    number = min(number, len(asked))
    return [asked[place * len(asked) // number] for place in range(number)]


def train(student: Student, run: Run) -> dict:
    """Trains the adapter, or goes on where a run into the same folder was killed; returns the run card.

    Raises:
        ValueError: no sample can be learned from, or the folder holds another run.
    """
    plan = _plan(student, run)
    _claim(run.out, plan)
    if (run.out / CARD).exists():
        return json.loads((run.out / CARD).read_text(encoding="utf-8"))
    rows = {split: _rows(run, split, student) for split in samples.SPLITS}
    checkpoint = _last_checkpoint(run.out / "checkpoints")
    trainer = _trainer(student, run, rows, checkpoint)
    _fit(trainer, checkpoint)
    adapter = trainer.accelerator.unwrap_model(trainer.model)
    for config in adapter.peft_config.values():
        config.base_model_name_or_path = student.source  # not this machine's folder
    adapter.save_pretrained(run.out / "adapter", save_embedding_layers=False)
    (run.out / "adapter" / "README.md").unlink()  # an empty form of PEFT's
    card = plan | _results(trainer, rows) | records.environment()
    curves.draw(card, run.out / PICTURE)
    (run.out / "README.md").write_text(_told(card), encoding="utf-8")
    records.write_json(run.out / CARD, card)
    shutil.rmtree(run.out / "checkpoints")
    return card


def _plan(student: Student, run: Run) -> dict:
    """All that the adapter depends on, as JSON values."""
    files = [run.data / f"{split}.jsonl" for split in samples.SPLITS]
    return {
        "model": student.name,
        "model_digest": student.digest,
        "data_sha256": hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest(),
        "problems_sha256": records.data_digest(run.asked) if run.asked else "",
        "problems": len(run.asked),
        "settings": asdict(run.settings),
        "seed": run.seed,
        "four_bit": run.four_bit,
        "without": list(run.without),
    }


def _claim(folder: Path, plan: dict) -> None:
    """Notes in the folder what run is in it; raises ValueError where it is another one."""
    path = folder / PLAN
    if not path.exists():
        return records.write_json(path, plan)
    held = json.loads(path.read_text(encoding="utf-8"))
    if other := [name for name in plan if held.get(name) != plan[name]]:
        raise ValueError(
            f"{folder} holds a run with other {', '.join(other)}: give another folder, or delete this one."
        )


def _rows(run: Run, split: str, student: Student) -> list[Row]:
    every = samples.read(run.data, split)
    if split == "train":
        every = samples.without(every, run.without)
    encoded = (encode(sample, student.tokenizer, run.settings.max_tokens) for sample in every)
    rows = [row for row in encoded if row]
    if not rows:
        raise ValueError(
            f"None of the {len(every)} samples of {run.data}/{split}.jsonl can be learned from: each has "
            f"more than {run.settings.max_tokens} tokens or no reply to learn."
        )
    return rows


def _trainer(
    student: Student, run: Run, rows: dict[str, list[Row]], checkpoint: Path | None
) -> EpisodeTrainer:
    import datasets
    import peft
    import transformers

    from training import trainer

    transformers.set_seed(run.seed)  # the adapter's first values are drawn before the trainer does so
    tables = {split: datasets.Dataset.from_list([asdict(row) for row in rows[split]]) for split in rows}
    return trainer.EpisodeTrainer(
        model=student.model,
        processing_class=student.tokenizer,
        args=_arguments(run, first_time=checkpoint is None),
        train_dataset=tables["train"],
        eval_dataset=tables["validation"],
        data_collator=functools.partial(trainer.collate, pad_token_id=student.tokenizer.pad_token_id),
        peft_config=peft.LoraConfig(
            r=run.settings.rank,
            lora_alpha=run.settings.alpha,
            target_modules=run.settings.lora_target_modules,
            task_type="CAUSAL_LM",
        ),
        callbacks=[transformers.EarlyStoppingCallback(run.settings.patience)],
        micro_tokens=run.settings.micro_tokens,
        validate=functools.partial(_ask, student, run),
    )


def _arguments(run: Run, first_time: bool) -> SFTConfig:
    import torch
    from trl import SFTConfig

    from training.student import device, native_dtype

    settings = run.settings
    share = min(1 / settings.evaluations, 1 - 1e-9)  # of the steps; 1 would mean a single step
    return SFTConfig(
        output_dir=str(run.out / "checkpoints"),
        seed=run.seed,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.sft_warmup,
        gradient_accumulation_steps=max(settings.batch_tokens // settings.micro_tokens, 1),
        gradient_checkpointing=settings.checkpointing,
        # Reentrant, layers that share keys and values get wrong gradients.
        gradient_checkpointing_kwargs={"use_reentrant": False} if settings.checkpointing else None,
        bf16=native_dtype() == torch.bfloat16,
        use_cpu=device() == "cpu",
        loss_type="chunked_nll",
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        eval_strategy="steps",
        eval_steps=share,
        save_strategy="steps",
        save_steps=share,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_accuracy" if run.asked else "eval_loss",
        greater_is_better=bool(run.asked),
        eval_on_start=first_time and settings.baseline,
        restore_callback_states_from_checkpoint=True,
        logging_steps=1,
        include_num_input_tokens_seen="non_padding",
        disable_tqdm=True,
        report_to=[],
    )


def _fit(trainer: EpisodeTrainer, checkpoint: Path | None) -> None:
    from peft.helpers import disable_input_dtype_casting

    # The adapter is kept in float32, but autocast computes with it in bfloat16: without this, each of its
    # inputs would be written out in float32 first.
    with disable_input_dtype_casting(trainer.model):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def _last_checkpoint(folder: Path) -> Path | None:
    """The newest one that is complete; one that a kill has left half written is removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    for path in reversed(found):
        state = path / "trainer_state.json"  # written last
        try:
            kept = json.loads(state.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(path)
            continue
        if best := kept["best_model_checkpoint"]:
            # The folder may have been moved; the trainer would give up the best adapter with no more than a
            # warning.
            records.write_json(state, kept | {"best_model_checkpoint": str(folder / Path(best).name)})
        return path
    return None


def _ask(student: Student, run: Run, trained: Any, step: int) -> dict[str, float]:
    """Has the model, as it is now, answer the problems by real episodes; shares from 0 to 1."""
    from training.student import answering, merged

    if not run.asked:
        return {}
    folder = run.out / "evaluations" / f"step-{step}"
    shutil.rmtree(folder, ignore_errors=True)  # a killed run's, whose weights may have been others
    slots = min(len(run.asked), ASKED)
    # Weights of 4 bits would be rounded by it.
    with contextlib.nullcontext() if run.four_bit else merged(trained):
        model, batched = answering(student, slots, trained, f"{student.name}+step-{step}")
        how = Settings(seed=run.seed, slots=slots, batched=batched)
        with contextlib.closing(model), bench.journal_of(folder, run.asked, model, how) as journal:
            figures = summary.summarize(bench.run(run.asked, model, journal, how))
    return {"accuracy": figures["official"]["rate"], "exec_ok": figures["exec_ok"]["rate"]}


# The run card


def _results(trainer: EpisodeTrainer, rows: dict[str, list[Row]]) -> dict:
    """What came of the training, as JSON values; the throughput is that of the process that ended it."""
    state, watch = trainer.state, trainer.watch
    logged = [{name: entry[name] for name in CURVES if name in entry} for entry in state.log_history]
    return {
        "samples": {split: len(of_split) for split, of_split in rows.items()},
        "steps": state.global_step,
        "planned_steps": state.max_steps,
        "best_step": state.best_global_step,
        "best": {trainer.args.metric_for_best_model.removeprefix("eval_"): state.best_metric},
        "tokens": int(state.num_input_tokens_seen),
        "seconds": round(watch.seconds, 1),
        "tokens_per_second": round(watch.tokens / watch.seconds) if watch.seconds else None,
        "loss": [entry for entry in logged if "loss" in entry],
        "validation": [entry for entry in logged if "eval_loss" in entry],
        "trl": version("trl"),
    }


def _told(card: dict) -> str:
    """The run card for a reader, in Markdown."""
    best = ", ".join(f"{name} {value:.3f}" for name, value in card["best"].items())
    rate = f" at {card['tokens_per_second']:,} tokens/s" if card["tokens_per_second"] else ""
    left_out = f", without {', '.join(card['without'])}" if card["without"] else ""
    columns = [name for name in CURVES if any(name in row for row in card["validation"])]
    lines = [
        f"# A LoRA adapter for {card['model']}",
        "",
        f"Step {card['best_step']} of {card['steps']} is kept ({best}).",
        "",
        f"- Samples: {card['samples']['train']:,} learned, {card['samples']['validation']:,} for validation; "
        f"SHA-256 of the set {card['data_sha256']}{left_out}",
        f"- Model: {card['model_digest']}",
        f"- Tokens: {card['tokens']:,} in {card['seconds']:,} s{rate}, evaluations not counted",
        f"- Hardware: {card['hardware']}; {card['date']}; seed {card['seed']}",
        f"- Settings: {', '.join(f'{name} {value}' for name, value in card['settings'].items())}",
        f"- Command: `{card['command']}`",
        "",
        f"![Loss, accuracy and the share of questions of which a step ran]({PICTURE})",
        "",
        f"| {' | '.join(column.removeprefix('eval_') for column in columns)} |",
        f"|{'---:|' * len(columns)}",
    ]
    for row in card["validation"]:
        lines.append(f"| {' | '.join(f'{row[name]:.4g}' for name in columns)} |")
    return "\n".join(lines) + "\n"
