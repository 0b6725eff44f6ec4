"""What a model is to the rest of the house: the Model protocol, its usage record, and its errors."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Protocol

Message = dict[str, str]  # {"role": "system" | "user" | "assistant", "content": str}
HEARTBEAT_SECONDS = 0.25


class ModelError(RuntimeError):
    """A model cannot be had or cannot go on; the text is one sentence for the person who asked."""


class Unavailable(Exception):
    """A source of weights does not have them now; the text is half a sentence that says why."""


@dataclass(frozen=True)
class Usage:
    """Tokens and seconds spent by a model since it was loaded; subtract two to get what lies between.

    A generation that was cancelled is not counted.

    Attributes:
        prompt_tokens: tokens of prompts that were really computed.
        cached_tokens: tokens of prompts that a prefix cache spared.
        output_tokens: tokens written.
        prompt_seconds: seconds until the first token, waiting for a free slot not counted.
        output_seconds: seconds of writing. Replies written side by side each count in full.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    prompt_seconds: float = 0.0
    output_seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Usage) -> Usage:
        return Usage(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))


class Model(Protocol):
    """A chat model. Every method may be called from several threads.

    Attributes:
        name: its name in the registry, with "+ADAPTER" where one is loaded.
        digest: SHA-256 of the weights in hex, with "+" and the adapter's where one is loaded; "" where
            it cannot be known.
        context_tokens: what one conversation may hold, prompt and reply together.
        usage: what has been spent so far.
    """

    name: str
    digest: str
    context_tokens: int
    usage: Usage

    def count_tokens(self, text: str) -> int:
        """The number of tokens of `text`, without any chat template around it; never too low a number."""
        ...

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int = 512,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        seed: int = 0,
    ) -> list[str]:
        """One reply for each conversation, all generated together.

        Args:
            max_new_tokens: tokens at most, per reply.
            temperature: 0 is greedy.
            stop: strings that end a reply. Neither they nor a part of one at a reply's end is returned.
            seed: reply i is sampled with seed + i, so equal conversations get different replies.

        Raises:
            ModelError: a conversation does not fit, or the model failed.
        """
        ...

    def stream(
        self,
        conversation: Sequence[Message],
        *,
        max_new_tokens: int = 512,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        seed: int = 0,
    ) -> Generator[str]:
        """The reply that `generate` would give, piece by piece.

        An empty piece comes every HEARTBEAT_SECONDS while there is nothing new, so that a consumer can
        stop at any time. Closing the iterator returns at once and cancels the generation.
        """
        ...

    def close(self) -> None:
        """Frees the memory and cancels what still runs. A second call does nothing."""
        ...


def until_stop(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """Passes text on until a stop string; holds back what may be the beginning of one.

    Where the text ends on such a beginning, it is left out: what follows the cut would have decided.
    """
    held = ""
    for piece in pieces:
        text = held + piece
        found = [position for word in stop if (position := text.find(word)) >= 0]
        if found:
            yield text[: min(found)]
            return
        cut = len(text) - _begun(text, stop)
        yield text[:cut]
        held = text[cut:]


def _begun(text: str, stop: Sequence[str]) -> int:
    """The length of the longest end of `text` with which a stop string begins."""
    longest = max((len(word) for word in stop), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(word.startswith(text[-length:]) for word in stop):
            return length
    return 0
