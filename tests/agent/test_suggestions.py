"""Suggested questions are about the tables, and each has been answered in the sandbox."""

from pathlib import Path

import pytest

import sandbox
from agent import suggestions

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"


def suggested(*files):
    with sandbox.open(files) as session:
        return suggestions.answered(session, session.profile())


@pytest.mark.parametrize("name", ["sales.csv", "employees.csv", "students.csv", "grades.csv"])
def test_an_example_has_four_questions_of_its_columns(name):
    found = suggested(EXAMPLES / name)
    assert len({one.question for one in found}) == 4
    with sandbox.open([EXAMPLES / name]) as session:
        assert all(session.run(one.code).error is None for one in found)
        columns = {column.name.replace("_", " ") for column in session.profile()[0].columns}
    assert sum(any(column in one.question for column in columns) for one in found) >= 3


def test_two_tables_that_join_have_a_question_of_both():
    first, *_ = suggested(EXAMPLES / "students.csv", EXAMPLES / "grades.csv")
    assert ".merge(" in first.code


def test_what_fails_or_prints_nothing_is_not_offered(tmp_path):
    file = tmp_path / "odd.csv"
    file.write_text("name,when,n\n" + "".join(f"p{i},,{'' if i else 3}\n" for i in range(9)))
    found = suggested(file)
    assert found and all("correlated" not in one.question for one in found)


def test_columns_that_number_or_name_things_are_not_averaged(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text(
        "customer_id,zip code,kind,price\n" + "".join(f"{i},{i * 7},k{i % 3},{i * 2}\n" for i in range(20))
    )
    found = suggested(file)
    assert found[0].question == "Which kind has the highest average price?"
    assert all("customer_id" not in one.question and "zip" not in one.question for one in found)


def test_names_with_quotes_and_line_breaks_do_no_harm(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('"it\'s ""a""","b\nc"\n' + "".join(f"x{i % 3},{i}\n" for i in range(20)))
    found = suggested(file)
    assert len(found) >= 3 and all("\n" not in one.question for one in found)


def test_very_large_tables_are_not_kept_busy(monkeypatch):
    monkeypatch.setattr(suggestions, "MOST_ROWS", 3)
    assert suggested(EXAMPLES / "sales.csv") == []
