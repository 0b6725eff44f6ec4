"""Many replies at once from one cache: each is what its conversation alone would have got."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("torch")
import torch  # noqa: E402

from agent import prompts  # noqa: E402
from agent.models import ModelError  # noqa: E402
from tests.training import tiny  # noqa: E402
from training import sampler, student  # noqa: E402
from training.encode import prompt_ids  # noqa: E402
from training.sampler import Sampler  # noqa: E402

SLOTS = 3
# Alike at the beginning and of very different lengths, one of them with nothing shared.
CONVERSATIONS = [
    *(
        [*prompts.opening_messages(), {"role": "user", "content": f"Table {'x ' * 9 * n}? {n}"}]
        for n in range(8)
    ),
    [{"role": "user", "content": "Which dog is the heaviest?"}],
]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    with tiny.installed(tmp_path_factory.mktemp("weights")):
        yield student.load(tiny.NAMES["qwen2"])


@pytest.fixture
def many(base):
    model, batched = student.answering(base, SLOTS)
    assert not batched
    yield model
    model.close()


def alone(base, conversation, **how):
    return student.running(base).generate([conversation], **how)[0]


def test_a_greedy_reply_is_that_of_the_conversation_alone(base, many):
    wanted = [alone(base, conversation, max_new_tokens=30) for conversation in CONVERSATIONS]
    assert many.generate(CONVERSATIONS, max_new_tokens=30) == wanted
    # Once more, into slots that others have used, with what is shared known from the start, from threads.
    with ThreadPoolExecutor(len(CONVERSATIONS)) as threads:
        again = threads.map(lambda one: "".join(many.stream(one, max_new_tokens=30)), CONVERSATIONS)
        assert list(again) == wanted
    assert len(set(wanted)) > 1


def test_what_prompts_share_is_read_once(many):
    many.generate(CONVERSATIONS[:SLOTS], max_new_tokens=1)
    before = many.usage
    many.generate(CONVERSATIONS[SLOTS : 2 * SLOTS], max_new_tokens=1)
    spent = many.usage - before
    assert spent.cached_tokens > 5 * spent.prompt_tokens > 0


def test_of_a_conversation_that_goes_on_only_what_is_new_is_read(base, many):
    others = CONVERSATIONS[1 : SLOTS + 1]
    for first in CONVERSATIONS[:2]:
        (reply,) = many.generate([first], max_new_tokens=12)
        further = [*first, {"role": "assistant", "content": reply}, {"role": "user", "content": "And then?"}]
        before = many.usage
        assert many.generate([further], max_new_tokens=12) == [alone(base, further, max_new_tokens=12)]
        assert (many.usage - before).prompt_tokens < 40
        many.generate(others, max_new_tokens=12)  # into all slots


def test_many_long_prompts_are_read_in_parts(base, many, monkeypatch):
    monkeypatch.setattr(sampler, "READ_TOKENS", 500)
    wanted = [alone(base, conversation, max_new_tokens=5) for conversation in CONVERSATIONS]
    assert many.generate(CONVERSATIONS, max_new_tokens=5) == wanted


def test_a_sampled_reply_depends_on_its_seed_and_not_on_its_neighbours(many):
    how = {"max_new_tokens": 20, "temperature": 1.0}
    first, *_ = many.generate(CONVERSATIONS, seed=5, **how)
    (again,) = many.generate(CONVERSATIONS[:1], seed=5, **how)
    (other,) = many.generate(CONVERSATIONS[:1], seed=6, **how)
    assert first == again != other


def test_tokens_are_drawn_as_often_as_they_are_likely():
    logits = torch.tensor([[2.0, 1.0, -1.0, 0.5]])
    request = sampler._Request([], 1, 0.7, (), random.Random(0))
    drawn = Counter(sampler._chosen(logits, [request])[0] for _ in range(4000))
    likely = (logits[0] / 0.7).softmax(0).tolist()
    assert [drawn[token] / 4000 for token in range(4)] == pytest.approx(likely, abs=0.03)


def test_a_reply_ends_before_its_stop_string(base, many):
    whole = alone(base, CONVERSATIONS[0], max_new_tokens=30)
    stop = whole[10:14]
    assert many.generate(CONVERSATIONS[:1], max_new_tokens=30, stop=[stop]) == [whole[: whole.index(stop)]]


def test_a_conversation_that_is_too_long_is_refused_and_others_go_on(many):
    long = [{"role": "user", "content": "x " * 9000}]
    with pytest.raises(ModelError, match="start a new one"):
        many.generate([long])
    assert many.generate(CONVERSATIONS[:1], max_new_tokens=3)


def test_a_reply_ends_where_the_conversation_is_full(base):
    held = len(prompt_ids(base.tokenizer, CONVERSATIONS[0])) + 12
    model, _ = student.answering(base, 1, context_tokens=held)
    (reply,) = model.generate(CONVERSATIONS[:1], max_new_tokens=500)
    model.close()
    assert reply == alone(base, CONVERSATIONS[0], max_new_tokens=12)


def test_a_reply_that_nobody_waits_for_gives_its_slot_back(base, monkeypatch):
    monkeypatch.setattr(sampler, "HEARTBEAT_SECONDS", 0.001)
    model, _ = student.answering(base, 1)
    reading = model.stream(CONVERSATIONS[0], max_new_tokens=10**6)
    assert next(reading) == ""
    reading.close()
    assert model.generate(CONVERSATIONS[:1], max_new_tokens=3)
    model.close()


def test_those_who_wait_learn_that_it_was_closed(many):
    failures = []

    def ask():
        try:
            many.generate(CONVERSATIONS * 3, max_new_tokens=2000)
        except ModelError as error:
            failures.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    while not many.usage.output_tokens:
        time.sleep(0.01)
    many.close()
    asking.join(timeout=30)
    assert len(failures) == 1 and "was closed" in failures[0]
    with pytest.raises(ModelError, match="was closed"):
        many.generate(CONVERSATIONS[:1])


def test_who_asks_while_it_is_being_closed_learns_so(many, monkeypatch):
    monkeypatch.setattr(sampler, "HEARTBEAT_SECONDS", 30)
    many.generate(CONVERSATIONS[:1], max_new_tokens=1)
    many._closing.set()  # as `close` does first; what is asked now comes before what wakes the engine
    with pytest.raises(ModelError, match="was closed"):
        next(many.stream(CONVERSATIONS[0]))


def test_those_who_wait_learn_why_it_failed(base, monkeypatch):
    def broken(*_):
        raise RuntimeError("device lost")

    monkeypatch.setattr(sampler, "_chosen", broken)
    model = Sampler(base.model, base.tokenizer, name="tiny", digest="", slots=2, context_tokens=2048)
    for _ in range(2):
        with pytest.raises(ModelError, match="tiny failed: RuntimeError: device lost"):
            model.generate(CONVERSATIONS)
