"""Frames between host, warm process and child: four bytes of length, then one JSON object.

A child runs code that nobody trusts, so a reader believes nothing: a frame has a longest length,
a largest number of values and one deadline for the whole of it, and whatever is wrong with it is a
`WireError`.
"""

import json
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

MAX_FRAME = 64 * 2**20
# "[],[],…" takes twenty times its length as Python objects.
MAX_VALUES = 1_000_000
WATCH_SECONDS = 0.2
_LENGTH = struct.Struct(">I")


class WireError(Exception):
    """The other side closed the channel or sent what is not a frame."""


def send(channel: socket.socket, message: dict[str, Any], seconds: float | None = None) -> None:
    """Sends one frame; `seconds` is the longest that it may take, None for ever.

    Raises WireError if the channel is closed, TimeoutError if the other side does not read.
    """
    body = json.dumps(message).encode("ascii")
    if len(body) > MAX_FRAME:
        raise WireError(f"a frame of {len(body)} bytes is longer than {MAX_FRAME}")
    try:
        channel.settimeout(seconds)
        channel.sendall(_LENGTH.pack(len(body)) + body)
    except TimeoutError:
        raise
    except OSError as error:
        raise WireError(f"the channel is closed ({error})") from None


def receive(
    channel: socket.socket, seconds: float | None = None, watch: Callable[[], None] | None = None
) -> dict[str, Any]:
    """Returns the next frame.

    Args:
        channel: A connected stream socket.
        seconds: The longest that all of the frame may take, None for ever.
        watch: Called about every WATCH_SECONDS while it waits; what it raises ends the wait.

    Raises WireError if the channel is closed or holds no frame, TimeoutError if time is over.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    (length,) = _LENGTH.unpack(_read(channel, _LENGTH.size, deadline, watch))
    if length > MAX_FRAME:
        raise WireError(f"a frame of {length} bytes is longer than {MAX_FRAME}")
    return _parse(_read(channel, length, deadline, watch))


def _parse(body: bytes) -> dict[str, Any]:
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise WireError(f"a frame has more than {MAX_VALUES} values")
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise WireError("a frame is not JSON") from None
    if not isinstance(message, dict):
        raise WireError("a frame is not a JSON object")
    return message


def _read(
    channel: socket.socket, size: int, deadline: float | None, watch: Callable[[], None] | None
) -> bytes:
    parts = bytearray()
    watched = time.monotonic()
    while len(parts) < size:
        # By the clock and not only when nothing comes: who is watched could send a byte at a time.
        if watch and time.monotonic() - watched >= WATCH_SECONDS:
            watch()
            watched = time.monotonic()
        try:
            channel.settimeout(_patience(deadline, WATCH_SECONDS if watch else None))
            part = channel.recv(min(size - len(parts), 2**20))
        except TimeoutError:
            if deadline is not None and time.monotonic() >= deadline:
                raise
            continue
        except OSError as error:
            raise WireError(f"the channel is closed ({error})") from None
        if not part:
            raise WireError("the channel is closed")
        parts += part
    return bytes(parts)


def _patience(deadline: float | None, longest: float | None) -> float | None:
    """Returns the seconds to wait for more bytes; raises TimeoutError if none are left."""
    if deadline is None:
        return longest
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left if longest is None else min(left, longest)
