"""GGUF models on the CPU: llama.cpp's server, in this process.

    model = load(Path("model.gguf"), name="my-model", digest="", context_tokens=8192, slots=2)

The library always starts llama.cpp's HTTP front as well. Here it is bound to a Unix socket in a private
folder, with a random key, so that no port is open; only `count_tokens` goes that way, since the library has
no call for it.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import secrets
import socket
import tempfile
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.models.base import HEARTBEAT_SECONDS, Message, ModelError, Usage, until_stop

if TYPE_CHECKING:
    import xllamacpp

# A prompt is computed in batches of this many tokens; a cancelled one ends with the batch it is in.
PROMPT_BATCH_TOKENS = 64
# Memory for prompts of conversations that had to leave their slot to another.
PROMPT_CACHE_MIB = 1024


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
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelError(f"{name} needs llama.cpp ({error}): run pip install xllamacpp.") from error
    folder = tempfile.TemporaryDirectory(prefix="datasense-")
    front = _Front(Path(folder.name) / "llama.sock", secrets.token_urlsafe(32))
    params = _params(xllamacpp, weights, context_tokens, slots, adapter)
    params.hostnames, params.api_keys = [str(front.socket)], [front.key]
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        folder.cleanup()
        files = f"{weights} with the adapter {adapter}" if adapter else str(weights)
        raise ModelError(
            f"llama.cpp cannot load {files}: it is damaged, of a kind that llama.cpp does not know, "
            "or needs more memory than is free; delete the file to fetch it again."
        ) from error
    return LlamaCpp(server, front, folder, name, digest, context_tokens, slots)


class LlamaCpp:
    """A Model in this process; see the protocol for what its methods take and give."""

    def __init__(
        self,
        server: xllamacpp.Server,
        front: _Front,
        folder: tempfile.TemporaryDirectory,
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
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def count_tokens(self, text: str) -> int:
        return len(self._front.post("/tokenize", {"content": text})["tokens"])

    def generate(self, conversations: Sequence[Sequence[Message]], *, seed: int = 0, **options: Any) -> list[str]:
        """One reply each, `slots` at a time; takes the protocol's keywords."""
        cancelled = threading.Event()

        def reply(i: int) -> str:
            return "".join(self._pieces(conversations[i], cancelled, seed=seed + i, **options))

        with ThreadPoolExecutor(self._slots) as pool:
            try:
                return list(pool.map(reply, range(len(conversations))))
            finally:
                cancelled.set()

    def stream(self, conversation: Sequence[Message], **options: Any) -> Generator[str]:
        """The reply piece by piece; takes the protocol's keywords."""
        cancelled = threading.Event()
        try:
            yield from self._pieces(conversation, cancelled, **options)
        finally:
            cancelled.set()

    def close(self) -> None:
        self._closed.set()
        self._server = None
        self._folder.cleanup()
