"""Models that run elsewhere: OpenAI-compatible servers and Hugging Face's inference providers.

    model = load("endpoint:http://localhost:8000/v1#NAME", context_tokens=8192)   # key in $DATASENSE_API_KEY
    model = load("hf:Qwen/Qwen2.5-Coder-32B-Instruct", context_tokens=8192)       # token in $HF_TOKEN

Both speak the same chunks, so they differ in one function only, the one that sends a request.
"""

from __future__ import annotations

import json
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from agent.models.base import HEARTBEAT_SECONDS, Message, ModelError, Usage, until_stop

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0  # between two chunks; a slow server reads a long prompt for a minute
PARALLEL_REQUESTS = 8
# Pieces at least as small as those of usual tokenizers, so that their number is an upper bound.
_PIECE = re.compile(r"[A-Z]{1,2}(?![a-z])|[A-Za-z][a-z]{0,2}|\s{1,2}|.")

Send = Callable[[dict], Iterator[dict]]  # an OpenAI chat request -> the chunks of its answer


def load(name: str, *, context_tokens: int) -> Endpoint:
    """A model behind a server; nothing is sent before the first question.

    Args:
        name: `endpoint:URL#NAME`, or `hf:NAME` for Hugging Face's providers.
        context_tokens: tokens that a conversation may have; servers do not tell theirs.
    """
    kind, _, rest = name.partition(":")
    if kind == "hf":
        return Endpoint(name, _to_hugging_face(rest), rest, context_tokens)
    base, _, model = rest.partition("#")
    return Endpoint(_without_password(name), _to_server(base.rstrip("/")), model, context_tokens)


class Endpoint:
    """A Model behind a server; see the protocol for what its methods take and give."""

    def __init__(self, name: str, send: Send, model: str, context_tokens: int):
        self.name = name
        self.digest = ""
        self.context_tokens = context_tokens
        self.usage = Usage()
        self._send = send
        self._model = model
        self._closed = threading.Event()
        self._usage_lock = threading.Lock()

    def count_tokens(self, text: str) -> int:
        """At most 1.3 times the true number on tables, twice on prose and code."""
        return sum(1 if piece.isascii() else len(piece.encode()) - 1 for piece in _PIECE.findall(text))

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
            request = self._request(conversations[row], max_new_tokens, temperature, stop, seed + row)
            return "".join(until_stop(self._pieces(request, cancelled), stop))

        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            try:
                return list(pool.map(reply, range(len(conversations))))
            finally:
                cancelled.set()  # ends the others at once where one failed or the user interrupted

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
        request = self._request(conversation, max_new_tokens, temperature, stop, seed)
        try:
            yield from until_stop(self._pieces(request, cancelled), stop)
        finally:
            cancelled.set()

    def close(self) -> None:
        self._closed.set()

    def _request(
        self,
        conversation: Sequence[Message],
        max_new_tokens: int,
        temperature: float,
        stop: Sequence[str],
        seed: int,
    ) -> dict:
        return {
            "model": self._model,
            "messages": list(conversation),
            "max_tokens": max_new_tokens,
            "temperature": temperature,
            "stop": list(stop) or None,
            "seed": seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def _pieces(self, request: dict, cancelled: threading.Event) -> Iterator[str]:
        """The text deltas of one reply, "" for heartbeats; `cancelled` ends it from any thread."""
        if self._closed.is_set():
            raise ModelError(f"{self.name} was closed: load it again.")
        chunks: queue.SimpleQueue[_Chunk | Exception | None] = queue.SimpleQueue()
        threading.Thread(target=self._receive, args=(request, chunks, cancelled), daemon=True).start()
        started, first, finished, tokens = time.perf_counter(), None, False, None
        while not cancelled.is_set():
            try:
                chunk = chunks.get(timeout=HEARTBEAT_SECONDS)
            except queue.Empty:
                yield ""
                continue
            if isinstance(chunk, Exception):
                raise self._explained(chunk) from chunk
            if chunk is None:
                break
            finished, tokens = finished or chunk.last, chunk.tokens or tokens
            if chunk.text:
                first = first or time.perf_counter()
                yield chunk.text
        if cancelled.is_set() or self._closed.is_set():
            return
        if tokens:
            self._count(tokens, started, first or time.perf_counter())
        if not finished:
            raise ModelError(f"{self.name} broke off in the middle of its reply: ask again.")

    def _receive(self, request: dict, chunks: queue.SimpleQueue, cancelled: threading.Event) -> None:
        """Sends the request in the calling thread; the last thing put into `chunks` is None."""
        try:
            for chunk in self._send(request):
                if cancelled.is_set() or self._closed.is_set():
                    break
                if error := chunk.get("error"):
                    raise ModelError(f"{self.name} failed: {_message(error)}")
                chunks.put(_read(chunk))
        except Exception as error:  # also what the libraries raise: it must reach the reader's thread
            chunks.put(error)
        finally:
            chunks.put(None)

    def _explained(self, error: Exception) -> ModelError:
        """The error as one sentence that says what to do."""
        import httpx
        from huggingface_hub.errors import InferenceTimeoutError

        match error:
            case ModelError():
                return error
            case httpx.HTTPError() if getattr(error, "response", None) is not None:  # also huggingface_hub's
                return self._refused(error.response.status_code, error)
            case httpx.TimeoutException() | InferenceTimeoutError():
                return ModelError(f"{self.name} did not answer in time: see if it is busy, then ask again.")
            case httpx.ConnectError():
                return ModelError(f"{self.name} cannot be reached ({error}): start it, or correct its URL.")
            case httpx.TransportError():
                return ModelError(f"{self.name} broke off in the middle of its reply ({error}): ask again.")
            case ValueError():
                return ModelError(
                    f"{self.name} answered with something else than an OpenAI-compatible server does: "
                    "correct its URL, which mostly ends in /v1."
                )
        return ModelError(f"{self.name} failed: {_first_line(error)}")

    def _refused(self, status: int, error: Exception) -> ModelError:
        key = "HF_TOKEN" if self.name.startswith("hf:") else "DATASENSE_API_KEY"
        advice = {
            401: f"put a key that it accepts into {key}",
            403: f"put a key that may use this model into {key}",
            404: "correct its URL, which mostly ends in /v1, or the model's name",
            429: "wait a while, then ask again",
        }
        todo = advice.get(status, "see the server's log")
        return ModelError(f"{self.name} says {status} ({_first_line(error)}): {todo}.")

    def _count(self, tokens: tuple[int, int, int], started: float, first: float) -> None:
        seconds = first - started, time.perf_counter() - first
        with self._usage_lock:
            self.usage += Usage(*tokens, *seconds)


@dataclass(frozen=True)
class _Chunk:
    """What one chunk says; `tokens` are those of the reply so far: computed, cached, written."""

    text: str
    last: bool
    tokens: tuple[int, int, int] | None


def _read(chunk: dict) -> _Chunk:
    """Raises ValueError where the chunk is not of OpenAI's form."""
    try:
        choices, usage = chunk.get("choices") or (), chunk.get("usage")
        text = "".join((choice.get("delta") or {}).get("content") or "" for choice in choices)
        last = any(choice.get("finish_reason") for choice in choices)
        return _Chunk(text, last, _tokens(usage) if usage else None)
    except (AttributeError, TypeError) as error:
        raise ValueError(f"an odd chunk: {error}") from error


def _tokens(usage: dict) -> tuple[int, int, int]:
    cached = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
    prompt, written = (int(usage.get(f"{kind}_tokens") or 0) for kind in ("prompt", "completion"))
    return max(prompt - cached, 0), cached, written


def _to_server(base: str) -> Send:
    """Sends to BASE/chat/completions."""

    def send(request: dict) -> Iterator[dict]:
        import httpx

        key = os.environ.get("DATASENSE_API_KEY")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        with (
            httpx.Client(headers=headers, timeout=timeout) as client,
            client.stream("POST", f"{base}/chat/completions", json=request) as response,
        ):
            if response.is_error:
                said = _error_text(response.read())
                raise httpx.HTTPStatusError(said, request=response.request, response=response)
            yield from _events(response.iter_lines())

    return send


def _to_hugging_face(model: str) -> Send:
    """Sends to whichever provider Hugging Face chooses for the model."""

    def send(request: dict) -> Iterator[dict]:
        from huggingface_hub import InferenceClient

        with InferenceClient(token=os.environ.get("HF_TOKEN"), timeout=READ_SECONDS) as client:
            yield from client.chat_completion(**(request | {"model": model}))

    return send


def _events(lines: Iterator[str]) -> Iterator[dict]:
    """The JSON objects of a server-sent stream; ValueError where it is none."""
    events = 0
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        event = json.loads(data)
        if not isinstance(event, dict):
            raise ValueError(data)
        events += 1
        yield event
    if not events:
        raise ValueError("no events")


def _error_text(body: bytes) -> str:
    try:
        return _message(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace").strip() or "no reason given"


def _message(error: dict | str) -> str:
    return str(error.get("message") or error) if isinstance(error, dict) else str(error)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _without_password(name: str) -> str:
    return re.sub(r"//[^/@#]*@", "//", name)
