"""Supplements in their published formats, on small files of our own: played anew, kept only if verified."""

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from sandbox import Pool
from tests.training.scripted import ByQuestion
from training import sources
from training.problems import ProblemError
from training.rollouts import Draft, Stage, play

LOAD = "import pandas as pd\ndf = pd.read_csv('/kaggle/input/pets/pets.csv')\nprint(df.shape)"
MEAN = "print(df['Weight (kg)'].mean())"
RUN = "add_and_execute_jupyter_code_cell"
BUILD = "data = {'city': ['Oslo', 'Rome', 'Oslo'], 'sales': [3, 4, 5]}\ndf = pd.DataFrame(data)\n"


def call(name, **arguments):
    return {"function": {"name": name, "arguments": {"code": None, "answer": None} | arguments}}


def notebook(answer="12.75", executor="e2b", files=("/kaggle/input/pets/pets.csv",), code=(LOAD, MEAN)):
    cells = [
        message
        for cell in code
        for message in (
            {"role": "assistant", "content": "I look.", "tool_calls": [call(RUN, code=cell)]},
            {"role": "tool", "content": "whatever it was then", "tool_calls": None},
        )
    ]  # fmt: skip
    final = {
        "role": "assistant",
        "content": "",
        "tool_calls": [call("final_answer", answer="It is 12.75. So.")],
    }
    return {
        "id": "1", "question": "What is the mean weight?", "answer": answer, "files_used": list(files),
        "kaggle_dataset_name": "owner/pets", "executor_type": executor,
        "messages": [{"role": "user", "content": "…", "tool_calls": None}, *cells, final],
    }  # fmt: skip


def feedback(code, result, said="Oslo sold most. Anything else?"):
    said = [{"role": "assistant", "content": said}]
    asked = {"role": "user", "content": "Which city sold most in this table?"}
    code = {"role": "assistant", "content": f"Here it is:\n```python\n{code}\n```\nIt works."}
    return {
        "id": 1,
        "messages": [asked, code, {"role": "user", "content": f"Execution result: \n{result}\n"}, *said],
    }


def dialog(second="True"):
    return {
        "tables": ["pets.csv"],
        "messages": [
            {"role": "user", "content": "Who is heaviest?"},
            {
                "role": "assistant",
                "content": "```python\nprint(df.loc[df['Weight (kg)'].idxmax(), 'Name'])\n```",
            },
            {"role": "user", "content": "Rex"},
            {"role": "assistant", "content": "Answer: Rex\nSummary: Rex is."},
            {"role": "user", "content": "Is there a cat?"},
            {"role": "assistant", "content": "```python\nprint((df['Species'] == 'cat').any())\n```"},
            {"role": "user", "content": "True"},
            {"role": "assistant", "content": f"Answer: {second}\nSummary: There is."},
        ],
    }


def dashboard(
    code="sales = df.groupby('city')['sales'].sum()\nsales.plot(kind='bar')\nprint(sales.idxmax())",
):
    return {
        "instruction": "Draw the sales by city and name the best one.",
        "input": "city,sales\nOslo,3\nRome,4\nOslo,5\n",
        "output": f"```python\n{code}\n```\nAnswer: Oslo\nSummary: Oslo sells most.",
    }


@pytest.fixture(scope="module")
def stage():
    with Pool(1) as pool:
        yield Stage(ByQuestion({}), pool)


@pytest.fixture
def found(tmp_path, pets_csv):
    """The drafts of rows in a source's folder."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "pets.csv").write_bytes(pets_csv.read_bytes())

    def read(name, *rows):
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return list(sources.drafts(name, tmp_path, tmp_path / "work"))

    return read


@pytest.mark.parametrize(
    ("name", "row", "answer", "steps"),
    [
        ("jupyter-agent", notebook(), "Answer: 12.75\nSummary: It is 12.75.", 2),
        ("code-feedback", feedback(BUILD + "print(df.groupby('city')['sales'].sum().idxmax())", "Oslo"),
         "Answer: Oslo\nSummary: Oslo sold most.", 1),
        ("dialogs", dialog(), "Answer: True\nSummary: There is.", 2),
        ("dashboards", dashboard(), "Answer: Oslo\nSummary: Oslo sells most.", 1),
    ],
)  # fmt: skip
def test_a_trace_is_run_for_real_and_becomes_a_sample(found, stage, name, row, answer, steps):
    (draft,) = found(name, row)
    sample, reason = play(draft, stage)
    assert not reason
    assert (sample.source, sample.steps, sample.messages[-1]["content"]) == (name, steps, answer)
    said = str(sample.messages)
    assert "whatever it was then" not in said and "/kaggle/" not in said and "read_csv" not in said


def test_of_several_questions_the_one_that_the_code_answers_is_asked(found, stage):
    first = feedback(BUILD + "print((df['sales'] > 3).sum())", "2", "Two of them.")
    then = feedback(BUILD + "print(df['sales'].mean())", "4.0", "It is 4.")
    then["messages"][0]["content"] = "And the mean of sales?"
    failed = then["messages"][1:3]
    failed[1] = {"role": "user", "content": "Execution result: \nKeyError: 'sale'\n"}
    asked, *answered = then["messages"]
    (draft,) = found("code-feedback", {"messages": [*first["messages"], asked, *failed, *answered]})
    assert (draft.problem.question, draft.problem.answer) == ("And the mean of sales?", "4.0")
    assert play(draft, stage)[0]


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("jupyter-agent", notebook(answer="13.5"), "answer not accepted"),
        ("jupyter-agent", notebook(code=(LOAD, "print(12.75)")), "answer not accepted"),
        ("code-feedback", feedback(BUILD + "print(df.groupby('city')['sales'].sum().idxmin())", "Oslo"),
         "answer not accepted"),
        ("dialogs", dialog("False"), "answer not accepted"),
        ("dashboards", dashboard("print(df.groupby('city')['sales'].sum().idxmax())"),
         "does not show what it should"),
    ],
)  # fmt: skip
def test_a_trace_that_does_not_hold_when_run_is_not_kept(found, stage, name, row, reason):
    (draft,) = found(name, row)
    assert play(draft, stage) == (None, reason)


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("jupyter-agent", notebook(executor="llm"), "its outputs were made up by a model"),
        ("jupyter-agent", notebook(files=["/kaggle/input/x/gone.csv"]), "its tables are not here"),
        ("jupyter-agent", notebook(code=()), "without code or without an answer"),
        ("code-feedback", feedback("print(sum(range(5)))", "10"), "no table in it"),
        ("code-feedback", feedback(BUILD + "print(df)", "a\nb"), "the result is not one value"),
        ("code-feedback", {"messages": [{"role": "user", "content": "Hi"}]}, "no code with its result"),
        ("dialogs", dialog() | {"tables": ["gone.csv"]}, "its tables are not here"),
        ("dashboards", dashboard() | {"input": ""}, "no table in it"),
        ("dashboards", {"prompt": "?"}, "not in the published format"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why(found, name, row, reason):
    assert found(name, row) == [reason]


def test_rows_are_read_from_parquet_as_the_hub_stores_them(tmp_path, pets_csv):
    (tmp_path / "files" / "owner" / "pets").mkdir(parents=True)
    (tmp_path / "files" / "owner" / "pets" / "pets.csv").write_bytes(pets_csv.read_bytes())
    pa.parquet.write_table(pa.Table.from_pylist([notebook(), notebook()]), tmp_path / "part-0.parquet")
    drafts = list(sources.drafts("jupyter-agent", tmp_path, tmp_path))
    assert len(drafts) == 2 and all(isinstance(draft, Draft) for draft in drafts)


def test_an_unknown_source_and_an_empty_folder_are_told_in_a_sentence(tmp_path):
    with pytest.raises(ProblemError, match="no supplement 'x': take one of jupyter-agent"):
        list(sources.drafts("x", tmp_path, tmp_path))
    with pytest.raises(ProblemError, match="holds no rows"):
        list(sources.drafts("dialogs", tmp_path, tmp_path))
    with pytest.raises(ProblemError, match="dialogs is not on the Hub"):
        sources.fetch("dialogs", tmp_path, 5)
