"""The loop with scripted replies on the real sandbox: no evidence, no answer."""

from pathlib import Path

import pytest

import sandbox
from agent import Done, Episode, EpisodeLimits, Retry, RunCode, Trajectory

CODE = "```python\n{}\n```"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = Path(tmp_path_factory.mktemp("files"), "pets.csv")
    path.write_text("Name,Weight (kg)\nRex,31.5\nMia,3.1\nBo,12\n")
    with sandbox.open([path]) as opened:
        yield opened


def play(session, replies, limits=None):
    episode = Episode("Who is heaviest?", session.profile(), limits)
    for reply in replies:
        action = episode.receive(reply)
        if isinstance(action, RunCode):
            episode.observe(session.run(action.code))
    return episode, action


HEAVIEST = CODE.format("print(df.loc[df['Weight (kg)'].idxmax(), 'Name'])")


def test_an_answer_found_in_real_output_is_verified_with_its_place(session):
    episode, action = play(session, [HEAVIEST, "Answer: Rex\nSummary: Rex is heaviest."])
    assert action == Done("verified")
    assert episode.trajectory().evidence.lines == ("Rex",)


def test_an_answer_without_running_anything_is_refused(session):
    episode, action = play(session, ["Answer: Rex"])
    assert isinstance(action, Retry) and not episode.done


def test_an_answer_after_an_error_is_refused(session):
    _, action = play(session, [HEAVIEST, CODE.format("print(df['nope'])"), "Answer: Rex"])
    assert isinstance(action, Retry)


def test_a_printed_guess_is_refused_as_the_codes_own_words(session):
    _, action = play(session, [CODE.format("print('Rex')"), "Answer: Rex"])
    assert isinstance(action, Retry) and "code itself wrote" in action.feedback


def test_a_wrong_column_is_answered_with_the_nearest_real_name(session):
    episode, _ = play(session, [CODE.format("print(df['Weight'].max())")])
    assert "Use 'Weight (kg)'" in episode.messages[-1]["content"]


def test_the_same_failing_code_is_not_run_twice(session):
    wrong = CODE.format("print(df['Weight'].max())")
    episode, action = play(session, [wrong, wrong])
    assert isinstance(action, Retry) and episode.steps == 1


def test_true_is_no_answer_to_which(session):
    _, action = play(session, [CODE.format("print((df['Weight (kg)'] > 3).any())"), "Answer: True"])
    assert isinstance(action, Retry) and "asks for a value" in action.feedback


def test_a_name_is_no_answer_to_a_yes_no_question(session):
    episode = Episode("Is Rex the heaviest?", session.profile())
    episode.observe(session.run(episode.receive(HEAVIEST).code))
    assert "yes/no question" in episode.receive("Answer: Rex").feedback


def test_repeating_a_refused_answer_ends_unverified(session):
    episode, action = play(session, [HEAVIEST, "Answer: Tom", "Answer: Tom"])
    assert action == Done("unverified")
    assert not episode.trajectory().verified


def test_steps_are_limited(session):
    episode, _ = play(session, [HEAVIEST], limits=EpisodeLimits(max_steps=1))
    assert "No steps are left" in episode.messages[-1]["content"]
    assert isinstance(episode.receive(HEAVIEST), Retry) and episode.steps == 1


def test_messages_only_grow_and_a_follow_up_goes_on_from_them(session):
    episode, _ = play(session, [HEAVIEST, "Answer: Rex\nSummary: Rex."])
    before = episode.messages
    following = Episode("And the lightest?", session.profile(), after=episode)
    assert following.messages[: len(before)] == before


def test_a_trajectory_survives_its_json_form(session):
    episode, _ = play(session, [HEAVIEST, "Answer: Rex\nSummary: Rex."])
    trajectory = episode.trajectory(seed=0)
    assert Trajectory.from_json(trajectory.to_json()) == trajectory
