"""Benchmark runs against a server that runs the question as code: modes, resuming, refusals, the table."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.models import ModelError, Usage
from tests.agent.conftest import ScriptedModel
from training import bench, records, results, summary
from training.__main__ import main
from training.bench import Settings
from training.problems import Problem, save
from training.records import Journal, RunError, read_run

ROOT = Path(__file__).parents[2]


def answered(problems, model, folder, **settings):
    """The predictions of a run in the folder, in short."""
    settings = Settings(**{"slots": 1} | settings)
    with bench.journal_of(folder, problems, model, settings) as journal:
        return bench.run(problems, model, journal, settings)


def without_times(predictions):
    return [{**vars(prediction), "seconds": 0} for prediction in predictions]


def test_a_run_leaves_a_judged_prediction_and_a_trajectory_for_every_problem(three, model, tmp_path):
    right, wrong, failed = answered(three, model, tmp_path)
    assert (right.answer, right.official, right.verified, right.link) == ("31.5", True, True, "stdout")
    assert (wrong.answer, wrong.official, wrong.verified) == ("False", False, True)
    assert (failed.exec_ok, failed.verified, failed.official) == (False, False, False)
    predictions, trajectories = read_run(tmp_path)
    assert {p.id for p in predictions} == trajectories.keys() == {"p0", "p1", "p2"}
    assert trajectories["p0"].executions[0].stdout.strip() == right.answer


def test_a_table_that_cannot_be_read_is_a_wrong_prediction_and_not_left_out(three, asked, model, tmp_path):
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK\x03\x04 and then nothing")
    (bad,) = asked(("print(1)", "1", "number"), table=broken)
    bad = Problem("bad", bad.question, bad.tables, bad.answer, bad.answer_type)
    predictions = answered([*three, bad], model, tmp_path / "run")
    assert (predictions[-1].outcome, predictions[-1].official) == ("unreadable", False)
    assert "broken.xlsx" in predictions[-1].summary
    assert summary.summarize(predictions)["problems"] == 4


def test_the_no_data_control_asks_once_and_shows_nothing_of_the_tables(three, model, tmp_path):
    predictions = answered(three, model, tmp_path, mode="no-data")
    assert [p.answer for p in predictions] == ["True"] * 3
    assert [p.official for p in predictions] == [False, True, False]
    assert not any(p.exec_ok or p.verified for p in predictions)
    _, trajectories = read_run(tmp_path)
    assert all("Species" not in t.messages[0]["content"] for t in trajectories.values())
    assert all("pets.csv" not in json.dumps(t.to_json()) for t in trajectories.values())


def test_one_shot_runs_one_reply_once_and_answers_with_what_it_printed(asked, model, tmp_path, echo):
    problems = asked(
        ("print(df['Weight (kg)'].max())", "31.5", "number"),
        ("print('Rex')", "Rex", "category"),
        ("print(df['Age'].max())", "7", "number"),
    )
    computed, said, failed = answered(problems, model, tmp_path, mode="one-shot", slots=2)
    assert (computed.answer, computed.official, computed.verified) == ("31.5", True, True)
    assert (said.answer, said.official, said.verified) == ("Rex", True, False)
    assert (failed.answer, failed.outcome, failed.steps) == ("", "no_answer", 1)
    assert len(echo.asked) == 3


def test_what_one_reply_printed_is_read_by_the_model_where_it_is_no_answer_of_the_type(asked, tmp_path):
    (problem,) = asked(("What is the top weight?", "31.5", "number"))
    model = ScriptedModel("```python\nprint('Top: ' + str(df['Weight (kg)'].max()) + ' kg')\n```", "31.5")
    (prediction,) = answered([problem], model, tmp_path, mode="one-shot")
    assert (prediction.answer, prediction.value) == ("Top: 31.5 kg", "31.5")
    assert (prediction.link, prediction.strict) == ("extraction", True)


@pytest.mark.parametrize("settings", [{"slots": 3}, {"slots": 2, "batched": True}])
def test_problems_side_by_side_give_the_predictions_of_one_after_the_other(three, model, tmp_path, settings):
    alone = answered(three, model, tmp_path / "alone")
    together = answered(three, model, tmp_path / "together", **settings)
    assert without_times(together) == without_times(alone)


def test_problems_on_the_same_tables_are_asked_one_after_the_other(asked, model, tmp_path, pets_csv, echo):
    other = tmp_path / "other.csv"
    other.write_text("a\n1\n")
    code = [(f"print(len(df) + {i})", "1", "number") for i in range(4)]
    ids = iter("abcd")
    mixed = [
        Problem(next(ids), question, (table,), gold, kind)
        for (question, gold, kind), table in zip(code, [pets_csv, other, pets_csv, other], strict=True)
    ]
    predictions = answered(mixed, model, tmp_path / "run")
    assert [p.id for p in predictions] == ["a", "b", "c", "d"]
    assert echo.asked == [mixed[i].question for i in (0, 2, 1, 3)]


def test_a_torn_last_line_is_dropped_and_only_that_problem_is_asked_again(three, model, tmp_path, echo):
    whole = answered(three, model, tmp_path)
    for name in (records.PREDICTIONS, records.TRAJECTORIES):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-20])
    echo.asked.clear()
    assert without_times(answered(three, model, tmp_path)) == without_times(whole)
    assert echo.asked == [three[-1].question]
    assert without_times(read_run(tmp_path)[0]) == without_times(whole)


def test_what_was_asked_but_not_judged_is_judged_without_asking(three, model, tmp_path, echo):
    whole = answered(three, model, tmp_path)
    (tmp_path / records.PREDICTIONS).write_text("")
    echo.asked.clear()
    assert answered(three, model, tmp_path) == whole
    assert echo.asked == []


def test_what_was_judged_but_whose_trajectory_is_lost_is_asked_again(three, model, tmp_path, echo):
    whole = answered(three, model, tmp_path)
    lines = (tmp_path / records.TRAJECTORIES).read_bytes().splitlines(keepends=True)
    (tmp_path / records.TRAJECTORIES).write_bytes(b"".join(lines[:-1]))
    echo.asked.clear()
    assert without_times(answered(three, model, tmp_path)) == without_times(whole)
    assert echo.asked == [three[-1].question]
    predictions, trajectories = read_run(tmp_path)
    assert without_times(predictions) == without_times(whole) and len(trajectories) == 3


def test_a_folder_with_another_seed_or_other_problems_is_refused(three, model, tmp_path):
    answered(three, model, tmp_path)
    with pytest.raises(RunError, match=r"another seed \(0, now 1\)"):
        answered(three, model, tmp_path, seed=1)
    with pytest.raises(RunError, match="another data_sha256"):
        answered(three[:2], model, tmp_path)


def test_a_folder_is_refused_to_a_second_run_while_the_first_goes_on(three, model, tmp_path):
    config = bench.config(three, model.name, model.digest, Settings())
    with Journal(tmp_path, config), pytest.raises(RunError, match="Another run"):
        Journal(tmp_path, config)
    Journal(tmp_path, config).close()


def test_a_model_that_is_gone_ends_the_run_and_leaves_no_wrong_answers(three, echo, model, tmp_path):
    echo.shutdown()
    echo.server_close()
    with pytest.raises(ModelError):
        answered(three, model, tmp_path)
    assert read_run(tmp_path) == ([], {})


def command(echo, problems, out, *mode):
    return [sys.executable, "-m", "training", "bench"] + [
        "--problems", str(problems), "--model", echo.name, "--out", str(out), "--slots", "2", *mode,
    ]  # fmt: skip


def kill_after_progress(words, predictions, log, after):
    """Starts the command, and kills it `after` seconds from its first new prediction."""
    before = predictions.stat().st_size if predictions.exists() else 0
    with log.open("w") as output:
        process = subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=output)
    while process.poll() is None and not (predictions.exists() and predictions.stat().st_size > before):
        time.sleep(0.005)
    time.sleep(after)
    assert process.poll() is None, log.read_text()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(("mode", "kills"), [(["--control", "no-data"], 7), ([], 3)])
def test_a_run_that_is_killed_at_random_moments_ends_with_the_same_predictions(
    asked, model, echo, tmp_path, mode, kills
):
    rows = [(f"print(int(df['Weight (kg)'].max()) + {i})", str(31 + i), "number") for i in range(100)]
    problems, name = asked(*rows), mode[-1] if mode else "loop"
    whole = without_times(answered(problems, model, tmp_path / "whole", mode=name))
    save(problems, tmp_path / "problems.jsonl")
    echo.pause, moment = 0.03, random.Random(7)
    run = tmp_path / "killed" / f"{name}-seed0"
    words = command(echo, tmp_path / "problems.jsonl", run.parent, *mode)
    for _ in range(kills):
        kill_after_progress(words, run / records.PREDICTIONS, tmp_path / "log.txt", moment.uniform(0, 0.1))
    done = subprocess.run(words, cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr
    resumed, trajectories = read_run(run)
    assert sorted(without_times(resumed), key=lambda p: p["id"]) == sorted(whole, key=lambda p: p["id"])
    lines = (run / records.TRAJECTORIES).read_text().splitlines()
    assert len(lines) == len(trajectories) == len(whole)


def test_the_command_prints_all_runs_of_its_folder_side_by_side(three, echo, tmp_path, capsys):
    save(three, tmp_path / "problems.jsonl")
    common = ["bench", "--problems", str(tmp_path / "problems.jsonl"), "--model", echo.name]
    common += ["--out", str(tmp_path / "run")]
    assert main([*common, "--repeat", "2"]) == 0
    assert main([*common, "--control", "no-data"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("no-data") == 1 and "loop, seed 1" in printed
    assert "mean 33.3 % ± 0.0 (2 seeds)" in printed
    assert "| accuracy, official | 33.3 % (6 to 79) | 33.3 % (6 to 79) | 33.3 % (6 to 79) |" in printed


def test_the_result_says_what_it_rests_on_and_is_published_under_its_own_name(three, model, tmp_path):
    result = results.measure("Pets", three, model, tmp_path / "run", Settings(slots=1))
    path = results.publish(result, tmp_path / "published")
    assert path.name.startswith("bench-Pets-endpoint-http-127.0.0.1") and path.name.endswith(
        "loop-seed0.json"
    )
    stored = json.loads(path.read_text())
    needed = {"model", "model_digest", "data_sha256", "prompt_sha256", "seed", "versions", "hardware"}
    assert needed <= stored.keys() and {"date", "command", "commit"} <= stored.keys()


def test_published_runs_on_one_benchmark_stand_side_by_side_the_loop_first(three, model, tmp_path):
    for benchmark, mode in (("Pets", "no-data"), ("Pets", "loop"), ("Cars", "loop")):
        settings = Settings(mode, slots=1)
        result = results.measure(benchmark, three, model, tmp_path / benchmark, settings)
        results.publish(result, tmp_path / "published")
    header, *_ = results.published("Pets", tmp_path / "published").splitlines()
    assert header == f"| | `{model.name}`, loop | `{model.name}`, no-data |"


def test_a_run_on_unlike_machines_shows_no_seconds(three, model, tmp_path):
    result = results.measure("Pets", three, model, tmp_path / "run", Settings("no-data", slots=1))
    results.publish(result | {"seconds": None, "median_seconds": None}, tmp_path / "published")
    assert "| seconds (mean / median) | – |" in results.published("Pets", tmp_path / "published")


def test_a_result_of_other_problems_is_never_published_over(three, model, tmp_path):
    whole = results.measure("Pets", three, model, tmp_path / "whole", Settings(slots=1))
    path = results.publish(whole, tmp_path / "published")
    part = results.measure("Pets", three[:2], model, tmp_path / "part", Settings(slots=1))
    with pytest.raises(
        RunError, match=r"loop-seed0.json holds a result of other problems .*3 problems, now 2"
    ):
        results.publish(part, tmp_path / "published")
    assert json.loads(path.read_text()) == whole
    results.publish(whole | {"date": "later"}, tmp_path / "published")
    assert json.loads(path.read_text())["date"] == "later"


def test_part_of_a_benchmark_and_a_temperature_are_told_in_its_name_and_folder(
    three, echo, tmp_path, monkeypatch
):
    save(three, tmp_path / "problems.jsonl")
    monkeypatch.chdir(tmp_path)
    common = ["bench", "--problems", "problems.jsonl", "--model", echo.name, "--control", "no-data"]
    names = [f"{tmp_path.name} problems{more}" for more in ("", ", first 2", ", temperature 0.7")]
    for more in ([], ["--limit", "2"], ["--temperature", "0.7"]):
        assert main([*common, *more]) == 0
    stored = [json.loads(path.read_text()) for path in results.BUILD.glob(f"*/*/{records.SUMMARY}")]
    assert sorted(one["benchmark"] for one in stored) == sorted(names)
    assert results.title("dsbench", 2, 5, 0.7) == "dsbench, first 5, 2 drawn, temperature 0.7"


def test_a_finished_run_is_not_taken_for_one_with_other_slots(three, model, tmp_path, capsys):
    first = results.measure("Pets", three, model, tmp_path, Settings(slots=1))
    assert "Nothing was asked" not in capsys.readouterr().err
    assert results.measure("Pets", three, model, tmp_path, Settings(slots=3)) == first
    told = f"Nothing was asked: the figures are those of {first['date']}, with --slots 1."
    assert told in capsys.readouterr().err


def test_a_drawn_sample_is_the_same_each_time_and_told_in_the_name(three, echo, tmp_path, capsys):
    save(three, tmp_path / "problems.jsonl")
    common = ["bench", "--problems", str(tmp_path / "problems.jsonl"), "--model", echo.name, "--sample", "2"]
    drawn = []
    for run in ("one", "two"):
        assert main([*common, "--out", str(tmp_path / run)]) == 0
        stored = json.loads((tmp_path / run / "loop-seed0" / records.SUMMARY).read_text())
        assert stored["benchmark"].endswith("problems, 2 drawn")
        drawn.append([p.id for p in records.read_run(tmp_path / run / "loop-seed0")[0]])
    assert drawn[0] == drawn[1] and len(drawn[0]) == 2


def test_the_digest_of_the_data_sees_a_changed_cell_and_not_a_moved_folder(tmp_path):
    digests = []
    for folder, content in (("a", "x\n1\n"), ("b", "x\n1\n"), ("c", "x\n2\n")):
        table = tmp_path / folder / "t.csv"
        table.parent.mkdir()
        table.write_text(content)
        digests.append(records.data_digest([Problem("p", "How many?", (table,), "1", "number")]))
    assert digests[0] == digests[1] != digests[2]


def test_bad_input_is_told_in_one_sentence(echo, tmp_path, capsys):
    for words, reason in (
        (["bench", "--model", echo.name], "Give either --problems or --suite"),
        (["bench", "--problems", "nowhere", "--model", echo.name], "neither a file nor a benchmark"),
        (["bench", "--suite", "hackathon"], "give --model"),
        (["bench", "--suite", "full", "--model", "x", "--limit", "3"], "go with --problems"),
        (["bench", "report", str(tmp_path)], "holds no predictions.jsonl"),
    ):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert reason in error and error.count("\n") == 1


def test_the_peer_answers_the_same_problems_and_is_judged_by_the_same_chain(asked, tmp_path):
    pytest.importorskip("smolagents", reason="smolagents is not installed")
    from benchmarks import peer_smolagents

    class Scripted:
        name, digest, context_tokens, usage = "scripted", "", 8192, Usage()
        replies = [
            "I look.\n<code>\nprint(df['Weight (kg)'].max())\n</code>",
            "I know.\n<code>\nfinal_answer(df['Weight (kg)'].max())\n</code>",
        ]
        count_tokens = staticmethod(len)

        def generate(self, conversations, **sampling):
            assert "'Weight (kg)': number" in str(conversations)
            return [self.replies.pop(0)]

    problems = asked(("What is the top weight?", "31.5", "number"))
    settings = Settings("smolagents", slots=1)
    with bench.journal_of(tmp_path, problems, Scripted(), settings) as journal:
        (prediction,) = peer_smolagents.run(problems, Scripted(), journal, settings)
    assert (prediction.answer, prediction.official, prediction.exec_ok) == ("31.5", True, True)
    assert (prediction.steps, prediction.link, prediction.verified) == (2, "stdout", False)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 10, 0, 0.2775), (160, 160, 0.9765, 1)]
)
def test_intervals_are_wilsons(hits, of, low, high):
    assert summary.wilson(hits, of) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))
