"""Drafts made from episodes: cleaned, in form, with a chart, with a look first."""

import random
from dataclasses import replace
from types import SimpleNamespace

import pytest

from agent.absence import NOT_ANSWERABLE
from sandbox import Pool
from tests.training.scripted import ByQuestion
from training import shapes
from training.problems import Problem
from training.rollouts import Draft, Rollout, Stage, answer_reply, code_reply, play

WHO, REX = "Who is the heaviest?", "print(df.loc[df['Weight (kg)'].idxmax(), 'Name'])"
ANSWER = "Answer: Rex\nSummary: Rex is the heaviest."


@pytest.fixture(scope="module")
def stage():
    with Pool(1) as pool:
        yield Stage(ByQuestion({}), pool)


@pytest.fixture
def rollout(play, problem):
    """The rollout of replies to WHO, or to another question."""

    def made(*replies, question=WHO, gold="Rex", kind="category"):
        trajectory = replace(play(question, *replies), run={"model": "m"})
        return Rollout(
            problem(question, gold, kind), trajectory, SimpleNamespace(official=True, verified=True)
        )

    return made


def made(draft, stage):
    sample, reason = play(draft, stage)
    assert not reason
    return sample


def drafted(pets_csv, question, answer, kind, code):
    problem = Problem("p", question, (pets_csv,), answer, kind)
    return Draft(problem, (code_reply(code), answer_reply(answer, "So it is.")), "own", "f", "m")


# Cleaned


def test_the_code_that_did_it_stands_alone_and_short(rollout):
    wordy = f"import pandas as pd\n# Find the row\n\n{REX}  # the name\n"
    (draft, longer) = shapes.cleaned(rollout("print(df.head(1))", wordy, ANSWER), "wtq", "plain")
    assert draft.replies == (code_reply(f"{REX}  # the name"), ANSWER)
    assert (draft.source, draft.family, draft.model) == ("wtq", "plain", "m")
    assert len(longer.replies) == 3


def test_what_came_to_nothing_is_left_out_of_every_draft(rollout):
    (draft,) = shapes.cleaned(rollout("print(df['Nme'])", "x = 1", REX, ANSWER), "wtq", "plain")
    assert draft.replies == (code_reply(REX), ANSWER)


@pytest.mark.parametrize("answer", ["Answer: Rex", "Answer: Rex\nSummary: Rex weighs 99 kg."])
def test_without_a_summary_that_is_backed_there_is_no_draft(rollout, answer):
    assert shapes.cleaned(rollout(REX, answer), "wtq", "plain") == []
    assert shapes.stumbled(rollout("print(df['Nme'])", REX, answer)) is None


@pytest.mark.parametrize(
    ("shown", "why"), [("", "a column of truth values where one is asked for"), (".all()", "")]
)
def test_a_column_of_truth_values_is_no_yes_or_no_to_learn(rollout, shown, why):
    answer = "Answer: True\nSummary: All pets weigh more than 1 kg."
    question = "Do all pets weigh more than 1 kg?"
    code = f"print((df['Weight (kg)'] > 1){shown})"
    assert shapes.not_worth(rollout(code, answer, question=question, gold="True", kind="boolean")) == why


def test_a_models_own_stumble_and_repair_are_a_recovery(rollout, stage):
    draft = shapes.stumbled(rollout("print(df.loc[df['Weight'].idxmax(), 'Name'])", REX, ANSWER))
    sample = made(draft, stage)
    assert (sample.source, sample.steps, len(sample.trained)) == ("recovery", 2, 2)
    assert shapes.stumbled(rollout(REX, ANSWER)) is None


@pytest.mark.parametrize(
    ("answer", "kind", "form"),
    [
        ("yes", "boolean", "True"),
        ("Rex, Mia", "list[category]", "['Rex', 'Mia']"),
        ("Rex and Mia", "list[category]", "['Rex', 'Mia']"),
        ("1,200; 3.5", "list[number]", "[1200, 3.5]"),
        ("['Rex']", "category", "Rex"),
        ('"Rex"', "category", "Rex"),
        ("[12]", "number", "12"),
        ("about twelve", "number", ""),
        ("maybe", "boolean", ""),
    ],
)
def test_answers_take_the_form_that_is_asked_for(answer, kind, form):
    assert shapes.in_form(answer, kind) == form
    assert not form or shapes.in_form(form, kind) == form


def test_an_answer_that_was_brought_into_form_is_a_shape_sample_and_verified_again(rollout, stage):
    names = "print(', '.join(df.nlargest(2, 'Weight (kg)')['Name']))"
    asked = {"question": "Which are the 2 heaviest pets?", "gold": "['Rex', 'Bo']", "kind": "list[category]"}
    rolled = rollout(names, "Answer: Rex, Bo\nSummary: Rex and Bo are the heaviest.", **asked)
    (draft,) = shapes.cleaned(rolled, "wtq", "plain")
    sample = made(draft, stage)
    assert sample.source == "shape" and sample.messages[-1]["content"].startswith("Answer: ['Rex', 'Bo']\n")


@pytest.mark.parametrize(
    ("code", "listed", "asked"),
    [
        (
            "print(df['City'].value_counts().head(2))",
            "print(df['City'].value_counts().head(2).index.tolist())",
            {"question": "Which are the 2 cities with most pets?", "gold": "['Oslo', 'Bergen']"},
        ),
        (
            "big = df.nlargest(2, 'Weight (kg)')\nprint(big['City'].drop_duplicates())",
            "big = df.nlargest(2, 'Weight (kg)')\nprint(big['City'].drop_duplicates().tolist())",
            {"question": "In which cities do the 2 heaviest pets live?", "gold": "['Oslo']"},
        ),
        (
            "print(df.nsmallest(2, 'Weight (kg)')['City'])",
            "print(df.nsmallest(2, 'Weight (kg)')['City'].tolist())",
            {"question": "What are the cities of the 2 lightest pets?", "gold": "['Bergen', 'Oslo']"},
        ),
    ],
)
def test_a_list_is_printed_as_a_list_where_that_shows_the_same_values(rollout, stage, code, listed, asked):
    answer = f"Answer: {asked['gold']}\nSummary: Of these cities: Oslo and Bergen."
    drafts = shapes.cleaned(rollout(code, answer, kind="list[category]", **asked), "wtq", "plain")
    first = next(sample for draft in drafts if (sample := play(draft, stage)[0]))
    assert (first.source, first.family) == ("shape", shapes.LISTED)
    assert first.messages[first.trained[0]]["content"] == code_reply(listed)
    assert drafts[-1].replies[0] == code_reply(code)


@pytest.mark.parametrize("code", ["x = '''\n# no comment\n'''\nprint(x)", "print('''\n\na''')", "print("])
def test_lines_that_belong_to_a_text_are_not_taken_out(code):
    assert shapes.tidy(code) == code


def test_lines_without_effect_are_taken_out():
    code = "import pandas as pd\nplt.figure(figsize=(8, 4))\nc.plot(kind='bar')\nplt.show()\nprint(c.max())"
    assert shapes.tidy(code) == "c.plot(kind='bar')\nprint(c.max())"


# Charts


@pytest.mark.parametrize(
    ("code", "charted"),
    [
        (
            "print(df['City'].value_counts().idxmax())",
            "counts = df['City'].value_counts()\ncounts.head(20).plot(kind='bar')\nprint(counts.idxmax())",
        ),
        (
            "mean = df.groupby('City')['Weight (kg)'].mean()\nprint(mean.idxmax())",
            "mean = df.groupby('City')['Weight (kg)'].mean()\n"
            "mean.head(20).plot(kind='bar')\nprint(mean.idxmax())",
        ),
        (
            "big = df[df['Weight (kg)'] > 1]\n"
            "print(big.groupby('City')['Name'].count().nlargest(1).index[0])",
            "big = df[df['Weight (kg)'] > 1]\ncounts = big.groupby('City')['Name'].count()\n"
            "counts.head(20).plot(kind='bar')\nprint(counts.nlargest(1).index[0])",
        ),
    ],
)
def test_what_is_counted_is_drawn_when_a_chart_is_asked_for(pets_csv, stage, code, charted):
    draft = drafted(pets_csv, "Which city has the most pets?", "Oslo", "category", code)
    changed = shapes.charted(draft, random.Random(0))
    assert shapes.code_of(changed) == charted
    assert "chart" in changed.problem.question
    sample = made(changed, stage)
    assert (sample.source, sample.family) == ("shape", "chart")


@pytest.mark.parametrize("code", [REX, "print(df['Weight (kg)'].mean())", "print("])
def test_code_that_counts_nothing_gets_no_chart(pets_csv, code):
    assert shapes.charted(drafted(pets_csv, WHO, "Rex", "category", code), random.Random(0)) is None


def test_what_is_drawn_already_is_not_drawn_twice(pets_csv):
    code = "counts = df['City'].value_counts()\nprint(counts.idxmax())"
    for question, drawn in (
        ("Plot the pets by city. Which has the most?", code),
        ("Which city has the most pets?", f"{code}\nplt.title('Pets')"),
    ):
        assert (
            shapes.charted(drafted(pets_csv, question, "Oslo", "category", drawn), random.Random(0)) is None
        )


# A look first


def test_a_value_that_the_card_does_not_show_is_looked_up_first(tmp_path, stage):
    path = tmp_path / "towns.csv"
    path.write_text("town,size\n" + "".join(f"Town {i},{i}\n" for i in range(40)) + "New York,8\n")
    code = "print(df[df['town'] == 'New York']['size'].item())"
    draft = drafted(path, "what is the size of new york?", "8", "number", code)
    looked = shapes.looked_first(draft, made(draft, stage))
    sample = made(looked, stage)
    assert (sample.source, sample.family, sample.steps, len(sample.trained)) == ("shape", "look first", 2, 3)
    assert "['New York']" in sample.messages[sample.trained[0] + 1]["content"]


def test_a_column_that_the_card_has_no_room_for_is_looked_up_first(tmp_path, stage):
    path = tmp_path / "wide.csv"
    names = [f"Some rather long name of column {i}" for i in range(350)] + ["Rainfall of the measured year"]
    path.write_text(",".join(names) + "\n" + ",".join(map(str, range(351))) + "\n")
    code = f"print(df[{names[350]!r}].sum())"
    draft = drafted(path, "How much precipitation or rainfall was there?", "350", "number", code)
    seen = made(draft, stage)
    hidden = replace(
        seen, messages=tuple(m | {"content": m["content"].replace(names[350], "")} for m in seen.messages)
    )
    sample = made(shapes.looked_first(draft, hidden), stage)
    assert sample.steps == 2 and "'rainfall' in c.lower()" in sample.messages[sample.trained[0]]["content"]
    code = f"print(df[{names[200]!r}].sum())"
    lost = drafted(path, "What is the sum of the 200th?", "200", "number", code)
    found = play(shapes.looked_first(lost, made(lost, stage)), stage)
    assert found == (None, "does not show what it should")


def test_where_the_card_shows_all_there_is_no_look(pets_csv, stage):
    draft = drafted(pets_csv, WHO, "Rex", "category", REX)
    assert shapes.looked_first(draft, made(draft, stage)) is None


# Not there


@pytest.mark.parametrize(
    ("column", "question", "looks"),
    [
        ("Pressure", "What is the average blood pressure?", True),
        ("Blood", "What is the average blood pressure?", False),
        ("Blood", "What is the average weight?", False),
    ],
)
def test_only_what_a_question_of_ours_asks_for_and_no_column_has_is_looked_for(
    stage, tmp_path, column, question, looks
):
    table = tmp_path / "t.csv"
    table.write_text(f"Name,{column}\nRex,1\n")
    problem = Problem("p", question, (table,), NOT_ANSWERABLE, "category")
    assert bool(shapes.absent(problem, stage.profile(problem.tables))) == looks


def test_a_look_that_finds_is_followed_by_the_code_that_answers(stage, pets_csv):
    draft = drafted(
        pets_csv, "What is the highest weight?", "31.5", "number", "print(df['Weight (kg)'].max())"
    )
    sample = made(shapes.found(draft, stage.profile(draft.problem.tables)), stage)
    assert "'weight' in c.lower()" in sample.messages[-5]["content"] and sample.steps == 2
    assert sample.messages[-4]["content"].endswith("['Weight (kg)']") and len(sample.trained) == 3
    other = replace(draft, problem=replace(draft.problem, question="How high is it?"))
    assert shapes.found(other, stage.profile(draft.problem.tables)) is None


def test_that_the_data_has_no_answer_is_wrong_where_it_has_one(stage, pets_csv):
    problem = Problem("p", "What is the average shoe size?", (pets_csv,), NOT_ANSWERABLE, "category")
    draft = shapes.absent(problem, stage.profile(problem.tables))
    assert made(draft, stage).steps == 1
    assert play(replace(draft, problem=replace(problem, answer="31.5")), stage) == (None, "answer wrong")
