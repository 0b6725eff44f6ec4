"""That the data lacks what was asked: accepted only after a look in vain, and never as verified."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sandbox
from agent import Done, Episode, Retry, RunCode, Trajectory, absence, feedback, notebook

CODE = "```python\n{}\n```"
ABSENT = "Answer: not answerable from this data\nSummary: No column tells a shoe size."
QUESTION = "What is the average shoe size?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = Path(tmp_path_factory.mktemp("files"))
    (folder / "pets.csv").write_text("Name,Weight (kg)\nRex,31.5\nMia,3.1\nBo,12\n")
    (folder / "owners.csv").write_text("Owner,Pet\nAnn,Rex\nBob,a Shoe\n")
    return folder


@pytest.fixture
def session(folder):
    with sandbox.open([folder / "pets.csv"]) as opened:
        yield opened


@pytest.fixture
def both(folder):
    with sandbox.open([folder / "pets.csv", folder / "owners.csv"]) as opened:
        yield opened


def play(session, *replies, question=QUESTION, after=None):
    """Code, or a reply that begins with Answer."""
    episode = Episode(question, session.profile(), after=after)
    for reply in replies:
        action = episode.receive(reply if reply.startswith("Answer") else CODE.format(reply))
        if isinstance(action, RunCode):
            episode.observe(session.run(action.code))
    return episode, action


def look(session, word="shoe"):
    return absence.look(word, session.profile())


def missing(session, word, question):
    return absence.missing_word(session.run(look(session, word)), [], question, session.profile())


@pytest.mark.parametrize(
    "answer",
    [
        "not answerable from this data",
        "Not answerable from the data.",
        "'This cannot be answered from this table'",
        "This question can’t be answered from the provided data",
        "unanswerable",
    ],
)
def test_the_answer_that_there_is_none(answer):
    assert absence.says_so(answer)


@pytest.mark.parametrize("answer", ["", "Rex", "No", "Not answered", "not answerable from Bob", "None"])
def test_other_answers_are_none_of_it(answer):
    assert not absence.says_so(answer)


def test_a_look_in_vain_ends_the_episode_with_the_word_that_was_sought(session):
    episode, action = play(session, look(session), ABSENT)
    assert action == Done("not_answerable")
    record = episode.trajectory()
    assert record.answer == absence.NOT_ANSWERABLE and not record.verified
    assert (record.evidence.step, record.evidence.lines, record.evidence.missing) == (1, ("[]",), "shoe")
    assert Trajectory.from_json(record.to_json()) == record
    told = "Not verified. Step 1 found no column whose name or cells have “shoe”"
    assert told in notebook.markdown(record)


def test_a_record_from_before_there_was_such_an_answer_still_reads(session):
    episode, _ = play(session, "print(df['Name'].max())", "Answer: Rex")
    data = episode.trajectory().to_json()
    del data["evidence"]["missing"]
    assert Trajectory.from_json(data) == episode.trajectory()


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ((), feedback.NOTHING_RAN),
        (("print(len(df))",), feedback.NOT_SHOWN_TO_LACK),
        (("print(df['shoe'])",), feedback.LAST_STEP_FAILED),
    ],
)
def test_without_a_look_it_is_refused_and_no_word_to_look_for_is_given(session, before, told):
    _, action = play(session, *before, ABSENT)
    assert isinstance(action, Retry) and action.feedback.startswith(told)
    assert ".columns" not in action.feedback


def test_a_look_counts_whatever_failed_after_it(session):
    _, action = play(session, look(session), "print(df['shoe'])", ABSENT)
    assert action == Done("not_answerable")


def test_what_stands_in_the_data_was_not_looked_for_in_vain(session, both):
    assert missing(session, "shoe", QUESTION) == "shoe"
    assert missing(both, "shoe", QUESTION) == ""  # a cell of the second table
    assert missing(session, "weight", "What is the average weight?") == ""
    assert missing(session, "rex", "How heavy is Rex?") == ""
    assert missing(both, "salary", "What is the salary?") == "salary"


def test_a_plural_is_looked_for_as_its_singular(session):
    assert missing(session, "shoe", "How many shoes?") == "shoe"
    assert missing(session, "shoes", "How many shoes?") == ""
    assert missing(session, "names", "Which names?") == ""


def test_a_name_that_begins_alike_tells_the_word(tmp_path):
    (tmp_path / "staff.csv").write_text("Person,AnnualSalaries\nAnn,12\n")
    with sandbox.open([tmp_path / "staff.csv"]) as session:
        assert missing(session, "salary", "What is the highest salary?") == ""
        assert missing(session, "shoe", "What is the highest shoe size?") == "shoe"


@pytest.mark.parametrize(
    ("word", "question"),
    [
        ("average", QUESTION),  # how to ask
        ("dog", QUESTION),  # not asked for
        ("dragon", "How many rows mention 'dragon'?"),  # a value
        ("acme", "How many dogs?\n\nBackground:\nThe pets belong to Acme."),
        ("平均鞋码是多少", "平均鞋码是多少"),
    ],
)
def test_not_every_word_in_vain_is_missing(session, word, question):
    assert missing(session, word, question) == ""


@pytest.mark.parametrize(
    "code",
    [
        "print([])",
        "print('[]')",
        "print([c for c in df.columns if 'shoe' in c.lower()])",  # the cells are left out
        "print([c for c in df.columns if df[c].astype(str).str.contains('shoe').any()])",  # minds the case
        "print([c for c in df.columns if False and df[c].str.contains('shoe').any()])",
        "lambda: (df.columns, df.Name.str.contains('shoe'))\nprint([])",
        "print(df.columns.str.contains('shoe').any())",
        "{look}\nprint(len(df))",
        "df = df.head(0)\n{look}",
    ],
)
def test_other_code_that_prints_nothing_is_no_look(session, code):
    _, action = play(session, code.format(look=look(session)), ABSENT)
    assert isinstance(action, Retry)


@pytest.mark.parametrize(
    "change",
    [
        "df = df[df['Name'] == 'Mia']",
        "df.drop(columns='Name', inplace=True)",
        "df.pop('Name')",
        "del df['Name']",
        "df.columns = ['a', 'b']",
        "df['Name'] = ''",
        "for df in [df.head(0)]: pass",
    ],
)
def test_a_look_at_a_table_that_was_changed_says_nothing_of_the_file(session, change):
    episode, action = play(session, f"{change}\nprint(1)", look(session), ABSENT)
    assert isinstance(action, Retry)
    _, action = play(session, look(session), ABSENT, after=episode)
    assert isinstance(action, Retry)


def test_steps_that_only_read_change_nothing(session):
    _, action = play(session, "few = df.head(2)\nfew['Name'] = ''\nprint(len(few))", look(session), ABSENT)
    assert action == Done("not_answerable")


def test_every_table_is_to_be_looked_through(both):
    both.run("df = pets")
    execution = both.run(absence.look("shoe", both.profile()[:1]))
    assert execution.stdout == "[]\n"  # it is in the other table
    assert absence.missing_word(execution, [], QUESTION, both.profile()) == ""


def test_what_a_look_prints_proves_no_answer(session):
    for answer in ("Answer: []", "Answer: ['Name']"):
        _, action = play(session, look(session, "name"), answer, question="Which names are there?")
        assert isinstance(action, Retry) and feedback.ONLY_LOOKED in action.feedback


def test_a_yes_or_no_is_not_left_open(session):
    _, action = play(session, look(session, "dragon"), ABSENT, question="Is there a dragon?")
    assert isinstance(action, Retry) and action.feedback.startswith(feedback.YES_OR_NO)


def test_a_value_that_reads_so_is_an_answer(tmp_path):
    (tmp_path / "mails.csv").write_text("Label\nunanswerable\nunanswerable\nurgent\n")
    with sandbox.open([tmp_path / "mails.csv"]) as session:
        code = "print(df['Label'].mode()[0])"
        _, action = play(session, code, "Answer: unanswerable", question="Which label is most common?")
    assert action == Done("verified")


@given(st.text(alphabet=st.characters(categories=["L"]), min_size=1, max_size=12))
def test_a_look_tells_the_word_that_it_is_for(word):
    assert absence.word_of(absence.look(word, [])) == word
    assert absence.word_of(absence.look(word, []) + " ") == word
    assert absence.word_of(absence.look(word, []).replace("c.lower()", "c")) == ""
