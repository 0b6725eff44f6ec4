"""Frames between host, warm process and child: four bytes of length, then one JSON object.

A child runs code that nobody trusts, so a reader believes nothing: a frame has a longest length
and one deadline for the whole of it, and whatever is wrong with it is a `WireError`.
"""

import json
import socket
import struct
import time
from typing import Any

MAX_FRAME = 64 * 2**20
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


def receive(channel: socket.socket, seconds: float | None = None) -> dict[str, Any]:
    """Returns the next frame; `seconds` is the longest that all of it may take, None for ever.

    Raises WireError if the channel is closed or holds no frame, TimeoutError if time is over.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    (length,) = _LENGTH.unpack(_read(channel, _LENGTH.size, deadline))
    if length > MAX_FRAME:
        raise WireError(f"a frame of {length} bytes is longer than {MAX_FRAME}")
    try:
        message = json.loads(_read(channel, length, deadline))
    except (ValueError, RecursionError):
        raise WireError("a frame is not JSON") from None
    if not isinstance(message, dict):
        raise WireError("a frame is not a JSON object")
    return message


def _read(channel: socket.socket, size: int, deadline: float | None) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        try:
            channel.settimeout(None if deadline is None else _left(deadline))
            part = channel.recv(min(size - len(parts), 2**20))
        except TimeoutError:
            raise
        except OSError as error:
            raise WireError(f"the channel is closed ({error})") from None
        if not part:
            raise WireError("the channel is closed")
        parts += part
    return bytes(parts)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
