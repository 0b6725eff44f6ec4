"""Rollouts that outlive a kill, and the door that lets only verified conversations into the set."""

from dataclasses import replace

import pytest

from agent.run import STUCK_TEMPERATURE
from sandbox import Pool, Session
from tests.training.scripted import ByQuestion
from training import leaks, records, rollouts, shapes
from training.problems import Problem
from training.rollouts import Draft, Stage, answer_reply, code_reply, play, roll

WHO, REX = "Who is the heaviest?", "print(df.loc[df['Weight (kg)'].idxmax(), 'Name'])"
HEAVY, MANY = "Is any dog heavier than 20 kg?", "How many dogs are there?"
REPLIES = {
    WHO: [code_reply(REX), answer_reply("Rex", "Rex is the heaviest.")],
    HEAVY: [
        code_reply("print((df[df['Species'] == 'dog']['Weight (kg)'] > 20).any())"),
        answer_reply("True", "One is."),
    ],
    MANY: [code_reply("print(len(df))"), answer_reply("4", "There are 4 dogs.")],
}
GOLD = {WHO: ("Rex", "category"), HEAVY: ("True", "boolean"), MANY: ("2", "number")}


@pytest.fixture
def asked(pets_csv):
    return [Problem(f"p{i}", question, (pets_csv,), *GOLD[question]) for i, question in enumerate(GOLD)]


@pytest.fixture(scope="module")
def stage():
    with Pool(2) as pool:
        yield Stage(ByQuestion({}), pool)


def draft(problem, *replies, **changes):
    return replace(Draft(problem, replies, "own", "f", "scripted"), **changes)


def right(problem, **changes):
    return draft(problem, *REPLIES[problem.question], **changes)


# Rolling out


@pytest.mark.parametrize("how", [{"slots": 2}, {"slots": 2, "batched": True}])
def test_each_problem_is_asked_once_for_each_temperature_and_judged(asked, tmp_path, how):
    rolled = list(roll(asked, ByQuestion(REPLIES), [0.0, 0.7], 0, tmp_path, **how))
    assert [(r.problem.id, r.prediction.official) for r in rolled] == [
        ("p0", True), ("p1", True), ("p2", False),
    ] * 2  # fmt: skip
    assert [r.trajectory.run["temperature"] for r in rolled] == [0.0] * 3 + [0.7] * 3
    assert len({r.trajectory.run["seed"] for r in rolled}) == 2


def test_a_run_that_was_stopped_goes_on_and_asks_nothing_twice(asked, tmp_path):
    stopped = ByQuestion(REPLIES, left=3)
    with pytest.raises(KeyboardInterrupt):
        list(roll(asked, stopped, [0.0], 0, tmp_path))
    again = ByQuestion(REPLIES)
    rolled = list(roll(asked, again, [0.0], 0, tmp_path))
    assert [r.prediction.official for r in rolled] == [True, True, False]
    assert sorted(again.asked) == sorted(set(GOLD) - {stopped.asked[0]})
    last = ByQuestion(REPLIES)
    assert len(list(roll(asked, last, [0.0], 0, tmp_path))) == 3 and not last.asked


def test_what_is_kept_can_be_used_without_asking_more(asked, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        list(roll(asked, ByQuestion(REPLIES, left=3), [0.0], 0, tmp_path))
    model = ByQuestion(REPLIES)
    kept = list(roll(asked, model, [0.0, 0.7], 0, tmp_path, kept=True))
    assert len(kept) == 1 and kept[0].prediction.official and not model.asked


def test_rollouts_of_other_problems_are_not_taken_for_these(asked, tmp_path):
    list(roll(asked, ByQuestion(REPLIES), [0.0], 0, tmp_path))
    with pytest.raises(records.RunError, match="another data_sha256"):
        list(roll(asked[:1], ByQuestion(REPLIES), [0.0], 0, tmp_path))


@pytest.mark.parametrize("batched", [False, True])
def test_a_table_that_cannot_be_read_does_not_end_the_run(asked, tmp_path, batched):
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK\x03\x04 and then nothing")
    bad = replace(asked[0], id="bad", tables=(broken,))
    rolled = list(
        roll([bad, *asked], ByQuestion(REPLIES), [0.0], 0, tmp_path / "r", slots=2, batched=batched)
    )
    assert [r.trajectory.outcome for r in rolled] == ["unreadable", *["verified"] * 3]


class Watched(ByQuestion):
    """Keeps the size and the temperature of each batch."""

    def __init__(self, replies):
        super().__init__(replies)
        self.batches = []

    def generate(self, conversations, **sampling):
        self.batches.append((len(conversations), sampling["temperature"]))
        return super().generate(conversations, **sampling)


def test_a_place_in_the_batch_that_falls_free_is_taken_by_the_next_problem(asked, tmp_path):
    stumbling = REPLIES | {WHO: [code_reply("print(df['Nme'])"), *REPLIES[WHO]]}
    model = Watched(stumbling)
    rolled = list(roll(asked, model, [0.0], 0, tmp_path, slots=2, batched=True))
    assert [r.prediction.steps for r in rolled] == [2, 1, 1]
    assert model.batches == [(2, 0.0), (2, 0.0), (2, 0.0), (1, 0.0)]


def test_a_greedy_model_is_sampled_after_a_refused_reply(asked, tmp_path):
    hasty = Watched({WHO: [answer_reply("Rex", "Rex is."), *REPLIES[WHO]]})
    (rolled,) = roll(asked[:1], hasty, [0.0], 0, tmp_path, slots=2, batched=True)
    assert rolled.prediction.verified
    assert hasty.batches == [(1, 0.0), (1, STUCK_TEMPERATURE), (1, 0.0)]


def test_tables_are_described_once_however_many_questions_are_about_them(asked, tmp_path, monkeypatch):
    described, profile = [], Session.profile
    monkeypatch.setattr(Session, "profile", lambda self: described.append(1) or profile(self))
    list(roll(asked, ByQuestion(REPLIES), [0.0], 0, tmp_path))
    assert len(described) == 1


def test_rollouts_within_other_limits_are_not_taken_for_these(asked, tmp_path, monkeypatch):
    list(roll(asked, ByQuestion(REPLIES), [0.0], 0, tmp_path))
    monkeypatch.setattr(rollouts, "MOST_STEPS", 5)
    with pytest.raises(records.RunError, match="another max_steps"):
        list(roll(asked, ByQuestion(REPLIES), [0.0], 0, tmp_path))


# The door


def test_a_draft_that_is_verified_becomes_the_conversation_that_the_core_made(asked, stage, pets_csv):
    sample, reason = play(right(asked[0]), stage)
    assert not reason
    observed = sample.messages[sample.trained[0] + 1]
    assert observed == {"role": "user", "content": "[EXEC:real] Output of step 1:\nRex"}
    assert (sample.source, sample.family, sample.model, sample.steps) == ("own", "f", "scripted", 1)
    assert sample.tables_sha256 == leaks.digests(pets_csv)


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ([code_reply("print(len(df))"), answer_reply("4", "There are 4.")], "answer wrong"),
        ([code_reply("print('2')"), answer_reply("2", "There are 2.")], "answer not accepted"),
        ([code_reply("print(df['Specis'])"), answer_reply("2", "Two.")], "code failed or printed nothing"),
        ([code_reply("x = 2"), answer_reply("2", "There are 2.")], "code failed or printed nothing"),
        ([answer_reply("2", "There are 2.")], "answer not accepted"),
        ([code_reply("print((df['Species'] == 'dog').sum())")], "answer not accepted"),
    ],
)
def test_what_is_not_verified_is_not_let_in(asked, stage, replies, reason):
    assert play(draft(asked[2], *replies), stage) == (None, reason)


def test_a_fault_is_let_in_as_context_only_if_it_really_fails(asked, stage):
    faulty = code_reply("print(df.loc[df['Weight'].idxmax(), 'Name'])")
    sample, _ = play(right(asked[0], replies=(faulty, *REPLIES[WHO]), wrong=1), stage)
    first = len(sample.messages) - 5
    assert sample.messages[first]["content"] == faulty and sample.trained == (first + 2, first + 4)
    assert "KeyError: 'Weight'" in sample.messages[first + 1]["content"]
    harmless = code_reply("print(df['Weight (kg)'].max())")
    unfit = right(asked[0], replies=(harmless, *REPLIES[WHO]), wrong=1)
    assert play(unfit, stage) == (None, "fault without effect")


def test_an_empty_result_counts_as_a_fault(asked, stage):
    empty = code_reply("print(df[df['Species'] == 'DOG']['Name'].tolist())")
    sample, _ = play(right(asked[0], replies=(empty, *REPLIES[WHO]), wrong=1), stage)
    assert len(sample.trained) == 2 and sample.steps == 2


def test_where_a_chart_is_asked_for_one_must_be_drawn(asked, stage):
    shows = shapes.CHART_DRAWN
    assert play(right(asked[0], shows=shows), stage) == (None, "does not show what it should")
    drawn = code_reply(f"df['Species'].value_counts().plot(kind='bar')\n{REX}")
    sample, _ = play(right(asked[0], replies=(drawn, REPLIES[WHO][1]), shows=shows), stage)
    assert "(1 chart drawn)" in sample.messages[-2]["content"]


def test_questions_of_one_conversation_are_one_sample_with_the_replies_of_all(asked, stage):
    earlier = ((asked[0], tuple(REPLIES[WHO])),)
    sample, _ = play(right(asked[1], earlier=earlier), stage)
    assert [sample.messages[i]["content"] for i in sample.trained] == [*REPLIES[WHO], *REPLIES[HEAVY]]
    wrong = ((replace(asked[0], answer="Mia"), tuple(REPLIES[WHO])),)
    assert play(right(asked[1], earlier=wrong), stage) == (None, "answer wrong")


def test_a_benchmarks_table_is_not_let_in(asked, stage, monkeypatch):
    digest = leaks.table_digest(__import__("pandas").read_csv(asked[0].tables[0]))
    monkeypatch.setattr(leaks, "_listed", lambda: {digest: "a-benchmark"})
    with pytest.raises(leaks.LeakError, match="a-benchmark"):
        play(right(asked[0]), stage)
