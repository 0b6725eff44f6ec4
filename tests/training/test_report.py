"""The classes of failures, on trajectories that were really run."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from agent import Trajectory
from sandbox import InputError
from training import bench
from training.records import read_run
from training.report import CLASSES, classify, report

COUNTER = SimpleNamespace(count_tokens=len)


@pytest.fixture
def judged(problem):
    """The prediction for a trajectory, judged as in a run."""

    def made(trajectory, gold, kind="category", **extra):
        timed = replace(trajectory, run={"seconds": 1.0})
        return bench.judge(problem("Which?", gold, kind, **extra), timed, COUNTER, None)

    return made


@pytest.fixture
def class_of(play, judged):
    """Plays replies against the pets and returns the failure's class."""

    def found(question, gold, kind, *replies, **extra):
        trajectory = play(question, *replies)
        return classify(judged(trajectory, gold, kind, **extra), trajectory)

    return found


def test_a_right_answer_is_no_failure(class_of):
    heaviest = "print(df.loc[df['Weight (kg)'].idxmax(), 'Name'])"
    assert class_of("Which pet is heaviest?", "Rex", "category", heaviest, "Answer: Rex") is None


def test_an_answer_after_a_failed_step_gave_up_after_the_error(class_of):
    wrong, answer = "print(df['Weight'].max())", "Answer: KeyError"
    assert (
        class_of("What is the top weight?", "31.5", "number", wrong, answer, answer) == "gave up after error"
    )


def test_an_answer_without_any_step_is_no_code(class_of):
    assert class_of("How many pets?", "4", "number", "Answer: 7", "Answer: 7") == "no code"


def test_steps_without_an_answer_reached_the_limit(class_of):
    steps = [f"print(df['Weight (kg)'].max() + {i})" for i in range(5)]
    talk = ["Let me think."] * 9
    assert class_of("What is the top weight?", "9", "number", *steps, *talk) == "limit reached"


def test_a_printed_answer_of_one_reply_is_classed_by_its_value(asked, model, tmp_path):
    problems = asked(
        ("print(df['Weight (kg)'].min())", "31.5", "number"),
        ("print(df['Name'].tolist())", "31.5", "number"),
        ("print(df['Age'].max())", "7", "number"),
    )
    settings = bench.Settings("one-shot", slots=1)
    with bench.journal_of(tmp_path, problems, model, settings) as journal:
        predictions = bench.run(problems, model, journal, settings)
    _, trajectories = read_run(tmp_path)
    found = [classify(prediction, trajectories[prediction.id]) for prediction in predictions]
    assert found == ["wrong logic", "wrong shape", "limit reached"]


def test_a_bare_value_has_the_shape_of_a_list_of_one(class_of):
    code = "print(df['Name'].iloc[-1])"
    assert class_of("Which ones?", "['Tom']", "list[category]", code, "Answer: Tom") is None
    assert class_of("Which ones?", "['Rex']", "list[category]", code, "Answer: Tom") == "wrong logic"


@pytest.mark.parametrize(
    ("question", "gold", "kind", "code", "answer"),
    [
        ("Any cats?", "True", "boolean", "print((df['Species'] == 'cat').sum())", "2"),
        ("How many cats?", "2", "number", "print((df['Species'] == 'cat').tolist())",
         "[False, True, False, True]"),
        ("Name the cats.", "['Mia', 'Tom']", "list[category]", "print(df['Name'][1])", "Mia"),
        ("Where does Mia live?", "Bergen", "category", "print(df['City'].tolist())",
         "['Oslo', 'Bergen', 'Oslo', 'Oslo']"),
    ],
)  # fmt: skip
def test_a_value_of_another_shape_than_asked_for_is_a_wrong_shape(
    class_of, question, gold, kind, code, answer
):
    assert class_of(question, gold, kind, code, f"Answer: {answer}", f"Answer: {answer}") == "wrong shape"


@pytest.mark.parametrize(
    ("gold", "kind", "code", "answer"),
    [
        ("Rex", "category", "print(df['Weight (kg)'].max())", "31.5"),
        ("[31.5, 12.0]", "list[number]", "print(df['Name'].tolist()[::2])", "['Rex', 'Bo']"),
        ("dog", "category", "print(df[['Species']].columns[0], df['Species'][0])", "Species"),
    ],
)
def test_values_of_another_kind_come_from_a_wrong_column(class_of, gold, kind, code, answer):
    assert class_of("Which ones?", gold, kind, code, f"Answer: {answer}") == "wrong column"


def test_a_wrong_value_of_the_right_kind_is_wrong_logic(class_of):
    code = "print(df['Weight (kg)'].min())"
    assert class_of("What is the top weight?", "31.5", "number", code, "Answer: 3.1") == "wrong logic"


@pytest.mark.parametrize(
    ("gold", "kind", "code", "answer"),
    [
        ("REX", "category", "print(df['Name'][0])", "Rex"),
        ("['Bo', 'R.e x']", "list[category]", "print(df['Name'].tolist()[::2])", "['Rex', 'Bo']"),
    ],
)
def test_the_known_answer_written_otherwise_is_spelling(class_of, gold, kind, code, answer):
    assert class_of("Which ones?", gold, kind, code, f"Answer: {answer}") == "spelling"


def test_a_letter_that_no_choice_has_is_a_wrong_shape(class_of):
    code, choices = "print(df['Weight (kg)'].max())", {"A": "12", "B": "31.5"}
    replies = (code, "Answer: heavy", "Answer: heavy")
    assert class_of("Which?", "B", "letter", *replies, choices=choices) == "wrong shape"


def test_a_table_that_cannot_be_read_and_a_model_that_failed_are_classes_of_their_own(problem, judged):
    unread = bench.unreadable(problem("Which?", "Rex", "category"), InputError("bad.csv cannot be read."))
    failed = Trajectory("Which?", (), (), (), "failed", summary="it is gone")
    assert classify(judged(unread, "Rex"), unread) == "unreadable table"
    assert classify(judged(failed, "Rex"), failed) == "model failed"


def test_the_report_counts_each_class_and_shows_the_failing_code(play, judged):
    wrong = play("What is the top weight?", "print(df['Weight (kg)'].min())", "Answer: 3.1")
    right = play("What is the top weight?", "print(df['Weight (kg)'].max())", "Answer: 31.5")
    predictions = [judged(wrong, "31.5", "number"), judged(right, "31.5", "number")]
    predictions = [replace(p, id=id) for p, id in zip(predictions, ("bad", "good"), strict=True)]
    text = report(predictions, {"bad": wrong, "good": right})
    assert "1 of 2 answers are wrong" in text
    assert f"| wrong logic | 1 | {CLASSES['wrong logic']} |" in text
    assert "print(df['Weight (kg)'].min())" in text and "known: `31.5`" in text and "good" not in text
