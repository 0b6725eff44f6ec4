"""Of an earlier run is kept what the agent would answer by the same conversation; the rest is asked."""

import json

import pytest

from agent import slips
from training import bench, earlier, records, results
from training.__main__ import main
from training.bench import Settings
from training.problems import save
from training.records import RunError, read_run

GREEDY = Settings(slots=1)


@pytest.fixture
def before(three, model, tmp_path):
    """An earlier run of the three; its folder."""
    run(three, model, tmp_path / "before")
    return tmp_path / "before"


def run(problems, model, folder):
    with bench.journal_of(folder, problems, model, GREEDY) as journal:
        bench.run(problems, model, journal, GREEDY)


def taken(problems, model, folder, before, settings=GREEDY):
    """The ids of what is there after taking over from an earlier run."""
    with bench.journal_of(folder, problems, model, settings) as journal:
        earlier.take_over(before, problems, model, journal, settings)
    return sorted(prediction.id for prediction in read_run(folder)[0])


def rewrite(folder, **config):
    path = folder / records.CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | config))


def test_what_the_agent_would_come_to_again_is_kept(three, model, before, tmp_path):
    assert taken(three, model, tmp_path / "now", before) == ["p0", "p1", "p2"]
    old, now = ({p.id: p for p in read_run(folder)[0]} for folder in (before, tmp_path / "now"))
    assert now == old
    assert earlier.machines(tmp_path / "now") == ["", "", ""] and not earlier.machines(before)


def test_where_replies_are_drawn_otherwise_those_that_were_sampled_are_asked_anew(
    three, model, before, tmp_path
):
    rewrite(before, sampling_sha256="other")
    assert taken(three, model, tmp_path / "now", before) == ["p0", "p1"]


def test_where_replies_are_drawn_otherwise_one_that_fills_the_limit_is_asked_anew(
    three, model, before, tmp_path, monkeypatch
):
    rewrite(before, sampling_sha256="other")
    count, long = model.count_tokens, f"```python\n{three[0].question}\n```"
    monkeypatch.setattr(model, "count_tokens", lambda text: 512 if text == long else count(text))
    assert taken(three, model, tmp_path / "now", before) == ["p1"]


def test_only_conversations_that_a_change_touches_are_asked_anew(
    three, model, echo, before, tmp_path, monkeypatch
):
    monkeypatch.setattr(slips, "silent_slip", lambda step, *_: "Are you sure?" * ("nunique" in step.code))
    del echo.asked[:]
    with bench.journal_of(tmp_path / "now", three, model, GREEDY) as journal:
        earlier.take_over(before, three, model, journal, GREEDY)
        assert not echo.asked
        bench.run(three, model, journal, GREEDY)
    assert [three[i].question in echo.asked for i in range(3)] == [False, True, False]
    assert {p.id for p in read_run(tmp_path / "now")[0]} == {"p0", "p1", "p2"}


def test_an_answer_that_is_no_longer_accepted_is_asked_anew(three, model, before, tmp_path, monkeypatch):
    monkeypatch.setattr("agent.episode.Episode._find_evidence", lambda *_: None)
    assert taken(three, model, tmp_path / "now", before) == ["p2"]


def test_output_that_the_code_does_not_give_is_not_believed(three, model, before, tmp_path):
    path = before / records.TRAJECTORIES
    path.write_text(path.read_text().replace(r"step 1:\n31.5", r"step 1:\n99.5"))
    assert taken(three, model, tmp_path / "now", before) == ["p1", "p2"]


def test_what_the_journal_holds_already_stays(three, model, before, tmp_path):
    now = tmp_path / "now"
    with bench.journal_of(now, three, model, GREEDY) as journal:
        bench.run(three[:1], model, journal, GREEDY)
        stored = read_run(before)[1]["p1"]
        journal.add_trajectory("p1", stored)  # and was killed before it was judged
    assert taken(three, model, now, before) == ["p0", "p2"]
    assert len(earlier.machines(now)) == 1
    run(three, model, now)
    assert sorted(p.id for p in read_run(now)[0]) == ["p0", "p1", "p2"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_digest": "other"}, "another model_digest"),
        ({"seed": 3}, "another seed"),
        ({"data_sha256": "other"}, "another data_sha256"),
        ({"reply_tokens": 192}, "another reply_tokens"),
    ],
)
def test_another_run_is_refused_with_what_differs(three, model, before, tmp_path, change, told):
    rewrite(before, **change)
    with pytest.raises(RunError, match=told):
        taken(three, model, tmp_path / "now", before)


def test_only_greedy_runs_are_taken_over(three, model, before, tmp_path):
    with pytest.raises(RunError, match="Only a greedy run is taken over"):
        taken(three, model, tmp_path / "now", before, Settings(temperature=0.5, slots=1))


@pytest.mark.parametrize("mode", ["one-shot", "no-data"])
def test_a_baselines_reply_is_kept_where_what_it_was_asked_is_the_same(
    three, model, echo, tmp_path, monkeypatch, mode
):
    settings = Settings(mode, slots=1)
    with bench.journal_of(tmp_path / "before", three, model, settings) as journal:
        bench.run(three, model, journal, settings)
    del echo.asked[:]
    assert taken(three, model, tmp_path / "now", tmp_path / "before", settings) == ["p0", "p1", "p2"]
    assert read_run(tmp_path / "now")[0] == read_run(tmp_path / "before")[0] and not echo.asked
    posed = bench.posed
    monkeypatch.setattr(bench, "posed", lambda problem: posed(problem) + "?" * (problem.id == "p1"))
    assert taken(three, model, tmp_path / "changed", tmp_path / "before", settings) == ["p0", "p2"]
    rewrite(tmp_path / "before", sampling_sha256="other")
    assert taken(three, model, tmp_path / "other", tmp_path / "before", settings) == []


def test_a_folder_without_a_run_or_with_an_older_form_is_refused(three, model, before, tmp_path):
    with pytest.raises(RunError, match=r"holds no config.json"):
        taken(three, model, tmp_path / "now", tmp_path)
    path = before / records.PREDICTIONS
    path.write_text(path.read_text().replace('"gold"', '"known"'))
    with pytest.raises(RunError, match="a run of another form"):
        taken(three, model, tmp_path / "now", before)


@pytest.mark.parametrize(("machine", "seconds"), [("", False), ("a larger one", False), (None, True)])
def test_the_result_says_how_many_were_taken_over_and_has_no_seconds_of_another_machine(
    three, model, tmp_path, machine, seconds
):
    result = results.measure("Pets", three, model, tmp_path / "before", GREEDY)
    summary = tmp_path / "before" / "loop-seed0" / records.SUMMARY
    if machine:
        summary.write_text(json.dumps(result | {"hardware": machine}))
    elif machine == "":
        summary.unlink()
    again = results.measure("Pets", three, model, tmp_path / "now", GREEDY, earlier_run=tmp_path / "before")
    assert again["taken_over"] == 3 and "taken_over" not in result
    assert (again["seconds"] is not None, again["official"]) == (seconds, result["official"])


def test_the_command_takes_over_from_the_folder_that_it_named(three, echo, tmp_path, capsys):
    save(three, tmp_path / "problems.jsonl")
    words = ["bench", "--problems", str(tmp_path / "problems.jsonl"), "--model", echo.name]
    assert main([*words, "--out", str(tmp_path / "before")]) == 0
    again = [*words, "--out", str(tmp_path / "run"), "--earlier", str(tmp_path / "before")]
    assert main(again) == 0
    stored = json.loads((tmp_path / "run" / "loop-seed0" / records.SUMMARY).read_text())
    assert (stored["taken_over"], stored["problems"]) == (3, 3)
    assert main(["bench", "--suite", "full", "--model", echo.name, "--earlier", str(tmp_path)]) == 2
    assert "go with --problems" in capsys.readouterr().err
