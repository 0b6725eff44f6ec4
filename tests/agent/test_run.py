"""Driving episodes: events in order, Stop, failures, and many at once."""

import _thread
import threading
import time

import pytest

import sandbox
from agent.models import ModelError
from agent.run import (
    STUCK_TEMPERATURE,
    Finished,
    Ran,
    Running,
    Waiting,
    Writing,
    events,
    new_episode,
    run,
    run_many,
)

from .conftest import ScriptedModel

HEAVIEST = "```python\nprint(df.loc[df['Weight (kg)'].idxmax(), 'Name'])"
ANSWER = "Answer: Rex\nSummary: Rex is heaviest."


class Gone:
    """A session whose process cannot be started any more."""

    def run(self, code):
        raise sandbox.SandboxError("the process is gone")


def ask(session, model):
    return new_episode("Who is heaviest?", session.profile(), model)


def test_the_events_tell_each_step_and_end_with_the_trajectory(pets):
    model = ScriptedModel(HEAVIEST, ANSWER)
    seen = list(events(ask(pets, model), model, pets))
    assert [type(e) for e in seen if not isinstance(e, Waiting)] == [
        Writing, Writing, Running, Ran, Writing, Writing, Finished,
    ]  # fmt: skip
    trajectory = seen[-1].trajectory
    assert trajectory.verified and trajectory.answer == "Rex"
    assert trajectory.run["seconds"] >= trajectory.run["sandbox_seconds"] > 0


def test_the_same_replies_give_the_same_messages(pets, pets_csv):
    first = run(ask(pets, model := ScriptedModel(HEAVIEST, ANSWER)), model, pets)
    second = run(ask(pets, model := ScriptedModel(HEAVIEST, ANSWER)), model, pets)
    assert first.messages == second.messages


def test_closing_the_events_kills_an_endless_step_within_a_second(pets):
    model = ScriptedModel("```python\nwhile True: pass")
    episode = ask(pets, model)
    stream = events(episode, model, pets)
    while not isinstance(next(stream), Running):
        pass
    next(stream)
    start = time.monotonic()
    stream.close()
    assert time.monotonic() - start < 1
    assert episode.outcome == "stopped"
    assert not pets.alive


def test_a_model_that_waits_lets_the_consumer_stop(pets):
    model = ScriptedModel(HEAVIEST, delay=30)
    episode = ask(pets, model)
    stream = events(episode, model, pets)
    assert isinstance(next(stream), Waiting)
    stream.close()
    assert episode.outcome == "stopped" and len(model.replies) == 1


def test_ctrl_c_does_not_wait_for_the_step(pets):
    model = ScriptedModel("```python\nwhile True: pass")
    episode = ask(pets, model)
    stream = events(episode, model, pets)
    while not isinstance(next(stream), Running):
        pass
    start = time.monotonic()
    threading.Timer(0.5, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        for _ in stream:
            pass
    assert time.monotonic() - start < 5
    assert episode.outcome == "stopped"


def test_a_sandboxs_failure_ends_the_episode_with_its_reason(pets):
    trajectory = run(ask(pets, model := ScriptedModel(HEAVIEST)), model, Gone())
    assert (trajectory.outcome, trajectory.summary) == ("failed", "the process is gone")


def test_a_models_failure_ends_the_episode_with_its_reason(pets):
    class Broken(ScriptedModel):
        def stream(self, conversation, **sampling):
            raise ModelError("the server is gone")
            yield

    trajectory = run(ask(pets, model := Broken()), model, pets)
    assert (trajectory.outcome, trajectory.summary) == ("failed", "the server is gone")


def test_a_refused_reply_is_followed_by_a_sampled_one(pets):
    wrong = "```python\nprint(df['Weight'].max())"
    model = ScriptedModel(wrong, wrong, HEAVIEST, ANSWER)
    assert run(ask(pets, model), model, pets).verified
    assert [asked["temperature"] for asked in model.asked] == [0, 0, STUCK_TEMPERATURE, 0]


def test_the_more_replies_are_refused_the_more_freely_the_next_is_sampled(pets):
    wrong = "```python\nprint(df['Weight'].max())"
    model = ScriptedModel(wrong, wrong, wrong, HEAVIEST, ANSWER)
    assert run(ask(pets, model), model, pets).verified
    _, _, first, second, last = [asked["temperature"] for asked in model.asked]
    assert 0 == last < first == STUCK_TEMPERATURE < second


def test_many_episodes_share_their_batches_and_keep_their_order(pets):
    lightest = HEAVIEST.replace("idxmax", "idxmin")
    # In turn: both jobs, then the first alone, as the second was refused, then the second, sampled.
    model = ScriptedModel(HEAVIEST, "Answer: Mia", ANSWER, lightest, "Answer: Mia")
    jobs = [(ask(pets, model), pets), (new_episode("Who is lightest?", pets.profile(), model), pets)]
    done = []
    trajectories = run_many(jobs, model, on_done=lambda index, _: done.append(index))
    assert [(t.question, t.answer, t.verified) for t in trajectories] == [
        ("Who is heaviest?", "Rex", True),
        ("Who is lightest?", "Mia", True),
    ]
    assert done == [0, 1]


def test_a_sandboxs_failure_ends_only_its_own_episode_of_many(pets):
    model = ScriptedModel(HEAVIEST, HEAVIEST, ANSWER)
    trajectories = run_many([(ask(pets, model), Gone()), (ask(pets, model), pets)], model)
    assert [t.outcome for t in trajectories] == ["failed", "verified"]
    assert trajectories[0].summary == "the process is gone"
