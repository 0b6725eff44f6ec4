"""The problem format, and the loaders on small look-alikes in the published layouts."""

import json
import shutil
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.prompts import posed_question
from training.problems import ANSWER_TYPES, DATABENCH_SPLITS, Problem, ProblemError, load, parse_choices, save
from training.verify import Comparison, compare

LINE = {
    "id": "1", "question": "How many?", "tables": ["t.csv"], "answer": "2", "answer_type": "number",
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    """Writes lines beside the table t.csv and returns the file."""

    def written(*lines):
        (tmp_path / "t.csv").write_text("a\n1\n2\n")
        path = tmp_path / "problems.jsonl"
        path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
        return path

    return written


# The format


def test_a_file_is_read_with_its_tables_beside_it(file, tmp_path):
    (problem,) = load(file(LINE, ""))
    assert problem == Problem("1", "How many?", (tmp_path / "t.csv",), "2", "number")


def test_tables_may_lie_in_another_folder(file, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "t.csv").write_text("a\n")
    assert load(file(LINE), tmp_path / "other")[0].tables == (tmp_path / "other" / "t.csv",)


def test_a_list_as_answer_and_unknown_keys_are_accepted(file):
    (problem,) = load(file(LINE | {"answer": ["a", "b"], "answer_type": "list[category]", "task": "x"}))
    assert problem.answer == "['a', 'b']"


TEXT = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
CHOICES = st.dictionaries(st.sampled_from("ABCDE"), TEXT, min_size=1)
KINDS = st.sampled_from([kind for kind in ANSWER_TYPES if kind != "letter"])
GOLD = st.one_of(
    st.tuples(TEXT, KINDS, st.just({})),
    CHOICES.flatmap(lambda c: st.tuples(st.sampled_from(sorted(c)), st.just("letter"), st.just(c))),
)


@given(TEXT, TEXT, GOLD, st.text())
def test_a_problem_survives_its_json_form(tmp_path_factory, id, question, gold, intro):
    folder = tmp_path_factory.getbasetemp()
    problem = Problem(id, question, (folder / "a" / "t.csv",), *gold, intro)
    line = json.dumps(problem.to_json(folder))
    assert Problem.from_json(json.loads(line), folder) == problem
    assert json.loads(line)["tables"] == ["a/t.csv"]


def test_small_letters_are_read_as_capitals(file):
    letters = {"answer": "b", "answer_type": "letter", "choices": {"a": "12", "b": "14"}}
    (problem,) = load(file(LINE | letters))
    assert (problem.answer, problem.choices) == ("B", {"A": "12", "B": "14"})
    assert compare("b", problem) == Comparison(official=True, strict=True)
    assert compare("14", problem).strict


def test_saved_problems_are_loaded_again(file, tmp_path):
    problems = load(file(LINE, LINE | {"id": "2", "intro": "Once\u2028upon a time"}))
    (tmp_path / "deeper").mkdir()
    save(problems, tmp_path / "deeper" / "again.jsonl")
    again = load(tmp_path / "deeper" / "again.jsonl")
    assert [(p.id, p.intro, p.tables[0].resolve()) for p in again] == [
        (p.id, p.intro, p.tables[0].resolve()) for p in problems
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "problems.jsonl:2: not JSON"),
        ("[1]", "problems.jsonl:2: expected an object"),
        (LINE | {"tables": ["gone.csv"]}, "gone.csv does not exist"),
        (LINE | {"tables": "t.csv"}, "'tables' must be a list"),
        (LINE | {"answer_type": "text"}, "must be one of boolean"),
        (LINE | {"choices": [1]}, "'choices' must be texts"),
        (LINE | {"question": " "}, "'question' is empty"),
        (LINE | {"intro": 5}, "'intro' must be a text"),
        (
            LINE | {"answer": "c", "answer_type": "letter", "choices": {"a": "1", "b": "2"}},
            "problems.jsonl:2: 'answer' is 'C', which is none of the choices A, B",
        ),
        ({"id": "2"}, "problems.jsonl:2: 'question' is missing"),
        (LINE, "the id '1' is there twice"),
    ],
)
def test_a_bad_line_is_told_with_its_place(file, line, told):
    with pytest.raises(ProblemError, match=told.replace("[", r"\[")) as error:
        load(file(LINE, line))
    assert "problems.jsonl" in str(error.value)


def test_a_missing_table_names_the_line(file):
    with pytest.raises(ProblemError, match=r"problems\.jsonl:1: the table .*gone\.csv"):
        load(file(LINE | {"tables": ["gone.csv"]}))


@pytest.mark.parametrize("source", ["nowhere.jsonl", "databench"])
def test_what_is_neither_file_nor_benchmark_is_told_with_the_names(source):
    with pytest.raises(ProblemError, match="databench-lite-dev"):
        load(source)


def test_an_empty_file_and_a_missing_folder_are_told(file):
    with pytest.raises(ProblemError, match="holds no problems"):
        load(file(""))
    with pytest.raises(ProblemError, match="not a folder"):
        load(file(LINE), "nowhere")


def test_a_benchmark_of_which_only_copies_exist_asks_for_one():
    with pytest.raises(ProblemError, match="give its folder"):
        load("dsbench")


# DataBench


@pytest.fixture
def databench(tmp_path):
    """The repository's layout: a folder for each table of the dev split, one question each."""
    pandas = pytest.importorskip("pandas")
    for number in DATABENCH_SPLITS["dev"]:
        folder = tmp_path / "data" / f"{number:03}_Name"
        folder.mkdir(parents=True)
        row = {"question": f"Rows of {number}?", "answer": "40", "type": "number", "sample_answer": "20"}
        pandas.DataFrame([row | {"dataset": folder.name}]).to_parquet(folder / "qa.parquet")
        for name in ("all", "sample"):
            pandas.DataFrame({"a": [1]}).to_parquet(folder / f"{name}.parquet")
    return tmp_path


def test_databench_lite_has_the_samples_and_their_answers(databench):
    lite, full = load("databench-lite-dev", databench), load("databench-full-dev", databench)
    assert len(lite) == len(full) == 16
    assert (lite[0].tables[0].name, lite[0].answer) == ("sample.parquet", "20")
    assert (full[0].tables[0].name, full[0].answer) == ("all.parquet", "40")
    assert lite[0].question == "Rows of 50?"


@pytest.mark.parametrize("size", ["lite", "full"])
def test_validation_is_the_half_of_dev_that_was_never_trained_on(databench, size):
    for number in range(50, 58):
        shutil.rmtree(databench / "data" / f"{number:03}_Name")
    asked = [problem.question for problem in load(f"databench-{size}-validation", databench)]
    assert asked == [f"Rows of {number}?" for number in range(58, 66)]


def test_an_incomplete_databench_is_an_error_not_a_shorter_benchmark(databench):
    with pytest.raises(ProblemError, match="no folder 001_"):
        load("databench-lite-train", databench)
    (databench / "data" / "051_Name" / "sample.parquet").unlink()
    with pytest.raises(ProblemError, match="sample.parquet does not exist"):
        load("databench-lite-dev", databench)


def test_databench_comes_from_the_hub_where_no_copy_is_given(databench, monkeypatch):
    import huggingface_hub

    asked = {}

    def snapshot_download(repo, **options):
        asked.update(options, repo=repo)
        return str(databench)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert len(load("databench-lite-dev")) == 16
    assert (asked["repo"], asked["repo_type"]) == ("cardiffnlp/databench", "dataset")
    assert "data/050_*/sample.parquet" in asked["allow_patterns"]
    assert not any("all.parquet" in pattern or "/066" in pattern for pattern in asked["allow_patterns"])


def test_a_hub_that_cannot_be_reached_is_told(monkeypatch):
    import huggingface_hub

    def unreachable(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ProblemError, match="give the folder of a copy"):
        load("databench-lite-test")


# WikiTableQuestions


@pytest.fixture
def wtq(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "csv" / "204-csv").mkdir(parents=True)
    (tmp_path / "csv" / "204-csv" / "1.csv").write_text("a\n1\n")
    rows = [
        "id\tutterance\tcontext\ttargetValue",
        'nt-1\twho "won"?\tcsv/204-csv/1.csv\tOslo\\p Bergen',
        "nt-2\twhich two?\tcsv/204-csv/1.csv\tOslo|Bergen",
        "nt-3\thow many?\tcsv/204-csv/1.csv\t12,467",
        "nt-4\tis it?\tcsv/204-csv/1.csv\tyes",
        "nt-5\twhich years?\tcsv/204-csv/1.csv\t2001|2004",
    ]
    (tmp_path / "data" / "random-split-1-dev.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_wikitablequestions_gives_typed_answers_without_escapes(wtq):
    problems = load("wtq-dev", wtq)
    assert [(p.id, p.answer, p.answer_type) for p in problems] == [
        ("wtq-nt-1", "Oslo| Bergen", "category"),
        ("wtq-nt-2", "['Oslo', 'Bergen']", "list[category]"),
        ("wtq-nt-3", "12,467", "number"),
        ("wtq-nt-4", "yes", "boolean"),
        ("wtq-nt-5", "['2001', '2004']", "list[number]"),
    ]
    assert problems[0].question == 'who "won"?'


def test_a_missing_wikitable_names_the_line(wtq):
    (wtq / "csv" / "204-csv" / "1.csv").unlink()
    with pytest.raises(ProblemError, match=r"dev\.tsv:2: the table"):
        load("wtq-dev", wtq)


def test_a_missing_split_is_told(wtq):
    with pytest.raises(ProblemError, match=r"pristine-unseen-tables\.tsv cannot be read"):
        load("wtq-test", wtq)


# DSBench


@pytest.fixture
def dsbench(tmp_path):
    tasks = [
        {"id": "1", "name": "t", "questions": ["question1", "question2"], "answers": ["b", 1345868]},
        {"id": "2", "name": "u", "questions": ["question1", "question2"],
         "answers": [{"Q": 1, "# of words": 7, "Xth word": "ALIBI"}, "9.424%"]},
    ]  # fmt: skip
    (tmp_path / "data.json").write_text("\n".join(map(json.dumps, tasks)))
    for task in tasks:
        folder = tmp_path / "data" / task["id"]
        folder.mkdir(parents=True)
        (folder / "introduction.txt").write_text("INTRODUCTION\nYou advise four people.")
        for name in task["questions"]:
            (folder / f"{name}.txt").write_text(
                "What is the balance? [3 marks]\nA. $1\nB. $2 or\n   more\nC. $3"
            )
    for name in ("two.xlsx", "one.XLSM", "one-answers.xlsx", "page.jpg"):
        (tmp_path / "data" / "1" / name).touch()
    return tmp_path


def test_dsbench_gives_choices_background_and_all_workbooks_but_the_solutions(dsbench):
    first = load("dsbench", dsbench)[0]
    assert (first.answer, first.answer_type) == ("B", "letter")
    assert first.choices == {"A": "$1", "B": "$2 or more", "C": "$3"}
    assert first.intro.startswith("INTRODUCTION")
    assert [table.name for table in first.tables] == ["one.XLSM", "two.xlsx"]


def test_dsbench_answers_keep_their_types_and_a_task_may_have_no_workbook(dsbench):
    _, number, fields, share = load("dsbench", dsbench)
    assert (number.answer, number.answer_type, number.choices) == ("1345868", "number", {})
    assert (fields.answer, fields.answer_type) == ("@# of words[7], @Xth word[ALIBI]", "closed")
    assert fields.question.endswith("Format: @# of words[value], @Xth word[value]")
    assert (share.answer_type, share.tables) == ("number", ())


def test_an_incomplete_dsbench_is_told(dsbench):
    (dsbench / "data" / "2" / "question2.txt").unlink()
    with pytest.raises(ProblemError, match=r"question2\.txt cannot be read"):
        load("dsbench", dsbench)
    (dsbench / "data.json").write_text(json.dumps({"id": "9", "questions": [], "answers": []}))
    with pytest.raises(ProblemError, match=r"data\.json:1: the folder .*9 does not exist"):
        load("dsbench", dsbench)


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("Which? A. 12 B. 14 C. 16", {"A": "12", "B": "14", "C": "16"}),
        ("Which?\n(a) one\n(b) two", {"A": "one", "B": "two"}),
        ("Which?\nA) one\nB) two A. and B", {"A": "one", "B": "two A. and B"}),
        ("Plan A. is on. Which? A. x B. y", {"A": "x", "B": "y"}),
        ("Which bank, J.P. Morgan or A. Levy?", {}),
        ("How many?", {}),
    ],
)
def test_choices_are_read_from_the_question(text, choices):
    assert parse_choices(text) == choices


def test_a_question_is_posed_with_its_choices_once_and_its_background_last():
    choices = {"A": "$1", "B": "$2"}
    assert posed_question("Which?", choices) == "Which?\nA. $1\nB. $2"
    assert posed_question("Which? A. $1 B. $2", choices) == "Which? A. $1 B. $2"
    assert posed_question("Which?", intro="Once.") == "Which?\n\nBackground:\nOnce."


# DABench


@pytest.fixture
def dabench(tmp_path):
    (tmp_path / "da-dev-tables").mkdir()
    (tmp_path / "da-dev-tables" / "t.csv").write_text("a\n1\n")
    question = {
        "id": 5, "question": "Mean fare?", "concepts": ["Summary"], "constraints": "Two decimals.",
        "format": '@mean[value] where "value" is a number.', "file_name": "t.csv", "level": "easy",
    }  # fmt: skip
    label = {"id": 5, "common_answers": [["mean", "34.65"], ["n", "3"]]}
    (tmp_path / "da-dev-questions.jsonl").write_text(json.dumps(question) + "\n")
    (tmp_path / "da-dev-labels.jsonl").write_text(json.dumps(label) + "\n")
    return tmp_path


def test_dabench_joins_questions_with_their_labels(dabench):
    (problem,) = load("dabench", dabench)
    assert (problem.id, problem.answer) == ("dabench-5", "@mean[34.65], @n[3]")
    assert problem.question.startswith("Mean fare?\nConstraints: Two decimals.\nFormat: @mean[value]")
    assert problem.tables[0].name == "t.csv"


def test_a_question_without_label_or_table_is_told(dabench):
    (dabench / "da-dev-tables" / "t.csv").unlink()
    with pytest.raises(ProblemError, match=r"da-dev-questions\.jsonl:1: the table"):
        load("dabench", dabench)
    (dabench / "da-dev-labels.jsonl").write_text("")
    with pytest.raises(ProblemError, match="no answer to the question 5"):
        load("dabench", dabench)


def test_judging_needs_neither_pandas_nor_torch_until_dates_compare():
    import subprocess

    code = (
        "import sys, training.verify, training.reward, training.problems\n"
        "print([n for n in ('pandas', 'numpy', 'torch', 'gradio', 'matplotlib') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
