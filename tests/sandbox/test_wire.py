"""Frames: what is sent arrives, and what is not a frame never hangs or surprises the reader."""

import contextlib
import socket
import struct
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import wire

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@given(st.dictionaries(st.text(), VALUES))
def test_any_message_arrives_as_it_was_sent(message):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire.send(theirs, message, seconds=5)
        assert wire.receive(ours, seconds=5) == message


@given(st.binary(max_size=300))
def test_random_bytes_are_an_object_or_a_wire_error(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        with contextlib.suppress(wire.WireError):
            assert isinstance(wire.receive(ours, seconds=5), dict)


@given(st.binary(max_size=300))
def test_a_frame_of_random_bytes_is_an_object_or_a_wire_error(body):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack(">I", len(body)) + body)
        with contextlib.suppress(wire.WireError):
            assert isinstance(wire.receive(ours, seconds=5), dict)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"[]", b"1", b'"text"', b"", b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_what_is_not_a_json_object_is_refused(pair, body):
    ours, theirs = pair
    theirs.sendall(struct.pack(">I", len(body)) + body)
    with pytest.raises(wire.WireError):
        wire.receive(ours, seconds=5)


def test_a_frame_of_too_many_values_is_refused_before_they_are_made(pair):
    ours, theirs = pair
    body = b'{"a": [' + b"[]," * wire.MAX_VALUES + b"1]}"
    threading.Thread(target=theirs.sendall, args=(struct.pack(">I", len(body)) + body,)).start()
    with pytest.raises(wire.WireError, match="values"):
        wire.receive(ours, seconds=5)


def test_a_giant_length_is_refused_before_its_bytes_are_awaited(pair):
    ours, theirs = pair
    theirs.sendall(b"\xff\xff\xff\xff")
    with pytest.raises(wire.WireError, match="longer than"):
        wire.receive(ours)


def test_a_closed_channel_is_a_wire_error_in_both_directions(pair):
    ours, theirs = pair
    theirs.close()
    with pytest.raises(wire.WireError):
        wire.receive(ours, seconds=5)
    with pytest.raises(wire.WireError):
        wire.send(ours, {}, seconds=5)


def test_one_deadline_holds_for_a_frame_that_trickles(pair):
    ours, theirs = pair
    done = threading.Event()

    def trickle():
        theirs.sendall(struct.pack(">I", 1000))
        while not done.wait(0.05):
            theirs.sendall(b" ")

    thread = threading.Thread(target=trickle)
    thread.start()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        wire.receive(ours, seconds=0.3)
    done.set()
    thread.join()
    assert time.monotonic() - started < 5


def test_who_watches_can_end_the_wait_even_while_bytes_trickle(pair):
    ours, theirs = pair
    done = threading.Event()

    def trickle():
        theirs.sendall(struct.pack(">I", 10_000))
        while not done.wait(0.01):
            theirs.sendall(b" ")

    def watch():
        raise InterruptedError

    thread = threading.Thread(target=trickle)
    thread.start()
    with pytest.raises(InterruptedError):
        wire.receive(ours, seconds=30, watch=watch)
    done.set()
    thread.join()


def test_a_reader_that_does_not_read_ends_in_a_timeout(pair):
    ours, _ = pair
    with pytest.raises(TimeoutError):
        wire.send(ours, {"text": "x" * 10_000_000}, seconds=0.2)


def test_a_message_that_is_too_long_is_not_sent(pair, monkeypatch):
    monkeypatch.setattr(wire, "MAX_FRAME", 10)
    with pytest.raises(wire.WireError, match="longer than"):
        wire.send(pair[0], {"text": "longer"})


def test_two_frames_in_a_row_are_two_messages(pair):
    ours, theirs = pair
    for number in (1, 2):
        wire.send(theirs, {"n": number})
    assert [wire.receive(ours)["n"] for _ in range(2)] == [1, 2]
