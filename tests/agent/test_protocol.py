"""Each forgiveness by name, and: any text at all gives exactly one reply, never an exception."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.protocol import STOP, FinalAnswer, Forgiven, Malformed, RunCode, draft, parse, restore_fence

FORGIVEN_CODE = {
    Forgiven.SEVERAL_BLOCKS: "```python\na = 1\n```\nthen\n```python\nprint(a)\n```",
    Forgiven.NO_LANGUAGE: "```\nprint(1)\n```",
    Forgiven.OTHER_TAG: "```tool_code\nprint(1)\n```",
    Forgiven.UNCLOSED_FENCE: "```python\nprint(1)",
    Forgiven.SQL_BLOCK: "```sql\nselect 1;\n```",
    Forgiven.PROMPT_MARKS: "```python\n>>> print(1)\n1\n```",
    Forgiven.BARE_CODE: "Here is the code:\nprint(df.shape)",
    Forgiven.THINKING: "<think>hm, Answer: 3</think>```python\nprint(1)\n```",
    Forgiven.EARLY_ANSWER: "```python\nprint(1)\n```\nAnswer: 1",
}
FORGIVEN_ANSWERS = {
    Forgiven.FINAL_ANSWER: "Final Answer: 42\nSummary: It is 42.",
    Forgiven.BOLD_TAGS: "**Answer:** 42\n**Summary:** It is 42.",
    Forgiven.BULLET_LIST: "Answer:\n- 4\n- 2\nSummary: It is 42.",
}


@pytest.mark.parametrize("name", FORGIVEN_CODE)
def test_code_in_a_forgiven_form_is_run_and_named(name):
    reply = parse(FORGIVEN_CODE[name])
    assert isinstance(reply, RunCode)
    assert name in reply.forgiven


@pytest.mark.parametrize("name", FORGIVEN_ANSWERS)
def test_an_answer_in_a_forgiven_form_is_read_and_named(name):
    reply = parse(FORGIVEN_ANSWERS[name])
    assert isinstance(reply, FinalAnswer)
    assert reply.answer in ("42", "[4, 2]")
    assert reply.summary == "It is 42."
    assert name in reply.forgiven


def test_the_asked_forms_need_no_forgiveness():
    assert parse("```python\nprint(df)\n```") == RunCode("print(df)")
    assert parse("Answer: 42\nSummary: It is.") == FinalAnswer("42", "It is.")


def test_a_fabricated_result_is_cut_with_all_that_rests_on_it():
    reply = parse("```python\nprint(1)\n```\n<result>\n5\n</result>\n```python\nprint(2)\n```")
    assert reply == RunCode("print(1)", fabricated=1)


def test_all_that_follows_an_execution_mark_is_cut():
    reply = parse("```python\nprint(1)\n```\n[EXEC:real] Output of step 1:\n5\n```python\nprint(2)\n```")
    assert reply == RunCode("print(1)", fabricated=1)


def test_code_under_a_heading_that_says_output_is_code():
    assert parse("**Output:**\n```python\nprint(df.shape)\n```") == RunCode("print(df.shape)")
    assert isinstance(parse("**Output:**\n```\n(3, 2)\n```"), Malformed)


@pytest.mark.parametrize("opening", ["```python", "Here is the code:\n```python", "Here is the code:\n```"])
@pytest.mark.parametrize("behind", ["", "\n\nIt prints 5.", "\n<result>\n5", "\nAnswer: 5"])
def test_a_reply_stops_behind_its_code_and_never_before_it(opening, behind):
    written = f"{opening}\nprint(df.shape)\n```{behind}"
    stopped = min((written.split(stop)[0] for stop in STOP), key=len)
    assert parse(restore_fence(stopped)).code == "print(df.shape)"
    assert len(stopped) < len(written) - len(behind) or not behind


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Let me look", ""),
        ("```pyth", ""),
        ("```python\nprint(", "print("),
        ("First:\n```\nx = 1\nprint(x", "x = 1\nprint(x"),
        ("```python\nprint(1)\n``", "print(1)"),
        ("```python\nprint(1)\n```\nIt prints", "print(1)"),
        ("<think>```python\n1\n```</think>```python\n2", "2"),
        ("```python\nprint(1)\n[EXEC:real] 5", "print(1)"),
    ],
)
def test_the_code_of_a_half_written_reply_is_shown_without_its_fence(text, code):
    assert draft(text) == code


def test_a_comment_that_says_answer_does_not_end_the_code():
    assert parse("```python\n# Answer: the total\nprint(1)\n```").code == "# Answer: the total\nprint(1)"


def test_prose_is_malformed():
    assert isinstance(parse("I think it is 42."), Malformed)
    assert isinstance(parse("Answer: <value>"), Malformed)


def test_the_fence_that_the_stop_string_took_is_restored():
    assert parse(restore_fence("```python\nprint(1)")) == RunCode("print(1)")


PIECES = ["```python\n", "```", "\n", "Answer:", "Summary:", "<result>", "print(1)", "**", "<think>"]
PIECES += [">>> ", "x = "]


@given(st.one_of(st.text(), st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5))).map("".join)))
def test_any_text_gives_exactly_one_reply(text):
    reply = parse(text)
    assert isinstance(reply, RunCode | FinalAnswer | Malformed)
    assert not isinstance(reply, RunCode) or reply.code.strip()
    assert not isinstance(reply, FinalAnswer) or reply.answer.strip()
