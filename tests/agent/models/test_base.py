"""Stop strings, cut out of a stream, and the usage record."""

from hypothesis import given
from hypothesis import strategies as st

from agent.models.base import Usage, until_stop

STOP = ("\n```\n", "Obs")
PIECES = st.lists(st.text("\n`Obsx", max_size=6), max_size=12)


@given(PIECES)
def test_a_stream_ends_before_the_first_stop_string_however_it_is_cut_into_pieces(pieces):
    whole, reply = "".join(pieces), "".join(until_stop(pieces, STOP))
    assert whole.startswith(reply)
    assert reply == "".join(until_stop([whole], STOP)) == "".join(until_stop(whole, STOP))
    assert not any(word in reply for word in STOP)


@given(PIECES)
def test_what_is_left_out_is_a_stop_string_or_the_beginning_of_one(pieces):
    whole, reply = "".join(pieces), "".join(until_stop(pieces, STOP))
    if left_out := whole[len(reply) :]:
        assert any(word.startswith(left_out) or left_out.startswith(word) for word in STOP)
    else:
        assert not any(whole.endswith(word[:length]) for word in STOP for length in range(1, len(word)))


def test_without_stop_strings_every_piece_passes_at_once():
    assert list(until_stop(["a", "", "b"], ())) == ["a", "", "b"]


def test_usage_between_two_moments_is_their_difference():
    before = Usage(10, 5, 3, 1.0, 0.5)
    spent = Usage(7, 70, 4, 2.0, 1.5)
    assert before + spent - before == spent
