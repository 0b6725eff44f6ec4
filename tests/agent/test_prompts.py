"""What the model is shown fits its context, says what was left out, and helps after an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import Episode, EpisodeLimits, prompts
from sandbox import ColumnProfile, Execution, TableProfile


def count(text):
    return len(text) // 3 + 1


def table(*names, name="sales", **changes):
    columns = tuple(
        ColumnProfile(n, "int64", "number", missing=0, distinct=9, minimum="1", maximum="9") for n in names
    )
    return TableProfile(name, f"{name}.csv", rows=10, columns=columns, **changes)


def test_a_wide_tables_card_fits_and_keeps_the_columns_that_are_asked_for():
    wide = table(*(f"measure_{i}" for i in range(1000)), "total revenue")
    card = prompts.table_card([wide], "What is the highest revenue?", 600, count)
    assert count(card) <= 650
    assert "- 'total revenue': number, 1 to 9" in card
    assert "more columns, not shown" in card


def test_a_very_long_column_name_does_not_hide_the_others():
    card = prompts.table_card([table("x" * 6000, "price")], "What is the x?", 600, count)
    assert "- 'price': number, 1 to 9" in card and "and 1 more columns, not shown" in card


def test_the_card_of_very_many_tables_fits_and_counts_those_left_out():
    months = [table("day", "amount", name=f"month_{i}") for i in range(200)]
    card = prompts.table_card(months, "What is the total?", 900, count)
    assert count(card) <= 1000
    assert "Table `month_0`" in card and "more tables, not described: month_10" in card
    assert "To join" not in card


@given(st.lists(st.text(max_size=30), min_size=1, max_size=200), st.integers(100, 900))
def test_a_card_never_passes_its_budget_by_much(names, budget):
    assert count(prompts.table_card([table(*names)], "How many?", budget, count)) <= budget + 60


def test_text_that_looks_like_money_is_named_as_text():
    column = ColumnProfile("price", "str", "text", 0, 40, values=("$1,249.00", "$3.10"))
    assert "[^0-9.-]" in prompts.column_line(column)


@pytest.mark.parametrize(
    ("question", "verdict"),
    [
        ("Is Rex the heaviest?", True),
        ("Are there cats if we leave out Mia?", True),
        ("Are there owners who have two cats?", True),
        ("Does the dog with the longest name weigh most?", True),
        ("Who is the heaviest?", False),
        ("Can you tell me the total revenue?", None),
        ("Would you give me the mean?", None),
        ("Can I see the top 3?", None),
        ("Do a count of the rows.", None),
        ("Find out whether any cat is heavy.", None),
        ("Is it a cat or a dog?", None),
    ],
)
def test_only_a_plain_yes_no_question_is_taken_for_one(question, verdict):
    assert prompts.is_yes_no(question) is verdict


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ("List the 6 highest power values.", 6),
        ("What are the 5 highest amount of pictures?", 5),
        ("Which are the top 3 organizations?", 3),
        ("Name the three oldest pets.", 3),
        ("Which 2 kinds of patents are the most prevalent?", 2),
        ("What is the average of the top 5 scores?", 0),
        ("How many of the 3 oldest pets are cats?", 0),
        ("Do the top 3 weigh more than 10 kg?", 0),
        ("List the owners.", 0),
        ("What are the word counts of the 3 longest posts?", 3),
        ("Which pet has the top 2 scores?", 0),
    ],
)
def test_a_number_of_values_is_read_only_where_the_question_lists_them(question, count):
    assert prompts.items_asked(question) == count


@given(st.text(max_size=5000), st.integers(60, 400))
def test_long_output_is_cut_in_the_middle_and_says_so(text, budget):
    clipped = prompts.clip(text, budget, count)
    assert clipped == text or ("left out" in clipped and count(clipped) <= budget + 20)


def test_a_conversation_of_long_outputs_stays_within_the_context():
    limits = EpisodeLimits(context_tokens=3000)
    episode = Episode("How many?", [table("a")], limits, count_tokens=count)
    for step in range(limits.max_steps):
        if episode.done:
            break
        action = episode.receive(f"```python\nprint({step})\n```")
        episode.observe(Execution(action.code, stdout="x " * 4000))
    used = sum(count(m["content"]) + 8 for m in episode.messages)
    assert used + limits.reply_tokens <= limits.context_tokens + 200
