"""Replies by the thousand from one GPU: conversations come and go while the model computes.

    model = Sampler(weights, tokenizer, name="coder-1.5b", digest="…", slots=256)
    model.generate([conversation])          # from as many threads as there are slots

`agent.models.transformers` computes a batch until its longest reply ends. Here every conversation has a slot
in one cache of keys and values: a step writes one token in each slot that is taken, a reply that ends frees
its slot at once, and the next prompt is read into it. Of a prompt, only what follows the longest beginning
that some slot still holds is read: a conversation that goes on, or questions about the same table.
How a step is computed stands in `training.slots`.

For models whose layers all look at everything before them, as Qwen2's do. A reply depends on its conversation
and seed alone, but for the last bits of a batch's arithmetic.
"""

from __future__ import annotations

import contextlib
import queue
import random
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers.cache_utils import Cache

from agent.models.base import HEARTBEAT_SECONDS, Message, ModelError, Usage, until_stop
from training.encode import prompt_ids
from training.slots import ATTENTION, Layer, Steps

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Read at once, padding included; bounds the memory.
READ_TOKENS = 32_768
# Kernels want lengths in round numbers, and each length of a step is recorded.
ROUND = 256
# New prompts are read together, after so many steps; to read one takes longer than a step.
STEPS_BETWEEN = 8
# Python lets a thread that works keep the others waiting for so long. With 5 ms, its usual value, each of a
# step's launches could cost as much while conversations prepare their next prompts.
SWITCH_SECONDS = 0.0001


@dataclass(eq=False)
class _Request:
    """A reply that is wanted, and how far it has come."""

    prompt: list[int]
    most: int
    temperature: float
    stop: tuple[str, ...]
    chance: random.Random
    reply: Future[str] = field(default_factory=Future)
    written: list[int] = field(default_factory=list)
    slot: int = -1
    shared: int = 0  # tokens at the beginning of the prompt that need not be read
    given_up: bool = False

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.written)


class Sampler:
    """A Model of `agent.models`; see the protocol for what its methods take and give.

    Args:
        model: A causal language model of transformers, on its device.
        slots: Replies at once.
        context_tokens: Of one conversation, prompt and reply together; each slot takes memory for as many.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        digest: str,
        slots: int,
        context_tokens: int,
    ):
        self.name, self.digest, self.context_tokens = name, digest, context_tokens
        self.usage = Usage()
        self._tokenizer = tokenizer
        self._model = model
        ends = model.generation_config.eos_token_id
        self._ends = frozenset(ends if isinstance(ends, list) else [ends])
        self._waiting: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._slots = slots
        # What each slot holds the keys and values of; the slots in the order in which they fell free.
        self._held = [np.empty(0, dtype=np.int32)] * slots
        self._free = list(range(slots))
        self._steps_since = 0  # prompts were read
        self._ending: dict[tuple, bool] = {}  # by token and stop strings: whether one may end in it
        self._failure: ModelError | None = None
        self._closing = threading.Event()
        self._tokenizing = threading.Lock()  # a fast tokenizer is not safe with several threads
        self._engine = threading.Thread(target=self._serve, name="sampler", daemon=True)
        self._engine.start()

    def count_tokens(self, text: str) -> int:
        with self._tokenizing:
            return len(self._tokenizer.encode(text, add_special_tokens=False))

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int = 512,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        seed: int = 0,
    ) -> list[str]:
        how = {"most": max_new_tokens, "temperature": temperature}
        asked = [
            self._ask(conversation, seed + row, stop, **how) for row, conversation in enumerate(conversations)
        ]
        return ["".join(until_stop([request.reply.result()], stop)) for request in asked]

    def stream(
        self,
        conversation: Sequence[Message],
        *,
        max_new_tokens: int = 512,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        seed: int = 0,
    ) -> Generator[str]:
        request = self._ask(conversation, seed, stop, most=max_new_tokens, temperature=temperature)
        try:
            yield from until_stop(_awaited(request.reply), stop)
        finally:
            request.given_up = not request.reply.cancel()

    def close(self) -> None:
        self._closing.set()
        self._waiting.put(None)  # in case it waits for work
        self._engine.join()
        self._model = None

    def _ask(self, conversation: Sequence[Message], seed: int, stop: Sequence[str], **how: Any) -> _Request:
        with self._tokenizing:
            prompt = prompt_ids(self._tokenizer, conversation)
        if len(prompt) >= self.context_tokens:
            raise ModelError(
                f"The conversation takes {len(prompt):,} tokens and {self.name} holds "
                f"{self.context_tokens:,}: start a new one, or ask about fewer columns."
            )
        request = _Request(prompt, chance=random.Random(seed), stop=tuple(stop), **how)
        self._waiting.put(request)
        if self._failure:
            self._refuse(())
        return request

    def _refuse(self, live: Iterable[_Request]) -> None:
        """Tells all who wait why there will be no reply."""
        with contextlib.suppress(queue.Empty):
            live = [*live]
            while True:
                live.append(self._waiting.get_nowait())
        for request in filter(None, live):
            if not request.reply.done():
                request.reply.set_exception(self._failure)

    # What follows runs in the engine's thread.

    def _serve(self) -> None:
        live: dict[int, _Request] = {}
        usual, switching = self._model.config._attn_implementation, sys.getswitchinterval()
        try:
            self._model.set_attn_implementation(ATTENTION)
            sys.setswitchinterval(SWITCH_SECONDS)
            with torch.inference_mode():
                self._cache = self._new_cache()
                self._step = Steps(self._compute_step, self._slots, self._model.device)
                while self._admit(live):
                    for request in self._written(live):
                        del live[request.slot]
                        self._free.append(request.slot)
                        # The last token was only chosen.
                        self._held[request.slot] = _array(request.prompt + request.written[:-1])
            why = f"{self.name} was closed: load it again."
        except torch.cuda.OutOfMemoryError:
            why = f"The GPU's memory is too small for {self._slots} conversations at once: use fewer slots."
        except Exception as error:  # of whatever kind: it must reach those who wait
            why = f"{self.name} failed: {type(error).__name__}: {error}."
        self._failure = ModelError(why)
        self._cache = self._step = self._store = None
        sys.setswitchinterval(switching)
        self._model.set_attn_implementation(usual)
        self._refuse(live.values())

    def _new_cache(self) -> Cache:
        config = self._model.config.get_text_config()
        heads = config.num_key_value_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        # One place more, where slots that are free write.
        room = -(-(self.context_tokens + 1) // ROUND) * ROUND
        shape = (config.num_hidden_layers, 2, self._slots, heads, room, width)
        weight = self._model.get_input_embeddings().weight
        self._store = torch.zeros(shape, dtype=weight.dtype, device=weight.device)
        return Cache(layers=[Layer(keys, values) for keys, values in self._store])

    def _admit(self, live: dict[int, _Request]) -> bool:
        """Reads what waits into the free slots; False when the sampler is to end."""
        new: list[_Request] = []
        self._steps_since += 1
        if live and self._steps_since < STEPS_BETWEEN and self._waiting.qsize() <= self._slots // 8:
            return not self._closing.is_set()
        # The first is read alone: all others will share something with it.
        for _ in range(len(self._free) if any(map(len, self._held)) else 1):
            try:
                request = self._waiting.get(block=not live and not new)
            except queue.Empty:
                break
            if request is None:
                break
            if request.reply.set_running_or_notify_cancel():
                new.append(request)
        if self._closing.is_set():
            for request in new:  # back to those that are told so
                self._waiting.put(request)
            return False
        if new:
            self._steps_since = 0
        for request in new:
            self._take_slot(request)
            live[request.slot] = request
        for group in _groups(new):
            self._read(group)
        return True

    def _take_slot(self, request: _Request) -> None:
        """Gives it a free slot, and that the longest beginning of its prompt that any slot holds."""
        prompt = _array(request.prompt)
        alike = [_alike(held, prompt) for held in self._held]
        source = max(range(self._slots), key=lambda slot: (alike[slot], slot in self._free))
        request.shared = min(alike[source], len(prompt) - 1)
        # The one that holds it, or else the one that has been free for longest.
        request.slot = source if request.shared and source in self._free else self._free[0]
        self._free.remove(request.slot)
        if request.slot != source and request.shared:
            part = self._store[:, :, :, :, : request.shared]
            part[:, :, request.slot] = part[:, :, source]
        self._held[request.slot] = prompt[: request.shared]

    def _read(self, group: Sequence[_Request]) -> None:
        """Computes the prompts, and the first token of each reply."""
        began, rows = time.perf_counter(), [request.slot for request in group]
        starts = [request.shared for request in group]
        tails = [request.prompt[request.shared :] for request in group]
        states = self._forward(rows, tails, starts)
        last = torch.tensor([len(tail) - 1 for tail in tails], device=states.device)
        chosen = self._choose(group, states[torch.arange(len(group), device=states.device), last])
        for request in group:
            self._held[request.slot] = _array(request.prompt)
        self.usage += Usage(
            prompt_tokens=sum(map(len, tails)),
            cached_tokens=sum(starts),
            prompt_seconds=time.perf_counter() - began,
        )
        self._write(group, chosen)  # last: who waits for a reply may look at what it took

    def _written(self, live: dict[int, _Request]) -> list[_Request]:
        """One token more for each that is not complete; returns those that are."""
        going = [request for request in live.values() if not request.reply.done()]
        if going:
            began = time.perf_counter()
            # All slots are computed: those that are free write into their last place.
            ids, positions = [0] * self._slots, [self._cache.layers[0].get_max_length() - 1] * self._slots
            for request in going:
                ids[request.slot], positions[request.slot] = request.written[-1], request.length - 1
            states = self._step(ids, positions, self._rounded(max(one.length for one in going)))[:, 0]
            chosen = self._choose(going, states[[request.slot for request in going]])
            seconds = len(going) * (time.perf_counter() - began)
            self.usage += Usage(output_tokens=len(going), output_seconds=seconds)
            self._write(going, chosen)
        return [request for request in live.values() if request.reply.done()]

    def _forward(self, rows: Sequence[int], ids: Sequence[list[int]], starts: Sequence[int]) -> torch.Tensor:
        """The last layer's states, rows × longest × width, of ids that stand behind `starts` others."""
        device, longest = self._model.device, max(map(len, ids))
        padded = torch.tensor([row + [0] * (longest - len(row)) for row in ids], device=device)
        # Padding is written behind a row's end, where nothing looks before its own tokens come there.
        positions = torch.tensor(starts, device=device)[:, None] + torch.arange(longest, device=device)
        positions.clamp_(max=self._cache.layers[0].get_max_length() - 1)
        slots = torch.tensor(rows, device=device)
        return self._compute(padded, positions, self._rounded(max(starts) + longest), slots)

    def _rounded(self, length: int) -> int:
        return min(-(-length // ROUND) * ROUND, self._cache.layers[0].get_max_length())

    def _compute_step(self, ids: torch.Tensor, positions: torch.Tensor, until: int) -> torch.Tensor:
        return self._compute(ids, positions, until, torch.arange(len(ids), device=ids.device), in_order=True)

    def _compute(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        until: int,
        slots: torch.Tensor,
        in_order: bool = False,
    ) -> torch.Tensor:
        for layer in self._cache.layers:
            layer.rows, layer.positions, layer.until, layer.in_order = slots, positions, until, in_order
        visible = torch.arange(until, device=ids.device) <= positions[:, None, :, None]
        return self._model.get_decoder()(
            input_ids=ids,
            position_ids=positions,
            attention_mask=visible,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state

    def _choose(self, requests: Sequence[_Request], states: torch.Tensor) -> list[int]:
        """The next token of each."""
        return _chosen(self._model.get_output_embeddings()(states).float(), requests)

    def _write(self, requests: Sequence[_Request], tokens: Sequence[int]) -> None:
        """Gives each its token, and completes those that end with it."""
        for request, token in zip(requests, tokens, strict=True):
            request.written.append(token)
            full = len(request.written) >= request.most or request.length >= self.context_tokens
            if token in self._ends or full or request.given_up or self._stopped(request):
                request.reply.set_result(self._text(request.written))

    def _stopped(self, request: _Request) -> bool:
        key = request.written[-1], request.stop
        if key not in self._ending:
            text = self._text(request.written[-1:])
            # A part of a character is shown as U+FFFD.
            self._ending[key] = any(word[-1] in text or "\ufffd" in text for word in request.stop)
        if not self._ending[key]:
            return False
        # A token is one byte or more, so a stop string that has just ended lies in the last tokens.
        text = self._text(request.written[-max(len(word.encode()) for word in request.stop) :])
        return any(word in text for word in request.stop)

    def _text(self, ids: list[int]) -> str:
        with self._tokenizing:
            return self._tokenizer.decode(ids, skip_special_tokens=True)


def _array(ids: Sequence[int]) -> np.ndarray:
    return np.asarray(ids, dtype=np.int32)


def _alike(held: np.ndarray, prompt: np.ndarray) -> int:
    """How many tokens both begin with."""
    most = min(len(held), len(prompt))
    other = held[:most] != prompt[:most]
    return int(other.argmax()) if other.any() else most


def _chosen(logits: torch.Tensor, requests: Sequence[_Request]) -> list[int]:
    """The likeliest token, or one drawn at its request's temperature by one number of its own chance."""
    best = logits.argmax(dim=-1)
    drawn = [row for row, request in enumerate(requests) if request.temperature > 0]
    if drawn:
        heat = torch.tensor([[requests[row].temperature] for row in drawn], device=logits.device)
        bar = torch.tensor([[requests[row].chance.random()] for row in drawn], device=logits.device)
        mass = (logits[drawn] / heat).softmax(dim=-1).cumsum(dim=-1)
        found = torch.searchsorted(mass, bar * mass[:, -1:], right=True)
        best[drawn] = found[:, 0].clamp(max=logits.shape[1] - 1)
    return best.tolist()


def _groups(requests: Sequence[_Request]) -> Iterator[list[_Request]]:
    """Those with as much to read together, READ_TOKENS at most with their padding, one at least."""
    group: list[_Request] = []
    for request in sorted(requests, key=lambda one: len(one.prompt) - one.shared):
        if group and (len(request.prompt) - request.shared) * (len(group) + 1) > READ_TOKENS:
            yield group
            group = []
        group.append(request)
    if group:
        yield group


def _awaited(reply: Future[str]) -> Iterator[str]:
    while True:
        try:
            yield reply.result(timeout=HEARTBEAT_SECONDS)
            return
        except TimeoutError:
            yield ""
