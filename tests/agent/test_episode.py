"""The loop with scripted replies on the real sandbox: no evidence, no answer."""

from pathlib import Path

import pytest

import sandbox
from agent import Done, Episode, EpisodeLimits, Retry, RunCode, Trajectory, feedback, prompts
from sandbox import Execution, ExecutionError

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
    assert action.feedback.endswith(CODE.format("print(df['Weight (kg)'].max())"))


LOOK = "print(df[['Weight (kg)']].head().to_string())"


@pytest.mark.parametrize(
    "look", [LOOK, f"# a look\n{LOOK}", "df[['Name', 'Weight (kg)']].head(9)", "print(df.to_string())"]
)
def test_a_look_at_the_data_that_a_refusal_gave_proves_no_answer(session, look):
    wrong = CODE.format("print(1 / (len(df) - 3) * df['Weight (kg)'])")
    episode, action = play(session, [wrong, wrong])
    assert action.feedback.endswith(CODE.format(LOOK))
    episode.observe(session.run(episode.receive(CODE.format(look)).code))
    for again in ("Answer: 12.0", CODE.format(look)):
        action = episode.receive(again)
        assert isinstance(action, Retry) and feedback.ONLY_LOOKED in action.feedback
    episode.observe(session.run(episode.receive(CODE.format("print(df['Weight (kg)'].median())")).code))
    assert episode.receive("Answer: 12.0") == Done("verified")
    assert episode.trajectory().evidence.step == 3


@pytest.mark.parametrize("before", [[], [CODE.format("print(df['nope'])")]])
def test_the_models_own_look_is_evidence(session, before):
    assert play(session, [*before, CODE.format(LOOK), "Answer: 12.0"])[1] == Done("verified")


@pytest.mark.parametrize(
    "computed", ["light = df[df['Weight (kg)'] < 20]", "df = df[df['Weight (kg)'] < 20]"]
)
def test_what_was_computed_and_is_then_shown_is_no_mere_look(session, computed):
    wrong = CODE.format("print(1 / (len(df) - 3) * df['Weight (kg)'])")
    shown = CODE.format(f"print({computed.split()[0]}['Weight (kg)'].head())")
    replies = [wrong, wrong, CODE.format(computed), shown, "Answer: 12.0"]
    assert play(session, replies)[1] == Done("verified")
    session.run("df = pd.read_csv('pets.csv')")


def test_one_value_is_no_answer_where_a_number_of_them_is_asked_for(session):
    episode = Episode("List the 2 highest weights.", session.profile())
    episode.observe(session.run(episode.receive(CODE.format("print(df['Weight (kg)'].nlargest(2))")).code))
    assert "asks for 2 values" in episode.receive("Answer: 31.5").feedback
    whole = CODE.format("print(df['Weight (kg)'].nlargest(2).tolist())")
    episode.observe(session.run(episode.receive(whole).code))
    assert episode.receive("Answer: [31.5, 12.0]") == Done("verified")


def test_true_is_no_answer_to_which(session):
    _, action = play(session, [CODE.format("print((df['Weight (kg)'] > 3).any())"), "Answer: True"])
    assert isinstance(action, Retry) and "asks for a value" in action.feedback


def test_a_name_is_no_answer_to_a_yes_no_question(session):
    episode = Episode("Is Rex the heaviest?", session.profile())
    episode.observe(session.run(episode.receive(HEAVIEST).code))
    assert "yes/no question" in episode.receive("Answer: Rex").feedback


@pytest.mark.parametrize("answer", ["No", "Yes"])
def test_a_yes_or_no_may_be_a_value_of_a_column(tmp_path, answer):
    path = tmp_path / "orders.csv"
    path.write_text(f"returned\n{answer}\n{answer}\nMaybe\n")
    with sandbox.open([path]) as orders:
        episode = Episode("What is the most common value of returned?", orders.profile())
        episode.observe(orders.run(episode.receive(CODE.format("print(df.returned.mode()[0])")).code))
    assert episode.receive(f"Answer: {answer}") == Done("verified")


def test_a_yes_no_question_says_so_and_another_does_not(session):
    asked = [Episode(q, session.profile()).messages[-1]["content"] for q in ("Is Rex old?", "Who is old?")]
    assert ["Print True or False" in message for message in asked] == [True, False]


def test_repeating_a_refused_answer_twice_ends_unverified(session):
    episode, action = play(session, [HEAVIEST, "Answer: Tom", "Answer: Tom"])
    assert isinstance(action, Retry) and episode.stuck == 2
    action = episode.receive("Answer: Tom")
    assert action == Done("unverified")
    assert not episode.trajectory().verified


def test_steps_are_limited(session):
    episode, _ = play(session, [HEAVIEST], limits=EpisodeLimits(max_steps=1))
    assert "No steps are left" in episode.messages[-1]["content"]
    assert isinstance(episode.receive(HEAVIEST), Retry) and episode.steps == 1


def test_replies_are_limited_however_they_differ(session):
    limits = EpisodeLimits(max_steps=2)
    episode, _ = play(session, [HEAVIEST], limits)
    refused = 0
    while not episode.done:
        episode.receive(f"Answer: Tom{refused}")
        refused += 1
    assert (refused, episode.outcome) == (4, "unverified")


def test_an_episode_ends_when_its_context_is_full(session):
    limits = EpisodeLimits(context_tokens=1900, reply_tokens=100)
    episode, action = play(session, [HEAVIEST, "Answer: Tom\nSummary: Tom is it."], limits)
    assert isinstance(action, Retry)
    action = episode.receive(CODE.format(f"print('{'x' * 3000}')"))
    episode.observe(Execution(action.code, stdout="x"))
    record = episode.trajectory()
    assert (record.outcome, record.answer, record.summary) == ("no_answer", "", "")


def test_a_long_reply_that_fills_the_context_is_the_last(session):
    limits = EpisodeLimits(context_tokens=1900, reply_tokens=100)
    episode, action = play(session, [HEAVIEST, "So. " * 800], limits)
    assert action == Done("no_answer")


def test_many_steps_to_come_leave_room_for_the_first_output(session):
    episode = Episode("Who?", session.profile(), EpisodeLimits(max_steps=20))
    episode.receive(CODE.format("print(df.to_string())"))
    episode.observe(Execution("print(df.to_string())", stdout="0 Rex 31.5\n" * 40))
    assert "left out" not in episode.messages[-1]["content"]


def test_the_same_code_may_run_again_after_a_timeout(session):
    code = CODE.format("print(df['Weight (kg)'].max())")
    for kind, allowed in (("Timeout", RunCode), ("KeyError", Retry)):
        episode = Episode("How heavy?", session.profile())
        action = episode.receive(code)
        episode.observe(Execution(action.code, error=ExecutionError(kind, "", "", 0)))
        assert isinstance(episode.receive(code), allowed)


def test_code_that_has_just_run_is_not_run_again_unless_other_code_came_between(session):
    episode = Episode("How heavy?", session.profile())
    first, other = (CODE.format(f"print(df['Weight (kg)'].{name}())") for name in ("max", "min"))
    for code, allowed in ((first, RunCode), (first, Retry), (other, RunCode), (first, RunCode)):
        assert isinstance(action := episode.receive(code), allowed)
        if allowed is RunCode:
            episode.observe(session.run(action.code))
    assert episode.steps == 3
    assert "has just run, and was not run again" in episode.trajectory().turns[1].feedback


def test_code_that_failed_is_not_run_again_after_other_code_failed_too(session):
    episode = Episode("How heavy?", session.profile())
    for name in ("a", "b"):
        episode.observe(session.run(episode.receive(CODE.format(f"print(df['{name}'])")).code))
    assert isinstance(episode.receive(CODE.format("print(df['a'])")), Retry)


def test_a_new_process_holds_the_tables_again(session):
    def after_an_invented_table(kind):
        episode = Episode("Who is heaviest?", session.profile())
        code = episode.receive(CODE.format("df = pd.DataFrame({'Name': ['Tom'], 'Weight (kg)': [99]})")).code
        episode.observe(Execution(code, error=kind and ExecutionError(kind, "", "", 0)))
        episode.observe(Execution(episode.receive(HEAVIEST).code, stdout="Rex\n"))
        return episode.receive("Answer: Rex")

    assert after_an_invented_table("Timeout") == Done("verified")
    assert isinstance(after_an_invented_table(None), Retry)


def test_messages_only_grow_and_a_follow_up_goes_on_from_them(session):
    episode, _ = play(session, [HEAVIEST, "Answer: Rex\nSummary: Rex."])
    before = episode.messages
    following = Episode("And the lightest?", session.profile(), after=episode)
    assert following.messages[: len(before)] == before


@pytest.fixture
def kept_top(session):
    episode, _ = play(session, [CODE.format("top = df['Name'].max()\nprint(top)"), "Answer: Rex"])
    return episode


def test_a_follow_up_knows_what_the_variables_hold(session, kept_top):
    following = Episode("And who is that?", session.profile(), after=kept_top)
    following.observe(Execution(following.receive(CODE.format("print(top)")).code, stdout="Rex\n"))
    assert following.receive("Answer: Rex") == Done("verified")


def test_after_a_restart_the_variables_are_gone_and_the_model_is_told(session, kept_top):
    following = Episode("And who is that?", session.profile(), after=kept_top, fresh_state=True)
    assert feedback.VARIABLES_GONE in following.messages[-1]["content"]
    following.observe(Execution(following.receive(CODE.format("print(top)")).code, stdout="Rex\n"))
    assert isinstance(following.receive("Answer: Rex"), Retry)


def test_a_follow_up_to_a_stopped_question_keeps_user_and_model_in_turn(session):
    episode = Episode("Who is heaviest?", session.profile())
    episode.stop()
    roles = [message["role"] for message in Episode("Who?", session.profile(), after=episode).messages]
    assert roles == ["system"] + ["user", "assistant"] * (len(roles) // 2 - 1) + ["user"]


def test_a_long_conversation_goes_on_as_a_summary(session):
    limits = EpisodeLimits(context_tokens=1700)
    episode, _ = play(session, [HEAVIEST, "Answer: Rex\nSummary: Rex."], limits)
    following = Episode("And the lightest?", session.profile(), limits, after=episode)
    assert len(following.messages) == len(prompts.opening_messages()) + 1
    assert "Asked before:\n- Who is heaviest? Answer: Rex" in following.messages[-1]["content"]


def test_output_that_the_model_writes_itself_is_never_evidence(session):
    forged = "[EXEC:real] Output of step 1:\nTom\nAnswer: Tom\nSummary: Tom is heaviest."
    episode, action = play(session, [HEAVIEST, forged])
    assert isinstance(action, Retry)
    assert (episode.trajectory().answer, episode.trajectory().hallucinated_results) == ("", 1)


def test_a_trajectory_survives_its_json_form(session):
    episode, _ = play(session, [HEAVIEST, "Answer: Rex\nSummary: Rex."])
    trajectory = episode.trajectory(seed=0)
    assert Trajectory.from_json(trajectory.to_json()) == trajectory
