"""An adapter is shipped with what was measured, and is the default only if that was better."""

import json

import pytest

from agent.models import registry, weights
from training import ship


@pytest.fixture
def made(tmp_path):
    """A run, an exported file, and a function that publishes a result."""
    run, file, published = tmp_path / "two-passes", tmp_path / "a.gguf", tmp_path / "results"
    run.mkdir()
    published.mkdir()
    (run / "run.json").write_text(json.dumps({"model": "coder-0.5b", "tokens": 5}))
    file.write_bytes(b"GGUF")

    def publish(
        benchmark, official, adapter=True, mode="loop", verified=0.9, proven=None, problems=160, agent="now"
    ):
        result = dict.fromkeys(("exec_ok", "official", "strict"), {"rate": official}) | {
            "verified": {"rate": verified},
            "right_and_verified": {"rate": official if proven is None else proven},
            "benchmark": benchmark,
            "mode": mode,
            "seed": 0,
            "problems": problems,
            "data_sha256": benchmark,
            "agent_sha256": agent,
            "model": "coder-0.5b+a" if adapter else "coder-0.5b",
            "model_digest": f"base+{weights.sha256(file)}" if adapter else "base",
        }
        (published / f"bench-{benchmark}-{adapter}-{mode}.json").write_text(json.dumps(result))

    return run, file, published, publish


def shipped(made, tmp_path):
    run, file, published, _ = made
    return ship.ship(run, file, tmp_path / "adapters", published)


def test_it_is_the_default_if_it_was_better_everywhere(made, tmp_path, monkeypatch):
    publish = made[3]
    publish("a", 0.7)
    publish("a", 0.5, adapter=False)
    publish("a", 0.9, adapter=False, mode="one-shot")
    publish("other", 0.9, adapter=False)
    card = shipped(made, tmp_path)
    assert card["measured_better"] and card["tokens"] == 5 and card["run"] == "two-passes"
    assert card["measured"]["a"]["with"]["official"] == 0.7 and [*card["measured"]] == ["a"]
    monkeypatch.setattr(registry, "ADAPTERS", tmp_path / "adapters")
    assert registry._adapter_file("coder-0.5b", None).read_bytes() == b"GGUF"


def test_it_is_not_if_it_was_worse_anywhere(made, tmp_path):
    publish = made[3]
    for benchmark, official in (("a", 0.7), ("b", 0.4)):
        publish(benchmark, official)
        publish(benchmark, 0.5, adapter=False)
    assert not shipped(made, tmp_path)["measured_better"]


def test_it_is_not_if_it_has_no_more_right_answers_that_are_verified(made, tmp_path):
    made[3]("a", 0.7, proven=0.5)
    made[3]("a", 0.5, adapter=False)
    assert not shipped(made, tmp_path)["measured_better"]


@pytest.mark.parametrize(("proven", "better"), [(0.0, True), (0.1, False)])
def test_a_tie_on_another_benchmark_is_no_fault(made, tmp_path, proven, better):
    made[3]("a", 0.7)
    made[3]("a", 0.5, adapter=False)
    made[3]("unanswerable", 0.3, verified=0.4, proven=0.0)
    made[3]("unanswerable", 0.0, verified=0.8, proven=proven, adapter=False)
    assert shipped(made, tmp_path)["measured_better"] is better


@pytest.mark.parametrize(("verified", "better"), [(0.7, True), (0.8, True), (0.9, False)])
def test_it_is_not_if_more_wrong_answers_are_verified(made, tmp_path, verified, better):
    made[3]("a", 0.6, verified=verified)
    made[3]("a", 0.5, verified=0.7, adapter=False)
    assert shipped(made, tmp_path)["measured_better"] is better


def test_it_is_not_if_no_more_answers_are_right(made, tmp_path):
    made[3]("a", 0.5, verified=0.5, proven=0.5)
    made[3]("a", 0.5, verified=0.5, proven=0.4, adapter=False)
    assert not shipped(made, tmp_path)["measured_better"]


@pytest.mark.parametrize("other", [{"agent": "before"}, {"problems": 20}])
def test_what_another_agent_or_other_problems_gave_does_not_compare(made, tmp_path, other):
    made[3]("a", 0.7)
    made[3]("a", 0.5, adapter=False, **other)
    with pytest.raises(ValueError, match="a is published with the adapter, and not without it on the same"):
        shipped(made, tmp_path)


def test_it_is_not_shipped_unmeasured(made, tmp_path):
    made[3]("a", 0.5, adapter=False)
    with pytest.raises(ValueError, match="Nothing is published of coder-0.5b with a.gguf and without"):
        shipped(made, tmp_path)
    made[1].unlink()
    with pytest.raises(ValueError, match=r"a.gguf is not there: train with sft, then export"):
        shipped(made, tmp_path)
