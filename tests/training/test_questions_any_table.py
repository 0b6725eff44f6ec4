"""What holds for questions over any table at all, searched with hypothesis."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training import questions
from training.verify import compare

ROWS = 14
WORDS = [
    "Oslo",
    "oslo",
    "Rome, Italy",
    "yes",
    "12",
    "O'Brien",
    "Å land",
    "red",
    "blue",
    "green",
    "",
    "n/a",
    "$5",
]
NAMES = [
    "city",
    "Weight (kg)",
    "year",
    "unit_price",
    "Is it?",
    "id",
    "sold on",
    "a b c d e f",
    "order",
    "naïve",
]
CELLS = (
    st.sampled_from(WORDS),
    st.integers(-5, 5),
    st.integers(0, 1),
    st.integers(1990, 2025),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 2)),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.dates().map(str),
    st.integers(0, 10**6).map("${:,}".format),
    st.integers(0, 1000).map(lambda tenths: f"{tenths / 10}%"),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=12),
)


def columns():
    column = st.sampled_from(CELLS).flatmap(lambda cells: st.lists(cells, min_size=ROWS, max_size=ROWS))
    return st.dictionaries(st.sampled_from(NAMES), column, min_size=2, max_size=6)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(columns(), st.integers(0, 99))
def test_whatever_the_table_gold_is_the_same_again_and_is_accepted_as_an_answer(table, seed):
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        pd.DataFrame(table).to_csv(path, index=False)
        made = questions.generate([path], seed, 12)
        assert questions.generate([path], seed, 12) == made
        for question in made:
            comparison = compare(question.problem.answer, question.problem)
            assert comparison.official and comparison.strict
            assert question.problem.question.strip() == question.problem.question
            assert "{" not in question.problem.question
