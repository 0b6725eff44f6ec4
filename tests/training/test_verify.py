"""The evidence-bound chain and its comparisons, on trajectories from the real sandbox."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.answers import ANSWER_TYPES
from tests.agent.conftest import ScriptedModel
from training.problems import Problem
from training.verify import compare, official, strict, verify

WHO, REX = "Who is the heaviest?", "print(df.loc[df['Weight (kg)'].idxmax(), 'Name'])"
MEAN = "What is the mean weight?"


def asked(answer_type, gold, question="", choices=None):
    return Problem("p", question, (), gold, answer_type, choices or {})


# The chain


def test_an_answer_in_real_output_is_decided_by_that_output(play, problem):
    verdict = verify(play(WHO, REX, "Answer: Rex"), problem(WHO, "Rex", "category"))
    assert (verdict.link, verdict.value, verdict.step) == ("stdout", "Rex", 1)
    assert verdict.official and verdict.strict and verdict.grounded and verdict.executed


def test_a_right_answer_that_nothing_supports_is_right_but_not_grounded(play, problem):
    verdict = verify(play(WHO, "Answer: Rex", "Answer: Rex"), problem(WHO, "Rex", "category"))
    assert (verdict.link, verdict.strict, verdict.grounded, verdict.executed) == (
        "answer",
        True,
        False,
        False,
    )


def test_a_printed_guess_supports_nothing(play, problem):
    trajectory = play(WHO, "print('Rex')", "Answer: Rex", "Answer: Rex")
    assert not verify(trajectory, problem(WHO, "Rex", "category")).grounded


def test_output_before_a_failed_step_supports_nothing(play, problem):
    trajectory = play(WHO, REX, "df['nope']", "Answer: Rex", "Answer: Rex")
    assert not verify(trajectory, problem(WHO, "Rex", "category")).grounded


def test_what_a_trajectory_says_of_itself_is_not_believed(play, problem):
    lie = replace(play(WHO, "print('Rex')"), answer="Rex", outcome="verified")
    assert not verify(lie, problem(WHO, "Rex", "category")).grounded


def test_without_an_answer_nothing_is_right(play, problem):
    verdict = verify(play(WHO, REX), problem(WHO, "nan", "category"))
    assert (verdict.link, verdict.official, verdict.strict) == ("none", False, False)


def test_a_model_reads_the_value_where_the_answer_has_no_shape(play, problem):
    trajectory = play(
        MEAN, "df['Weight (kg)'].mean()", "Answer: about thirteen kilos", "Answer: about 13 kilos"
    )
    extractor = ScriptedModel("Answer: 12.75")
    verdict = verify(trajectory, problem(MEAN, "12.75", "number"), extractor)
    assert (verdict.link, verdict.value, verdict.strict) == ("extraction", "12.75", True)


@pytest.mark.parametrize("reply", ["13.5", "NONE", "", "the mean"])
def test_what_the_model_reads_must_stand_in_the_output(play, problem, reply):
    trajectory = play(MEAN, "df['Weight (kg)'].mean()", "Answer: about thirteen", "Answer: about thirteen")
    verdict = verify(trajectory, problem(MEAN, "13.5", "number"), ScriptedModel(reply))
    assert (verdict.link, verdict.strict, verdict.grounded) == ("none", False, False)


def test_the_model_is_not_asked_where_the_answer_reads(play, problem):
    verdict = verify(play(WHO, REX, "Answer: Tom"), problem(WHO, "Rex", "category"), ScriptedModel())
    assert verdict.link == "answer" and not verdict.strict


def test_the_model_is_not_asked_where_nothing_ran(play, problem):
    trajectory = play(MEAN, "Answer: about thirteen", "Answer: about thirteen")
    assert verify(trajectory, problem(MEAN, "12.75", "number"), ScriptedModel()).link == "none"


def test_a_letter_is_grounded_by_its_choice_in_the_output(play, problem):
    question = "What is the total weight? A. 50 B. 51 C. 52"
    choices = {"A": "50", "B": "51", "C": "52"}
    trajectory = play(question, "df['Weight (kg)'].sum()", "Answer: B", "Answer: B")
    verdict = verify(trajectory, problem(question, "B", "letter", choices=choices))
    assert (verdict.link, verdict.official, verdict.strict) == ("stdout", True, True)
    guess = verify(replace(trajectory, answer="C"), problem(question, "C", "letter", choices=choices))
    assert guess.official and not guess.grounded


def test_a_closed_form_is_grounded_by_all_its_fields(play, problem):
    question = "Mean and maximum?"
    code = "print(df['Weight (kg)'].mean(), df['Weight (kg)'].max())"
    gold = problem(question, "@mean[12.75], @max[31.50]", "closed")
    verdict = verify(play(question, code, "Answer: @mean[12.75] @max[31.5]"), gold)
    assert (verdict.link, verdict.official, verdict.strict) == ("stdout", True, True)
    assert verify(play(question, code, "Answer: @mean[12.75]", "Answer: @mean[12.75]"), gold).link == "none"


# The strict rule


@pytest.mark.parametrize(
    ("answer", "gold", "answer_type"),
    [
        ("yes", "True", "boolean"),
        ("3.15", "3.149", "number"),  # rounded; the official rule cuts
        ("45%", "0.45", "number"),
        ("45.3%", "0.4527", "number"),
        ("45%", "45", "number"),
        ("1e-5", "0.00001", "number"),
        ("[50%, 25%]", "[0.25, 0.5]", "list[number]"),
        ("west", "West", "category"),
        ("2021-03-04", "2021-03-04 00:00:00", "category"),
        ("['b, c', 'a']", "['a', 'b, c']", "list[category]"),
        ("[]", "", "list[number]"),
    ],
)
def test_strictly_right(answer, gold, answer_type):
    assert strict(answer, gold, answer_type) and strict(gold, answer, answer_type)


@pytest.mark.parametrize(
    ("answer", "gold", "answer_type"),
    [
        ("3.14", "3.149", "number"),  # cut, not rounded
        ("3.1", "3.14159", "number"),
        ("0.00", "0.004", "number"),
        ("3", "3.2", "number"),
        ("45%", "0.54", "number"),
        ("['a', 'a', 'b']", "['a', 'b', 'b']", "list[category]"),  # the official rule compares sets
        ("[1, 1, 2]", "[1, 2, 2]", "list[number]"),
        ("4 or 2", "42", "number"),  # the official rule keeps the digits
        ("None", "Oslo", "category"),
    ],
)
def test_strictly_wrong(answer, gold, answer_type):
    assert not strict(answer, gold, answer_type) and not strict(gold, answer, answer_type)


def test_the_rules_differ_where_they_should():
    assert official("3.14", "3.149", "number") and not official("3.15", "3.149", "number")
    assert official("['a', 'a', 'b']", "['a', 'b', 'b']", "list[category]")
    assert official("45%", "45", "number") and not official("45%", "0.45", "number")
    assert not official("oslo", "Oslo", "category")


@given(st.text(), st.sampled_from(ANSWER_TYPES))
def test_neither_rule_raises_and_both_are_sure_of_equal_text(text, answer_type):
    assert official(text, "Oslo", answer_type) in (True, False)
    if official(text, text, answer_type) and answer_type in ("boolean", "category"):
        assert strict(text, text, answer_type) or text.strip("[]'\" ") in ("y", "Y", "n", "N")


@given(st.floats(-1e9, 1e9), st.integers(2, 8))
def test_a_rounding_to_two_or_more_decimals_is_right(value, decimals):
    rounded = f"{value:.{decimals}f}"
    assert strict(rounded, repr(value), "number") or float(rounded) == 0


@given(st.lists(st.floats(-1e6, 1e6).map(lambda x: round(x, 2)), min_size=1), st.randoms())
def test_the_order_of_a_list_does_not_matter_but_its_length_does(values, random):
    shuffled = random.sample(values, len(values))
    assert strict(str(shuffled), str(values), "list[number]")
    assert not strict(str([*shuffled, values[0]]), str(values), "list[number]")


# Letters and closed forms

PRICES = {"A": "$63,351", "B": "$63,355", "C": "$63,360"}


@pytest.mark.parametrize("answer", ["B", "b", "(B)", "B.", "B. $63,355", "Option B", "[B]", "B: 63355"])
def test_a_letter_is_read_in_the_ways_it_is_written(answer):
    right = compare(answer, asked("letter", "B", choices=PRICES))
    assert right.official and right.strict


def test_a_choices_value_counts_as_that_choice_by_our_rule_only():
    right = compare("63,355", asked("letter", "B", choices=PRICES))
    assert right.strict and not right.official


@pytest.mark.parametrize("answer", ["A", "Bob", "B. $63,351", "63,354", "A B C", "D", ""])
def test_other_answers_are_not_that_choice(answer):
    assert not compare(answer, asked("letter", "B", choices=PRICES)).strict


def test_the_nearest_choice_counts_only_where_the_closest_is_asked_for():
    choices = {"A": "10%", "B": "20%", "C": "30%"}
    assert compare("21.3%", asked("letter", "B", "Which is closest to the rate?", choices)).strict
    assert not compare("21.3%", asked("letter", "B", "What is the rate?", choices)).strict


@pytest.mark.parametrize(
    ("answer", "official", "strict"),
    [
        ("@mean[34.65], @who[Rex]", True, True),
        ("@who[Rex] @mean[34.6500000001]", True, True),
        ("@mean[34.65], @who[rex]", False, True),
        ("@mean[34.65]", False, False),
        ("@mean[34.6], @who[Rex]", False, False),
        ("34.65, Rex", False, False),
    ],
)
def test_closed_forms_compare_field_by_field(answer, official, strict):
    right = compare(answer, asked("closed", "@mean[34.65], @who[Rex]"))
    assert (right.official, right.strict) == (official, strict)
