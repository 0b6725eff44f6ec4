"""TRL's SFTTrainer with three things of ours: batches by tokens, evaluation by episodes, and progress.

    trainer = EpisodeTrainer(model=…, args=…, train_dataset=…, validate=…, micro_tokens=16_384, …)
    trainer.train()

Its loss is TRL's "chunked_nll": logits are computed only where there is a label, which is for a tenth of the
tokens, so that a vocabulary of 152,000 words does not fill the memory. For one GPU, or none.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback
from trl import SFTTrainer

from training.encode import IGNORED

Validate = Callable[[PreTrainedModel, int], dict[str, float]]
# A kill costs at most what was computed since the last checkpoint.
SAVE_SECONDS = 120


class TokenBatches:
    """A batch sampler: sequences of like length together, about `tokens` at a time with their padding.

    The batches stay the same; where there is a seed, their order is a new one in each epoch.
    """

    def __init__(self, lengths: Sequence[int], tokens: int, seed: int | None = None):
        self.seed, self.epoch, self.batches = seed, 0, []
        batch: list[int] = []
        for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
            if batch and lengths[place] * (len(batch) + 1) > tokens:
                self.batches.append(batch)
                batch = []
            batch.append(place)
        self.batches.append(batch)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        batches = list(self.batches)
        if self.seed is not None:
            random.Random(f"{self.seed} {self.epoch}").shuffle(batches)
        return iter(batches)

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer, so that a resumed epoch has the order of the one that was killed."""
        self.epoch = epoch


def collate(rows: Sequence[dict[str, list[int]]], pad_token_id: int) -> dict[str, torch.Tensor]:
    """`input_ids`, `labels` and `position_ids`, each rows × longest, padded on the right.

    There is no attention mask: padding stands behind all that looks back, and without a mask the fast
    kernels of attention are chosen.
    """
    longest = max(len(row["input_ids"]) for row in rows)

    def padded(name: str, filler: int) -> torch.Tensor:
        return torch.tensor([row[name] + [filler] * (longest - len(row[name])) for row in rows])

    return {
        "input_ids": padded("input_ids", pad_token_id),
        "labels": padded("labels", IGNORED),
        "position_ids": torch.arange(longest).repeat(len(rows), 1),
    }


class EpisodeTrainer(SFTTrainer):
    """See the module's text; for what else it takes, see SFTTrainer.

    Args:
        micro_tokens: Tokens computed at once, padding included.
        validate: Called with the model and the steps done; what it returns joins the evaluation's metrics.
    """

    def __init__(self, *, micro_tokens: int, validate: Validate, **options):
        self._micro_tokens = micro_tokens
        self._validate = validate
        super().__init__(**options)
        self.remove_callback(PrinterCallback)
        self.watch = Watch()
        self.add_callback(self.watch)

    def get_train_dataloader(self) -> DataLoader:
        return self._by_tokens(self.train_dataset, self.args.seed)

    def get_eval_dataloader(self, eval_dataset=None) -> DataLoader:
        return self._by_tokens(eval_dataset or self.eval_dataset, None)

    def evaluation_loop(self, *args, **options):
        output = super().evaluation_loop(*args, **options)
        with self.accelerator.autocast():
            measured = self._validate(self.model, self.state.global_step)
        output.metrics.update({f"eval_{name}": value for name, value in measured.items()})
        return output

    def _by_tokens(self, dataset, seed: int | None) -> DataLoader:
        lengths = [len(ids) for ids in dataset["input_ids"]]
        batches = TokenBatches(lengths, self._micro_tokens, seed)
        loader = DataLoader(dataset, batch_sampler=batches, collate_fn=self.data_collator)
        return self.accelerator.prepare(loader)


class Watch(TrainerCallback):
    """Shows progress with the time left, has the last step evaluated, and saves more often than evaluating.

    It saves every SAVE_SECONDS, and one step before an evaluation, whose episodes may take minutes.

    Attributes:
        tokens: Of this process's steps, padding not counted.
        seconds: That they took, the loading of their batches included; evaluations and saving are not.
    """

    def __init__(self):
        self.tokens, self.seconds = 0, 0.0
        self._since = self._saved = 0.0  # what is being measured, and the last checkpoint
        self._before = 0
        self._bar: tqdm | None = None

    def on_train_begin(self, args, state, control, **_):
        self._since = self._saved = time.perf_counter()
        self._before = state.num_input_tokens_seen
        done = {"total": state.max_steps, "initial": state.global_step}
        self._bar = tqdm(desc="sft", unit="step", file=sys.stderr, **done)

    def on_step_end(self, args, state, control, **_):
        now = time.perf_counter()
        self.seconds, self._since = self.seconds + now - self._since, now
        self.tokens = int(state.num_input_tokens_seen) - self._before
        self._bar.update()
        self._bar.set_postfix_str(f"{self.tokens / self.seconds:,.0f} tokens/s")
        if state.global_step >= state.max_steps:
            control.should_evaluate = True
        before_evaluation = (state.global_step + 1) % state.eval_steps == 0
        if before_evaluation or now - self._saved > SAVE_SECONDS:
            control.should_save = True

    def on_save(self, args, state, control, **_):
        self._since = self._saved = time.perf_counter()

    def on_log(self, args, state, control, logs, **_):
        if "loss" in logs:
            self._bar.set_description_str(f"sft, loss {logs['loss']:.3f}")

    def on_evaluate(self, args, state, control, metrics, **_):
        self._since = time.perf_counter()
        shown = {name: value for name, value in metrics.items() if name in SHOWN}
        text = ", ".join(f"{SHOWN[name]} {value:.3f}" for name, value in shown.items())
        tqdm.write(f"step {state.global_step}: {text}", file=sys.stderr)

    def on_train_end(self, args, state, control, **_):
        self._bar.close()


SHOWN = {
    "eval_loss": "validation loss",
    "eval_accuracy": "accuracy",
    "eval_exec_ok": "a step ran without error",
}
