"""A sample as token ids and labels, exactly as the model sees its conversation when it runs.

    row = encode(sample, tokenizer, max_tokens=2048)     # None: nothing to learn, or too long
    row.input_ids, row.labels                            # of equal length; -100 where nothing is learned

Prompts are rendered as `agent.models.transformers` renders them for generation, so a model learns to go on
from the very ids that it is given later. Learned are the text of the marked replies and the token that ends
each; whatever stands between them is context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.models import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from training.samples import Sample

IGNORED = -100  # the label that PyTorch's cross-entropy leaves out


@dataclass(frozen=True)
class Row:
    """One sequence: ids, and for each id itself or IGNORED."""

    input_ids: list[int]
    labels: list[int]


def encode(sample: Sample, tokenizer: PreTrainedTokenizerBase, max_tokens: int) -> Row | None:
    """The sample as one row, or None where no label is left or it has more than `max_tokens` ids.

    A marked reply is only context where the ids that lead to it are not those of its prompt, as with a
    template that shows a reply otherwise once it is the past; the last one is always learned as it is asked.
    """
    if not sample.trained:
        return None
    prompts = {place: prompt_ids(tokenizer, sample.messages[:place]) for place in sample.trained}
    replies = {place: _reply_ids(tokenizer, sample.messages[place]["content"]) for place in sample.trained}
    last = max(sample.trained)
    ids = prompts[last] + replies[last]
    labels = [IGNORED] * len(ids)
    for place, reply in replies.items():
        start, end = len(prompts[place]), len(prompts[place]) + len(reply)
        if ids[:end] == prompts[place] + reply:
            labels[start:end] = reply
    return Row(ids, labels) if len(ids) <= max_tokens else None


def prompt_ids(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    """What a model is given when its reply to `messages` is wanted."""
    rendered = tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, return_dict=True)
    return rendered["input_ids"]


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id of the token with which a reply ends."""
    return tokenizer.encode(_around_reply(tokenizer)[1].lstrip(), add_special_tokens=False)[0]


def _reply_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """The ids of a reply, trimmed where the template trims it, and of the token that ends it."""
    before, _ = _around_reply(tokenizer)
    shown = text if before.endswith(" ") else text.strip()
    return [*tokenizer.encode(shown, add_special_tokens=False), end_of_turn(tokenizer)]


def _around_reply(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """What the template puts before and behind the reply "probe" when it is given as " probe "."""
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": " probe "}]
    before, _, after = tokenizer.apply_chat_template(messages, tokenize=False).rpartition("probe")
    return before, after
