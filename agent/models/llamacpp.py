"""GGUF models on the CPU: llama.cpp's server, in this process.

    model = load(Path("model.gguf"), name="my-model", digest="", context_tokens=8192, slots=2)

The library always starts llama.cpp's HTTP front as well. Here it is bound to a Unix socket in a private
folder, with a random key, so that no port is open; what the library has no call for goes that way.

llama.cpp's sums differ in their last bits with how many tokens are computed together, and that can tip a
token. So that a conversation repeats to the letter, its parts are always computed alike, whatever the cache
held before: a new conversation's last message is read apart from those before it, and the next turn goes on
in the slot that holds the last one. What remains: conversations that are computed side by side, and those
that had to leave their slot in between, may differ from ones that ran alone.
"""

from __future__ import annotations

import atexit
import functools
import http.client
import json
import os
import queue
import secrets
import select
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.models.base import HEARTBEAT_SECONDS, Message, ModelError, Usage, until_stop
from sandbox import folders

if TYPE_CHECKING:
    import xllamacpp

# A prompt is computed in batches of this many tokens, and a cancelled one ends with its batch. On 2 cores,
# 64 tokens of the 1.5B take 0.7 to 1 s; larger batches gain no speed there, smaller ones lose some.
PROMPT_BATCH_TOKENS = 64
# Memory for the prompts of conversations that had to leave their slot to another.
PROMPT_CACHE_MIB = 1024
PREFIX = "datasense-llama-"


def load(
    weights: Path,
    *,
    name: str,
    digest: str,
    context_tokens: int,
    slots: int = 1,
    adapter: Path | None = None,
) -> LlamaCpp:
    """Loads a GGUF file.

    Args:
        weights: the .gguf file.
        name: what the model is called in records.
        digest: SHA-256 of weights and adapter, for records.
        context_tokens: tokens of one conversation; memory is taken for `slots` times as many.
        slots: conversations that are computed side by side.
        adapter: a LoRA adapter as .gguf, applied at full strength.

    Raises:
        ModelError: a file is missing, llama.cpp is not installed or cannot load the file.
    """
    for file in filter(None, (weights, adapter)):
        if not file.is_file():
            raise ModelError(f"{file} does not exist: give the path of a .gguf file.")
    # OpenMP's threads wait for each other in busy loops: fast on idle cores, a standstill beside another busy
    # process. Output tokens/s of the 1.5B on 2 cores, idle and beside one busy process: 20,000 rounds of the
    # loop 34 and 3; 1,000 rounds 32 and 15; none (OMP_WAIT_POLICY=passive) 21 and 22.
    # OpenMP reads this once, when the first library that needs it is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelError(f"{name} needs llama.cpp ({error}): run pip install xllamacpp.") from error
    folder = _root().new_folder("")
    front = _Front(folder / "llama.sock", secrets.token_urlsafe(32))
    params = _params(weights, adapter, context_tokens, slots, front)
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        folders.remove(folder)
        files = f"{weights} with the adapter {adapter}" if adapter else str(weights)
        raise ModelError(
            f"llama.cpp cannot load {files}: it is damaged or of an unknown kind, or the memory is full; "
            "free memory, or delete the file to have it fetched again."
        ) from error
    held = front.ask("GET", "/props")["default_generation_settings"]["n_ctx"]  # a small model's own limit
    return LlamaCpp(server, front, folder, name, digest, min(context_tokens, held), slots)


class LlamaCpp:
    """A Model in this process; see the protocol for what its methods take and give."""

    def __init__(
        self,
        server: xllamacpp.Server,
        front: _Front,
        folder: Path,
        name: str,
        digest: str,
        context_tokens: int,
        slots: int,
    ):
        self.name = name
        self.digest = digest
        self.context_tokens = context_tokens
        self.usage = Usage()
        self._server: xllamacpp.Server | None = server
        self._front = front
        self._folder = folder
        self._slots = slots
        self._held: dict[int, list[Message]] = {}  # slot: the conversation that it last replied to
        self._busy: set[int] = set()
        self._opening = threading.Lock()
        self._closed = threading.Event()
        self._usage_lock = threading.Lock()

    def count_tokens(self, text: str) -> int:
        return len(self._front.ask("POST", "/tokenize", {"content": text})["tokens"])

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int = 512,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        seed: int = 0,
    ) -> list[str]:
        cancelled = threading.Event()

        def reply(row: int) -> str:
            request = _request(conversations[row], max_new_tokens, temperature, stop, seed + row)
            return "".join(until_stop(self._pieces(request, cancelled), stop))

        with ThreadPoolExecutor(self._slots) as pool:
            try:
                return list(pool.map(reply, range(len(conversations))))
            finally:
                cancelled.set()  # frees the slots at once where one row failed or the user interrupted

    def stream(
        self,
        conversation: Sequence[Message],
        *,
        max_new_tokens: int = 512,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        seed: int = 0,
    ) -> Generator[str]:
        cancelled = threading.Event()
        request = _request(conversation, max_new_tokens, temperature, stop, seed)
        try:
            yield from until_stop(self._pieces(request, cancelled), stop)
        finally:
            cancelled.set()

    def close(self) -> None:
        self._closed.set()
        self._server = None
        folders.remove(self._folder)

    def _pieces(self, request: dict, cancelled: threading.Event) -> Iterator[str]:
        """The text deltas of one completion, "" for heartbeats; `cancelled` ends it from any thread."""
        chunks: queue.SimpleQueue[dict | None] = queue.SimpleQueue()
        threading.Thread(target=self._complete, args=(request, chunks, cancelled), daemon=True).start()
        while not cancelled.is_set():
            try:
                chunk = chunks.get(timeout=HEARTBEAT_SECONDS)
            except queue.Empty:
                yield ""
                continue
            if chunk is None:
                return
            if "error" in chunk:
                raise self._error(chunk["error"])
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    yield text

    def _complete(self, request: dict, chunks: queue.SimpleQueue, cancelled: threading.Event) -> None:
        """Runs one completion in the calling thread; the last thing put into `chunks` is None."""
        opening = ExitStack()

        def stopped() -> bool:
            return cancelled.is_set() or self._closed.is_set()

        def on_chunk(chunk: dict) -> bool:
            opening.close()
            if "timings" in chunk:
                cached = max(chunk["timings"]["cache_n"] - just_read, 0)
                self._count(chunk["timings"] | {"cache_n": cached})
            chunks.put(chunk)
            return stopped()

        try:
            server = self._server
            if server is None:
                raise ModelError(f"{self.name} was closed: load it again.")
            with opening:
                # Two at once could be given the same slot, which to the server is free until a first chunk
                # tells that it has begun.
                opening.enter_context(self._opening)
                slot, just_read = self._open(request["messages"], stopped)
                try:
                    if not stopped():
                        server.handle_chat_completions(request | {"id_slot": slot}, on_chunk)
                finally:
                    self._busy.discard(slot)
        except Exception as error:  # also what the library raises: it must reach the reader's thread
            chunks.put({"error": {"message": str(error)}})
        finally:
            chunks.put(None)

    def _open(self, conversation: list[Message], stopped: Callable[[], bool]) -> tuple[int, int]:
        """Has a slot read the conversation up to the last paragraph: the slot, and the tokens this took.

        First what comes before the last message, then that message up to its last blank line: parts that
        other conversations share. A part that a free slot holds is not read again.
        """
        *before, last = conversation
        shared, blank, _ = last["content"].rpartition("\n\n")
        parts, chosen = ["", shared + blank] if blank else [""], -1
        for slot, held in self._held.items():
            if len(conversation) > 2 and held == conversation[:-2]:
                parts, chosen = [], slot
                break
            if blank and slot not in self._busy and _begins(held, [*before, last | {"content": parts[-1]}]):
                parts, chosen = parts[-1:], slot
        tokens = 0
        for part in parts:
            read = self._read([*before, last | {"content": part}], chosen, stopped)
            chosen, tokens = read["id_slot"], tokens + read["timings"]["prompt_n"]
        self._held[chosen] = conversation
        self._busy.add(chosen)
        return chosen, tokens

    def _read(self, conversation: list[Message], slot: int, stopped: Callable[[], bool]) -> dict:
        """Fills a slot (-1: the best free one) with the conversation, of which the last message goes on.

        What the template puts after that message is not kept by the prompt that follows. That matters,
        since llama.cpp computes a cached prompt's last token once more, by itself.
        """
        prompt = self._front.ask("POST", "/apply-template", {"messages": conversation})["prompt"]
        request = {"prompt": prompt, "n_predict": 0, "id_slot": slot}
        read = self._front.ask("POST", "/completion", request, stopped)
        if "error" in read:
            raise self._error(read["error"])
        self._count(read["timings"] | {"predicted_n": 0, "predicted_ms": 0.0, "cache_n": 0})
        return read

    def _error(self, error: dict) -> ModelError:
        if error.get("type") == "exceed_context_size_error":
            return ModelError(
                f"The conversation takes {error['n_prompt_tokens']:,} tokens and {self.name} holds "
                f"{error['n_ctx']:,}: start a new one, or ask about fewer columns."
            )
        return ModelError(f"{self.name} failed: {error['message']}")

    def _count(self, timings: dict) -> None:
        spent = Usage(
            prompt_tokens=timings["prompt_n"],
            cached_tokens=timings["cache_n"],
            output_tokens=timings["predicted_n"],
            prompt_seconds=timings["prompt_ms"] / 1000,
            output_seconds=timings["predicted_ms"] / 1000,
        )
        with self._usage_lock:
            self.usage += spent


@functools.cache
def _root() -> folders.Root:
    """The folder of this process' sockets; to make it removes those that killed processes have left."""
    made = folders.new_root(PREFIX)
    atexit.register(made.close)
    return made


def _params(
    weights: Path, adapter: Path | None, context_tokens: int, slots: int, front: _Front
) -> xllamacpp.CommonParams:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = context_tokens * slots
    params.n_parallel = slots
    params.n_batch = PROMPT_BATCH_TOKENS
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.fit_params = False  # it would shrink n_ctx to the free memory without a word
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = visible_cores()
    params.hostnames, params.api_keys = [str(front.socket)], [front.key]
    params.ui = False
    params.verbosity = -1
    if adapter:
        lora = xllamacpp.CommonAdapterLoraInfo()
        lora.path, lora.scale = str(adapter), 1.0
        params.lora_adapters = [lora]
    return params


def _request(
    conversation: Sequence[Message],
    max_new_tokens: int,
    temperature: float,
    stop: Sequence[str],
    seed: int,
) -> dict:
    return {
        "messages": list(conversation),
        "max_tokens": max_new_tokens,
        "temperature": temperature,
        "stop": list(stop),
        "seed": seed,
        "stream": True,
        "return_progress": True,  # a chunk for every batch of the prompt: the moments to cancel at
    }


def _begins(conversation: list[Message], part: list[Message]) -> bool:
    """Whether a conversation begins with `part`, of which the last message may go on."""
    *whole, open_one = part
    if conversation[: len(whole)] != whole or len(conversation) <= len(whole):
        return False
    return conversation[len(whole)]["content"].startswith(open_one["content"])


def visible_cores() -> int:
    """The cores that this process may really use: its affinity and its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no such control group, or "max": no quota
        return cores


@dataclass(frozen=True)
class _Front:
    """The way to llama.cpp's own HTTP routes."""

    socket: Path
    key: str

    def ask(
        self, method: str, route: str, body: dict | None = None, stopped: Callable[[], bool] | None = None
    ) -> dict:
        """The route's reply, errors of the model included; where `stopped` becomes true, it is cancelled."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(self.socket))
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            connection.request(method, route, json.dumps(body), headers)
            while stopped and not select.select([connection.sock], [], [], HEARTBEAT_SECONDS)[0]:
                if stopped():
                    raise ModelError("stopped")  # nobody waits for it any more
            return json.load(connection.getresponse())
        except OSError as error:
            raise ModelError(f"The model was closed or has failed ({error}): load it again.") from error
        finally:
            connection.close()
