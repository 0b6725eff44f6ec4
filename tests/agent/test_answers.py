"""Typed answers: reading, comparing, and finding a value in output."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.answers import ANSWER_TYPES, Number, find, parse, same

READ = {
    "$1,204.50": Number(1204.5, 2),
    "-$3": Number(-3.0),
    "45%": Number(45.0, 0, percent=True),
    "1e-5": Number(1e-5, 5),
    ".5": Number(0.5, 1),
    "yes": True,
    "False": False,
    "West": "West",
    "2021-03-04": "2021-03-04",
    "['b, c', 'a']": ("b, c", "a"),
    "1e-" + "1" * 4400: "1e-" + "1" * 4400,
    "[1, 2.5]": (Number(1.0), Number(2.5, 1)),
}


@pytest.mark.parametrize("text", READ)
def test_an_answer_is_read_as_what_it_looks_like(text):
    assert parse(text) == READ[text]


@pytest.mark.parametrize(
    ("answer", "gold", "answer_type"),
    [
        ("yes", "True", "boolean"),
        ("3.14", "3.14159", "number"),
        ("7,494", "7494.0", "number"),
        ("west", "West", "category"),
        ("['Whismur']", "Whismur", "category"),
        ("a, b and c", "['c', 'b', 'a']", "list[category]"),
        ("[1.0, 2]", "[2, 1]", "list[number]"),
        ("", "[]", "list[number]"),
        ("[ 389.  649. 1249.]", "[1249.0, 649.0, 389.0]", "list[number]"),
        ("2021-03-04", "2021-03-04 00:00:00", "category"),
        ("Trinidad and Tobago", "['Trinidad and Tobago']", "list[category]"),
        ("Oslo, Trinidad and Tobago", "['Trinidad and Tobago', 'Oslo']", "list[category]"),
        ("('Rex')", "['Rex']", "list[category]"),
        ("[1.5, nan]", "[1.5, nan]", "list[number]"),
    ],
)
def test_answers_that_mean_the_same(answer, gold, answer_type):
    assert same(answer, gold, answer_type)


@pytest.mark.parametrize(
    ("answer", "gold", "answer_type"),
    [
        ("1", "True", "boolean"),
        ("3", "3.4", "number"),
        ("0.0", "0.04", "number"),
        ("45%", "0.45", "number"),
        ("East", "West", "category"),
        ("['a']", "['a', 'a']", "list[category]"),
        ("Trinidad and Tobago", "['Tobago']", "list[category]"),
        ("North", "42", "number"),
    ],
)
def test_answers_that_do_not(answer, gold, answer_type):
    assert not same(answer, gold, answer_type)


@pytest.mark.parametrize(
    ("answer", "output", "line"),
    [
        ("1204.5", "total\n1204.4999", 1),
        ("45%", "share 0.4512", 0),
        ("1,235", "1234.56", 0),
        ("42 orders", "42", 0),
        ("North", "South 1\nnorth  3", 1),
        ("Yes", "True", 0),
        ("True", "any above 10: True", 0),
        ("False", "(checked)\n[False]", 1),
        ("Smith, John", "Smith, John  3", 0),
        ("[]", "[]", 0),
        (r"['a \xa0b']", r"['a \xa0b']", 0),
    ],
)
def test_a_value_is_found_in_its_line(answer, output, line):
    assert [match.line for match in find(answer, output)] == [line]


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("3", "3.4"),
        ("0", "0.3"),
        ("Nor", "North"),
        ("4", "14 40"),
        ("True", "untrue"),
        ("True", "returned\nNo     41\nYes     9"),
        ("True", "0    False\n1     True"),
        ("True", "False  3\nTrue"),
        ("Yes", "No\nYes"),
        ("True", "a      b\nTrue   False"),
        ("No", "No rows are missing"),
        ("['a', 'a']", "a 1\nb 2"),
        ("['a', 'c']", "a 1\nb 2"),
        ("The region is North", "North"),
        ("@mean[3.5], @who[Oslo]", "3.5"),
        ("", "anything"),
    ],
)
def test_what_is_not_there_is_not_found(answer, output):
    assert find(answer, output) == []


def test_a_closed_form_is_found_by_all_its_fields():
    matches = find("@mean[3.5], @who[Oslo]", "Oslo\nmean 3.4999")
    assert sorted(match.line for match in matches) == [0, 1]


def test_a_rounding_may_be_asked_to_keep_more_decimals():
    assert same("3.1", "3.14159", "number") and not same("3.1", "3.14159", "number", min_decimals=2)


@given(st.text())
def test_any_answer_equals_itself_or_is_not_of_the_type(text):
    for answer_type in ANSWER_TYPES:
        assert parse(text, answer_type) is None or same(text, text, answer_type)


@given(st.floats(-1e9, 1e9), st.integers(1, 6))
def test_a_number_is_found_by_any_of_its_roundings(value, decimals):
    assert find(f"{value:.{decimals}f}", f"the value is {value!r} here")


@given(st.text(), st.text())
def test_find_never_raises_and_points_into_the_output(answer, output):
    lines = output.split("\n")
    for match in find(answer, output):
        assert 0 <= match.start < match.end <= len(lines[match.line])
