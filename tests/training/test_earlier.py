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
def three(asked):
    """Two are answered at once; the answer to the third is refused, and so its replies are sampled."""
    return asked(
        ("print(df['Weight (kg)'].max())", "31.5", "number"),
        ("print(df['Species'].nunique() > 5)", "True", "boolean"),
        ("print(df['Age'].max())", "7", "number"),
    )


@pytest.fixture
def before(three, model, tmp_path):
    """An earlier run of the three; its folder."""
    run(three, model, tmp_path / "before")
    return tmp_path / "before"


def run(problems, model, folder):
    with bench.journal_of(folder, problems, model, GREEDY) as journal:
        bench.run(problems, model, journal, GREEDY)


def taken(problems, model, folder, before, settings=GREEDY):
    """The ids that were taken over, and the journal's folder's predictions."""
    with bench.journal_of(folder, problems, model, settings) as journal:
        earlier.take_over(before, problems, model, journal, settings)
    return sorted(prediction.id for prediction in read_run(folder)[0])


def test_what_the_agent_would_say_again_is_kept_and_what_was_sampled_is_not(three, model, before, tmp_path):
    assert taken(three, model, tmp_path / "now", before) == ["p0", "p1"]
    old, now = ({p.id: p for p in read_run(folder)[0]} for folder in (before, tmp_path / "now"))
    assert all(now[id] == old[id] for id in now)
    assert earlier.count(tmp_path / "now") == 2 and earlier.count(before) == 0


def test_only_conversations_that_a_change_touches_are_asked_anew(
    three, model, echo, before, tmp_path, monkeypatch
):
    monkeypatch.setattr(slips, "silent_slip", lambda step, *_: "Are you sure?" * ("nunique" in step.code))
    del echo.asked[:]
    with bench.journal_of(tmp_path / "now", three, model, GREEDY) as journal:
        earlier.take_over(before, three, model, journal, GREEDY)
        assert not echo.asked
        bench.run(three, model, journal, GREEDY)
    assert [three[i].question in echo.asked for i in range(3)] == [False, True, True]
    assert {p.id for p in read_run(tmp_path / "now")[0]} == {"p0", "p1", "p2"}


def test_an_answer_that_is_no_longer_accepted_is_asked_anew(three, model, before, tmp_path, monkeypatch):
    monkeypatch.setattr("agent.episode.Episode._find_evidence", lambda *_: None)
    assert taken(three, model, tmp_path / "now", before) == []


def test_output_that_the_code_does_not_give_is_not_believed(three, model, before, tmp_path):
    path = before / records.TRAJECTORIES
    path.write_text(path.read_text().replace(r"step 1:\n31.5", r"step 1:\n99.5"))
    assert taken(three, model, tmp_path / "now", before) == ["p1"]


def test_a_reply_that_was_cut_at_the_limit_is_asked_anew(three, model, before, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "count_tokens", lambda text: len(text) * 16)
    assert taken(three, model, tmp_path / "now", before) == []


def test_what_the_journal_holds_already_stays(three, model, before, tmp_path):
    run(three[:1], model, tmp_path / "now")
    (tmp_path / "now" / records.CONFIG).unlink()
    assert taken(three, model, tmp_path / "now", before) == ["p0", "p1"]
    assert earlier.count(tmp_path / "now") == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_digest": "other"}, "another model_digest"),
        ({"seed": 3}, "another seed"),
        ({"data_sha256": "other"}, "another data_sha256"),
    ],
)
def test_another_run_is_refused_with_what_differs(three, model, before, tmp_path, change, told):
    config = json.loads((before / records.CONFIG).read_text())
    (before / records.CONFIG).write_text(json.dumps(config | change))
    with pytest.raises(RunError, match=told):
        taken(three, model, tmp_path / "now", before)


@pytest.mark.parametrize("settings", [Settings("no-data", slots=1), Settings(temperature=0.5, slots=1)])
def test_only_greedy_runs_of_the_loop_are_taken_over(three, model, before, tmp_path, settings):
    with pytest.raises(RunError, match="Only a greedy run of the whole loop"):
        taken(three, model, tmp_path / "now", before, settings)


def test_a_folder_without_a_run_is_refused(three, model, tmp_path):
    with pytest.raises(RunError, match=r"holds no config.json"):
        taken(three, model, tmp_path / "now", tmp_path)


def test_the_command_says_in_its_result_how_many_were_taken_over(three, echo, before, tmp_path, capsys):
    save(three, tmp_path / "problems.jsonl")
    words = ["bench", "--problems", str(tmp_path / "problems.jsonl"), "--model", echo.name]
    assert main([*words, "--out", str(tmp_path / "run"), "--earlier", str(before)]) == 0
    stored = json.loads((tmp_path / "run" / "loop-seed0" / results.SUMMARY).read_text())
    assert (stored["taken_over"], stored["problems"]) == (2, 3)
    assert main(["bench", "--suite", "full", "--model", echo.name, "--earlier", str(before)]) == 2
    assert "go with --problems" in capsys.readouterr().err
