"""The whole way from questions to a set, with a scripted model: what is kept, split, counted and left out."""

import argparse
import json
import os
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest

from agent.absence import NOT_ANSWERABLE
from tests.training.scripted import ByQuestion
from training import builder, data, gather, leaks, problems, questions, samples, suite
from training.bench import Settings
from training.gather import Asked
from training.problems import Problem
from training.rollouts import Rollout, answer_reply, code_reply


def table(number):
    lines = [f"Name{i},{'dog' if i % 3 else 'cat'},{i * number}.5,{2000 + i}" for i in range(12)]
    return "\n".join(["Name,Species,Weight (kg),Born", *lines]) + "\n"


HEAVIEST = "Who is the heaviest of table {}?"
DOGS = "How many dogs of table {} were born after 2004?"
ANY = "Is any cat of table {} heavier than 1000 kg?"
MOST = "Which species is the most common in table {}?"
CODE = {
    HEAVIEST: ("print(df.loc[df['Weight (kg)'].idxmax(), 'Name'])", "Name11", "category"),
    DOGS: ("print(((df['Species'] == 'dog') & (df['Born'] > 2004)).sum())", "5", "number"),
    ANY: ("print((df[df['Species'] == 'cat']['Weight (kg)'] > 1000).any())", "False", "boolean"),
    MOST: ("print(df['Species'].value_counts().idxmax())", "dog", "category"),
}
TABLES = 6


def replies():
    """Of a model that knows the answers, but gets every second ANY wrong, and stumbles at HEAVIEST."""
    known = {
        question.format(number): [code_reply(code), answer_reply(gold, f"For this table it is {gold}.")]
        for number in range(1, TABLES + 1)
        for question, (code, gold, _) in CODE.items()
    }
    for number in range(1, TABLES + 1):
        stumble = code_reply(CODE[HEAVIEST][0].replace("Weight (kg)", "Weight"))
        known[HEAVIEST.format(number)].insert(0, stumble)
        if number % 2:
            known[ANY.format(number)] = [
                code_reply("print(len(df) > 1)"),
                answer_reply("True", "One cat is heavier."),
            ]
    return known


def questions_of(source, number, path):
    return [
        Problem(f"{source}-{number:04}-{i}", question.format(number), (path,), gold, kind)
        for i, (question, (_, gold, kind)) in enumerate(CODE.items())
    ]


class Builds:
    """The command on a data folder of its own, two tables for each source, with a scripted model."""

    def __init__(self, path, monkeypatch):
        self.path, self.model = path, ByQuestion(replies())
        asked = {"databench": [], "wtq": [], "samples": []}
        for number in range(1, TABLES + 1):
            source = list(asked)[number % 3]
            file = path / "data" / source / f"t{number}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(table(number))
            asked[source] += questions_of({"samples": "own"}.get(source, source), number, file)
        self.own = asked["samples"]
        twin = replace(asked["databench"][0], id="twin")
        problems.save(asked["databench"], path / "data/databench/train_lite.jsonl")
        problems.save([twin], path / "data/databench/train_full.jsonl")
        problems.save(asked["wtq"], path / "data/wtq/train.jsonl")
        monkeypatch.setattr(questions, "generate", self.generate)
        monkeypatch.setattr(data, "_load", lambda name, slots: (self.model, Settings(slots=2)))

    def generate(self, tables, seed, per_table, work, dropped):
        absent = Problem(
            "own-99-0", "What is the average shoe size?", self.own[0].tables, NOT_ANSWERABLE, "category"
        )
        return [SimpleNamespace(problem=p, family=f"f{i % 4}") for i, p in enumerate([*self.own, absent])]

    def __call__(self, *words, out="set"):
        parser = argparse.ArgumentParser()
        data.add_command(parser.add_subparsers())
        given = ["--data", str(self.path / "data"), "--out", str(self.path / out), "--student", "scripted"]
        given += ["--own", "8", "--wtq", "8", "--temperatures", "0", *words]
        options = parser.parse_args(["data", *given])
        options.function(options)
        return self.path / out


@pytest.fixture
def build(tmp_path, monkeypatch):
    return Builds(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A set that was built once, for tests that only look at it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        return Builds(tmp_path_factory.mktemp("built"), monkeypatch)("--recovery", "0.4")


def read(where):
    return {split: samples.read(where, split) for split in samples.SPLITS}


def left_out(where):
    return (where / "README.md").read_text().partition("## Left out")[2].partition("## ")[0]


def test_only_verified_conversations_are_in_the_set_and_no_table_is_in_both_splits(built):
    by_split = read(built)
    whole = [sample for of_split in by_split.values() for sample in of_split]
    assert {sample.source for sample in whole} == {"databench", "wtq", "own", "recovery", "shape"}
    assert not any("len(df) > 1" in str(sample.messages) for sample in whole)
    tables = {split: {t for s in of_split for t in s.tables_sha256} for split, of_split in by_split.items()}
    assert tables["validation"] and not tables["train"] & tables["validation"]
    assert all(sample.trained and sample.messages[-1]["role"] == "assistant" for sample in whole)


def test_the_same_question_with_the_same_code_is_there_once(build):
    where = build("--temperatures", "0,0.5", "--own", "0", "--wtq", "0", "--recovery", "0")
    clean = [s for of in read(where).values() for s in of if s.source == "databench"]
    # Of four questions on each of two tables one is asked twice, and one is answered wrong.
    assert len(clean) == len({json.dumps(sample.messages) for sample in clean}) == 7


@pytest.mark.parametrize(("share", "expected"), [("0", 0.0), ("0.3", 0.3)])
def test_the_share_of_recoveries_is_a_setting(build, share, expected):
    counts = Counter(sample.source for of in read(build("--recovery", share)).values() for sample in of)
    shapes = counts.pop("shape")
    assert shapes and counts["recovery"] / counts.total() == pytest.approx(expected, abs=0.02)


def test_recoveries_are_of_several_kinds_and_learn_only_the_repair(built):
    recoveries = [s for of in read(built).values() for s in of if s.source == "recovery"]
    assert {"its own", "almost right column", "print closed early"} <= {s.family for s in recoveries}
    for sample in recoveries:
        first = sample.trained[0]
        assert "failed" in sample.messages[first - 1]["content"] or sample.family == "wrong case"
        assert sample.messages[first - 2]["role"] == "assistant" and sample.trained == (first, first + 2)


def test_the_card_counts_what_is_in_the_set_and_what_was_left_out(built):
    card = (built / "README.md").read_text()
    by_split = read(built)
    for key in ("source", "answer_type", "model"):
        counts = Counter(str(getattr(s, key)) for of in by_split.values() for s in of)
        for name, count in counts.items():
            train = sum(getattr(s, key) == name for s in by_split["train"])
            assert f"| {name} | {train} | {count - train} | {count} |" in card
    steps = Counter(s.steps for of in by_split.values() for s in of)
    assert re.search(rf"\| 1 \| \d+ \| \d+ \| {steps[1]} \|", card)
    assert "| databench | rollout wrong |" in card
    assert "CC BY-SA 4.0" in card and "`python" in card


def test_what_no_table_holds_is_asked_of_no_model_and_looked_for_in_vain(build, monkeypatch):
    monkeypatch.setattr(data, "ABSENT_SHARE", 0.1)
    whole = [sample for of_split in read(build()).values() for sample in of_split]
    (absent,) = [sample for sample in whole if sample.family == "not answerable"]
    assert sum(sample.family == "looked for and found" for sample in whole) == 1
    assert not any("shoe size" in question for question in build.model.asked)
    look, output, answer = (message["content"] for message in absent.messages[-3:])
    assert "'shoe' in c.lower()" in look and output.endswith("\n[]")
    assert answer.startswith(f"Answer: {NOT_ANSWERABLE}\n") and absent.source == "shape"


def test_a_run_that_is_stopped_goes_on_and_ends_with_the_set_of_one_that_was_not(build):
    build.model.left = 20
    with pytest.raises(KeyboardInterrupt):
        build()
    before, build.model.left = set(build.model.asked), None
    build.model.asked.clear()
    resumed = read(build())
    # What was under way when it was stopped is asked again.
    assert build.model.asked and len(before & set(build.model.asked)) <= 4
    build.model.asked.clear()
    assert read(build()) == resumed and not build.model.asked
    other = build(out="other")
    assert read(other) == resumed
    assert left_out(other) == left_out(build.path / "set")


def test_a_benchmarks_table_is_left_out_and_counted(build, monkeypatch):
    (digest,) = leaks.digests(build.path / "data/wtq/t1.csv")
    monkeypatch.setattr(leaks, "_listed", lambda: {digest: "a-benchmark"})
    where = build()
    assert all(digest not in s.tables_sha256 for of in read(where).values() for s in of)
    assert "| wtq | a benchmark's table | 4 |" in (where / "README.md").read_text()


def test_nothing_is_derived_from_a_benchmarks_table_either(tmp_path, monkeypatch):
    folder = tmp_path / "samples"
    folder.mkdir()
    for number, name in enumerate(("known", "other"), 1):
        (folder / f"{name}.csv").write_text(table(number))
    (digest,) = leaks.digests(folder / "known.csv")
    monkeypatch.setattr(leaks, "_listed", lambda: {digest: "a-benchmark"})
    dropped = Counter()
    asked = gather._own(folder, tmp_path / "work", 0, dropped)
    names = {path.stem.partition("_")[0] for one in asked for path in one.problem.tables}
    assert names == {"other"} and any(one.family.startswith("joined") for one in asked)
    assert dropped["own", "a benchmark's table"] == 1


def test_what_the_mentor_never_gets_right_and_no_sample_teaches_is_kept(build, monkeypatch, tmp_path):
    mentor, wrong = ByQuestion(replies()), [code_reply("print(len(df))"), answer_reply("12", "It is 12.")]
    mentor.name, mentor.digest = "mentor", f"{'ab' * 32}+{'cd' * 32}"
    mentor.replies |= {DOGS.format(number): wrong for number in (3, 6)}
    build.model.replies |= {DOGS.format(6): wrong, MOST.format(6): wrong}
    voices = {"scripted": build.model, "mentor": mentor}
    monkeypatch.setattr(data, "_load", lambda name, slots: (voices[name], Settings(slots=2)))
    pool = tmp_path / "given" / suite.PARTS["mentor-hard"].file
    words = ("--temperatures", "0,0.5", "--mentor", "mentor", "--own", "0", "--wtq", "0")
    where = build(*words, "--pool", str(pool))
    hard = [problem.question for problem in suite.find(suite.PARTS["mentor-hard"], pool.parent)]
    assert sorted(hard) == [DOGS.format(6), ANY.format(3)]
    learned = str([sample.messages for of_split in read(where).values() for sample in of_split])
    assert DOGS.format(3) in learned and not any(question in learned for question in hard)
    card = (where / "README.md").read_text()
    assert "- questions in mentor-hard.jsonl: 2" in card
    assert f"mentor ({'ab' * 8}+{'cd' * 8})" in card  # its adapter's digest, too


def test_one_rollout_does_not_tell_what_is_hard(built):
    assert (built / "mentor-hard.jsonl").read_text() == ""


def test_the_questions_of_the_validation_samples_are_there_to_be_asked(built):
    asked = problems.load(built / "validation_problems.jsonl")
    texts = " ".join(str(s.messages) for s in samples.read(built, "validation"))
    assert asked and all(problem.question in texts for problem in asked)


def test_a_supplement_goes_through_the_same_door(build):
    folder = build.path / "extra"
    folder.mkdir()
    row = {
        "instruction": "Draw the sales by city and name the best one.",
        "input": "city,sales\nOslo,3\nRome,4\nOslo,5\n",
        "output": "```python\ns = df.groupby('city')['sales'].sum()\ns.plot(kind='bar')\nprint(s.idxmax())\n"
        "```\nAnswer: Oslo\nSummary: Oslo sells most.",
    }
    bad = row | {"output": row["output"].replace("idxmax", "idxmin")}
    (folder / "rows.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps(bad)}\n{{}}\n")
    where = build("--own", "0", "--wtq", "0", "--recovery", "0", "--supplement", f"dashboards={folder}")
    assert sum(s.source == "dashboards" for of in read(where).values() for s in of) == 1
    card = (where / "README.md").read_text()
    assert "| dashboards | answer not accepted | 1 |" in card
    assert "| dashboards | not in the published format | 1 |" in card
    assert str(build.path) not in card


@pytest.fixture
def rolled(play, problem):
    """What `successes` reads of an episode of these replies."""

    def rolled(code, answer, gold="True", question="Is a pet heavier than 20 kg?", kind="boolean"):
        record = replace(
            play(question, code, answer_reply(answer, f"For these pets it is {answer}.")), run={"model": "m"}
        )
        right = SimpleNamespace(official=answer == gold, verified=True)
        return "own", "f", Rollout(problem(question, gold, kind), record, right)

    return rolled


def test_what_is_answered_right_each_time_gives_one_sample_and_other_questions_several(rolled):
    number = {"gold": "4", "question": "How many pets are there?", "kind": "number"}
    right = [rolled(code, "4", **number) for code in ("print(len(df))", "print(df.shape[0])")]
    wrong = rolled("print(len(df) * 2)", "8", **number)
    for rollouts, most in (
        (right, builder.MOST_IF_EASY),
        ([*right, wrong], builder.MOST_PER_QUESTION),
    ):
        [candidate], _ = builder.successes(rollouts, Counter())
        assert (len(candidate.ways), candidate.most) == (2, most)
    assert builder.MOST_IF_EASY < 2 <= builder.MOST_PER_QUESTION


def test_a_yes_or_no_that_most_rollouts_miss_is_left_out_as_luck(rolled):
    lucky, unlucky = "print((df['Weight (kg)'] > 20).any())", "print((df['Weight (kg)'] > 40).any())"

    for answers, kept in ((["True"], 1), (["True", "False"], 0), (["True", "True", "False"], 1)):
        rollouts = [rolled(lucky if answer == "True" else unlucky, answer) for answer in answers]
        dropped = Counter()
        candidates, _ = builder.successes(rollouts, dropped)
        assert len(candidates) == kept
        assert dropped["own", "a yes or no that most rollouts miss"] == 1 - kept
    number = {"gold": "4", "question": "How many pets are there?", "kind": "number"}
    rollouts = [rolled("print(len(df))", "4", **number), rolled("print(len(df) * 2)", "8", **number)]
    assert len(builder.successes(rollouts, Counter())[0]) == 1


def test_an_embedded_student_is_without_an_adapter_where_none_is_named(monkeypatch):
    monkeypatch.setattr(data.models, "load", lambda name, adapter, slots: (name, adapter, slots))
    monkeypatch.setattr(data.suite, "gpus", list)
    assert data._load("coder-0.5b", 3) == (("coder-0.5b", "none", 3), Settings(slots=3))
    assert data._load("coder-0.5b@my.gguf", 1)[0] == ("coder-0.5b", "my.gguf", 1)
    (_, adapter, _), settings = data._load("gemma-4-e2b", 0)
    assert adapter is None and settings.batched


def test_rare_types_are_lifted_and_no_table_is_asked_too_often(tmp_path):
    kinds = ["category"] * 60 + ["number"] * 30 + ["boolean"] * 6 + ["list[category]"] * 4
    asked = [
        Asked(Problem(str(i), "?", (tmp_path / f"{i % 40}.csv",), "1", kind), "f")
        for i, kind in enumerate(kinds)
    ]
    taken = gather.balanced(asked, 30, 0, lambda one: one.problem.answer_type, per_table=2)
    counts = Counter(one.problem.answer_type for one in taken)
    assert counts["boolean"] == 6 and counts["list[category]"] == 4 and counts.total() == 30
    assert max(Counter(one.problem.tables for one in taken).values()) <= 2
    assert taken == gather.balanced(asked, 30, 0, lambda one: one.problem.answer_type, per_table=2)


def test_samples_on_a_table_and_on_its_first_rows_are_on_the_same_side(tmp_path):
    whole, first, other = (tmp_path / f"{name}.csv" for name in ("whole", "first", "other"))
    lines = [f"{i},{i * 7}" for i in range(50)]
    whole.write_text("\n".join(["a,b", *lines]))
    first.write_text("\n".join(["a,b", *lines[: leaks.FIRST_ROWS]]))
    other.write_text("\n".join(["a,b", *lines[30:]]))
    made = [
        SimpleNamespace(draft=SimpleNamespace(problem=Problem(str(i), "?", (t,), "1", "number")))
        for i, t in enumerate([whole, first, other])
    ]
    for seed in range(6):
        sides = builder.split(made, 0.7, seed)
        assert (made[0] in sides["train"]) == (made[1] in sides["train"])
        assert sorted(map(id, sides["train"] + sides["validation"])) == sorted(map(id, made))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--recovery", "1"], "a share below 1"),
        (["--supplement", "x=y"], "write NAME=DIR"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_told_before_a_model_is_asked(build, words, reason):
    with pytest.raises(ValueError, match=reason):
        build(*words)
    assert not build.model.asked


def test_temperatures_that_are_no_numbers_are_told(build, capsys):
    with pytest.raises(SystemExit):
        build("--temperatures", "low")
    assert "--temperatures: 'low' is not numbers with commas between: 0,0.7" in capsys.readouterr().err


def test_several_gpus_share_the_rollouts_and_the_set_is_the_same(build, monkeypatch):
    one = build("--temperatures", "0,0.5", out="one")
    asked = len(build.model.asked)
    monkeypatch.setattr(data.suite, "gpus", lambda: ["0", "1"])
    cards = []

    def processes(given):
        cards.append(given)
        return ThreadPoolExecutor(1)  # the sandbox, too, is one for each process

    monkeypatch.setattr(data, "_processes", processes)
    monkeypatch.setattr(data, "_voices", {})
    two = build("--temperatures", "0,0.5", out="two")
    assert cards == [["0", "1", "0", "1"]]
    assert len(build.model.asked) == 2 * asked  # nothing is asked a second time when the set is made
    assert read(two) == read(one)


def test_a_process_holds_one_model_at_a_time(monkeypatch):
    closed = []

    def loaded(name, slots):
        return SimpleNamespace(name=name, close=lambda: closed.append(name)), Settings(slots=slots)

    monkeypatch.setattr(data, "_voices", {})
    monkeypatch.setattr(data, "_load", loaded)
    first = data._held("student", 2)
    assert data._held("student", 2) is first and not closed
    assert data._held("mentor", 2)[0].name == "mentor" and closed == ["student"]


def test_each_process_takes_the_gpu_that_is_meant_for_it():
    with data._processes(["0", "3", "3"]) as pool:
        assert sorted(pool.map(_card_after_a_while, range(3))) == ["0", "3", "3"]


def _card_after_a_while(_):
    time.sleep(0.3)
    return os.environ["CUDA_VISIBLE_DEVICES"]
