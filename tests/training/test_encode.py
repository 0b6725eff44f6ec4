"""Samples as ids and labels, by the chat templates of Qwen2.5 and Gemma 4 as they are published."""

from dataclasses import replace

import pytest

pytest.importorskip("trl", reason="trl is not installed: training is not tested")
pytest.importorskip("gguf", reason="gguf is not installed: training is not tested")

from agent.models.transformers import Transformers  # noqa: E402
from training import samples  # noqa: E402
from training.encode import IGNORED, encode, end_of_turn, prompt_ids  # noqa: E402

from . import tiny  # noqa: E402

ENDS = {"qwen2": "<|im_end|>", "gemma4": "<turn|>"}
WRONG = "print(df['Weight'].max())"
RIGHT = "print(df['Weight (kg)'].max())"
ANSWER = "Answer: 31.5\nSummary: The greatest weight is 31.5 kg."


@pytest.fixture(scope="module", params=["qwen2", "gemma4"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def tokenizer(kind):
    return tiny.tokenizer(kind)


@pytest.fixture(scope="module")
def sample(play):
    """A failed attempt, its repair and the answer."""
    trajectory = play("What is the greatest weight?", WRONG, RIGHT, ANSWER)
    about = {"source": "recovery", "family": "column", "answer_type": "number", "model": "test"}
    return samples.from_dialog([trajectory], tables_sha256=[], **about)


def learned(row, tokenizer):
    return tokenizer.decode([label for label in row.labels if label != IGNORED])


def test_the_marked_replies_and_their_ends_are_learned_and_nothing_else(sample, tokenizer, kind):
    row = encode(sample, tokenizer, 4096)
    end = ENDS[kind]
    assert learned(row, tokenizer) == f"```python\n{RIGHT}\n```{end}{ANSWER}{end}"
    assert WRONG in tokenizer.decode(row.input_ids)
    assert all(label in (id, IGNORED) for id, label in zip(row.input_ids, row.labels, strict=True))


def test_each_learned_reply_follows_the_ids_that_a_model_is_given_when_it_runs(sample, tokenizer, kind):
    row = encode(sample, tokenizer, 4096)
    running = Transformers(None, tokenizer, name="x", digest="", context_tokens=4096)
    for place in sample.trained:
        (given,) = running._encode([sample.messages[:place]])["input_ids"].tolist()
        assert row.input_ids[: len(given)] == given == prompt_ids(tokenizer, sample.messages[:place])
        assert row.labels[len(given) - 1] == IGNORED and row.labels[len(given)] == row.input_ids[len(given)]


def test_the_row_ends_where_the_last_reply_does(sample, tokenizer):
    row = encode(sample, tokenizer, 4096)
    assert row.labels[-1] == row.input_ids[-1] == end_of_turn(tokenizer)


def test_a_reply_with_blanks_around_it_is_learned_as_the_template_shows_it(sample, tokenizer, kind):
    *before, last = sample.messages
    padded = replace(sample, messages=(*before, last | {"content": f"{ANSWER}\n"}))
    shown = ANSWER if kind == "gemma4" else f"{ANSWER}\n"
    assert learned(encode(padded, tokenizer, 4096), tokenizer).endswith(f"```{ENDS[kind]}{shown}{ENDS[kind]}")


def test_where_prompts_hold_what_the_past_does_not_only_the_last_reply_is_learned(sample):
    """Larger Gemma 4 models are asked behind an empty thought, which is no part of an earlier reply."""
    tokenizer = tiny.tokenizer("gemma4")
    thought = "{{- '<|turn>model\n<|channel>thought\n<channel|>' -}}"
    tokenizer.chat_template = tokenizer.chat_template.replace("{{- '<|turn>model\\n' -}}", thought)
    row = encode(sample, tokenizer, 4096)
    assert learned(row, tokenizer) == f"{ANSWER}<turn|>"
    asked = prompt_ids(tokenizer, sample.messages[:-1])
    assert tokenizer.decode(asked).endswith("<channel|>") and row.input_ids[: len(asked)] == asked


def test_what_is_too_long_or_teaches_nothing_is_left_out(sample, tokenizer):
    tokens = len(encode(sample, tokenizer, 4096).input_ids)
    assert encode(sample, tokenizer, tokens) is not None
    assert encode(sample, tokenizer, tokens - 1) is None
    assert encode(replace(sample, trained=()), tokenizer, 4096) is None
