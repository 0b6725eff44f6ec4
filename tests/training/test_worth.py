"""Right answers that are not worth learning: lucky code, and Summaries that say nothing."""

import pytest

from training.worth import objection

DOGS, NAMES = "How many dogs are older than 5?", "Which pets are the two heaviest?"
VAGUE, LUCKY = "Summary does not state the answer", "code does not work out what is asked for"
NO_CAT, HIGHER = "Does a cat weigh more than 10 kg?", "Is the average of A higher than that of B?"


@pytest.mark.parametrize(
    ("question", "answer", "kind", "summary"),
    [
        (DOGS, "1200", "number", "There are 1,200 dogs older than 5."),
        (DOGS, "0", "number", "No dogs are older than 5."),
        ("Who owns Rex?", "Ana", "category", "Ana is the one who owns Rex."),
        (NAMES, "['Rex', 'Bo']", "list[category]", "The two heaviest pets are Rex and Bo."),
        (NAMES, str(["Rex"] * 6), "list[category]", "Six pets are the heaviest."),
        (NO_CAT, "False", "boolean", "No cat weighs more than 10 kg."),
        (NO_CAT, "True", "boolean", "A cat weighs more than 10 kg."),
        (HIGHER, "False", "boolean", "The average of A is lower than that of B."),
        ("Is no dog missing?", "True", "boolean", "No dog is missing."),
    ],
)
def test_a_summary_that_states_the_answer_is_worth_learning(question, answer, kind, summary):
    assert objection(question, answer, kind, "print(df.mean())", summary) == ""


@pytest.mark.parametrize(
    ("question", "answer", "kind", "summary"),
    [
        (DOGS, "2", "number", "No steps are left."),
        (DOGS, "2", "number", "The answer is 2."),
        (DOGS, "2", "number", "The number of dogs was printed."),
        (DOGS, "0", "number", "There are dogs older than 5."),
        ("Who owns Rex?", "Ana", "category", "Ana."),
        (NAMES, "['Rex', 'Bo']", "list[category]", "The heaviest pets are Rex and others."),
        (NO_CAT, "True", "boolean", "No cat weighs more than 10 kg."),
        (NO_CAT, "False", "boolean", "A cat weighs more than 10 kg."),
        (HIGHER, "True", "boolean", "The average of A is not higher."),
        (NO_CAT, "False", "boolean", "No steps are left."),
    ],
)
def test_a_summary_that_says_something_else_is_not(question, answer, kind, summary):
    assert objection(question, answer, kind, "print(df)", summary) == VAGUE


@pytest.mark.parametrize(
    ("question", "code", "reason"),
    [
        (HIGHER, "print((df['A'] > df['B']).any())", LUCKY),
        (HIGHER, "print(df['A'].mean() > df['B'].mean())", ""),
        ("Who has the highest Average Score?", "print(df.loc[df['Average Score'].idxmax(), 'Name'])", ""),
        ("How many unique names are there?", "print(len(df['Name']))", LUCKY),
        ("How many unique names are there?", "print(len(set(df['Name'])))", ""),
        ("What percentage are dogs?", "print(len(df))", LUCKY),
        ("What percentage are dogs?", "print((df['Species'] == 'dog').mean() * 100)", ""),
    ],
)
def test_code_that_cannot_have_worked_out_what_is_asked_for_was_lucky(question, code, reason):
    summary = f"True: {question}"
    assert objection(question, "True", "boolean", code, summary) == reason


@pytest.mark.parametrize(
    "code", ["df = pd.read_csv('a.csv')\nprint(len(df))", "print(len(open('a.csv').read()))"]
)
def test_code_that_reads_a_file_is_not_worth_learning(code):
    reason = "code reads a file, though the tables are loaded"
    assert objection("How many rows are there?", "3", "number", code, "There are 3 rows.") == reason
    plain = "print(len(df[df['opened'] > 1]))"
    assert objection("How many rows are there?", "3", "number", plain, "There are 3 rows.") == ""
