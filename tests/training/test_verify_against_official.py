"""`official` gives DataBench's own verdict: held against databench-eval on generated and on real pairs.

    DATASENSE_DATABENCH=DIR pytest tests/training/test_verify_against_official.py

runs the real pairs too, from every *.jsonl of the folder DIR, in the problem format.
"""

import os
import random
from itertools import product
from pathlib import Path
from statistics import mean

import pytest
from databench_eval import Evaluator
from hypothesis import given
from hypothesis import strategies as st

from agent.answers import ANSWER_TYPES
from training.problems import load
from training.verify import official

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

QUESTIONS = Path(__file__).parents[2] / "assets/examples/questions.jsonl"
PAIRS = 24_000
ATOMS = [
    "True", "false", "YES", "no", "y", "N", "1", "0", "", " ", "nan", "None", "np.nan", "NaN", "[]", "''",
    "3.14159", "3.14", "3.149", "-2", "−2", "1e-5", "1,204.50", "$1204.5", "45%", "0.45", "1.005", ".5",
    "5.", "--1", "1.2.3", "²", "٣", "9" * 400, "inf", "12 apples", "Oslo", "oslo", "New York", "a", "b",
    "2021-03-04", "2021-03-04 00:00:00", "March 4, 2021", "04/03/2021", "13/13/2013", "9999999999-01-01",
    "99999999999999999999", "May", "10", "12:30", "[a]", '"quoted"', "a\nb", "Timestamp('2021-03-04')",
]  # fmt: skip

NUMBERS = ["1", "1.0", "2.5", "-3.149", "-3.14", "1,000", "2.5%"]
DAYS = ["2021-03-04", "March 4, 2021", "2021-03-04 12:30", "2021-03-05"]


@pytest.fixture(scope="module")
def theirs():
    compare = Evaluator(qa=[]).default_compare

    def verdict(answer, gold, answer_type):
        try:
            return compare(answer, gold, answer_type)
        except Exception:  # it stops at some dates; an answer that stops the scorer is not right
            return False

    return verdict


def mismatches(theirs, triples):
    return [triple for triple in triples if bool(theirs(*triple)) != official(*triple)]


def an_answer(random):
    """A single value, or a list in one of the ways people write it."""
    if random.random() < 0.4:
        return random.choice(ATOMS)
    atoms = random.choice([ATOMS, NUMBERS, DAYS])
    items = [random.choice(atoms) for _ in range(random.randint(0, 4))]
    separator = random.choice([", ", ",", " , "])
    text = separator.join(random.choice(["{}", "'{}'", '"{}"']).format(item) for item in items)
    return random.choice(["[{}]", "[{}]", "{}", "['{}']"]).format(text)


def a_variant(random, gold):
    """Often another way to write the same, or nearly, so that both verdicts occur."""
    items = gold.strip("[]").split(", ")
    one, other = random.choice(items), random.randrange(len(items))
    return random.choice(
        [
            gold,
            f"[{gold}]",
            gold.strip("[]"),
            ", ".join(reversed(items)),
            ", ".join([*items, one]),
            ", ".join([*items[:other], one, *items[other + 1 :]]),
            gold.replace("'", "").replace('"', ""),
            gold.swapcase(),
            gold.replace(".", ".0", 1),
            an_answer(random),
        ]
    )


def test_on_generated_pairs(theirs):
    rng = random.Random(0)
    golds = [an_answer(rng) for _ in range(PAIRS)]
    triples = [(a_variant(rng, gold), gold, rng.choice(ANSWER_TYPES)) for gold in golds]
    right = sum(official(*triple) for triple in triples)
    assert PAIRS * 0.1 < right < PAIRS * 0.9, "both verdicts must be common, or the test says little"
    assert mismatches(theirs, triples) == []


def test_on_every_pair_of_hard_values(theirs):
    assert mismatches(theirs, product(ATOMS, ATOMS, ANSWER_TYPES)) == []


@given(st.text(max_size=12), st.text(max_size=12), st.sampled_from(ANSWER_TYPES))
def test_on_any_text(theirs, answer, gold, answer_type):
    assert mismatches(theirs, [(answer, gold, answer_type)]) == []


def known(problems):
    """The known answers of each type's problems, in two lists that begin as one."""
    for answer_type in sorted({problem.answer_type for problem in problems}):
        golds = [problem.answer for problem in problems if problem.answer_type == answer_type]
        yield answer_type, golds, list(golds)


def score(problems, change=lambda answers: None):
    """The share of right answers, those of each type changed in place before."""
    right = 0
    for answer_type, golds, answers in known(problems):
        change(answers)
        right += sum(official(*pair, answer_type) for pair in zip(answers, golds, strict=True))
    return right / len(problems)


def chance(problems):
    """The score of answers dealt at random to the problems of their type."""
    return sum(
        sum(official(*pair, answer_type) for pair in product(golds, golds)) / len(golds)
        for answer_type, golds, _ in known(problems)
    ) / len(problems)


def test_known_answers_score_in_full_and_shuffled_ones_at_chance():
    problems = load(QUESTIONS)
    shuffle = random.Random(0).shuffle
    assert score(problems) == 1
    assert chance(problems) < 0.35
    assert mean(score(problems, shuffle) for _ in range(200)) == pytest.approx(chance(problems), abs=0.02)


@pytest.mark.skipif(
    "DATASENSE_DATABENCH" not in os.environ, reason="DATASENSE_DATABENCH names no folder of real problems"
)
def test_on_all_real_pairs(theirs):
    """Every answer of a type against every known answer of that type."""
    files = sorted(Path(os.environ["DATASENSE_DATABENCH"]).glob("*.jsonl"))
    problems = [problem for file in files for problem in load(file)]
    triples = [
        (answer.answer, gold.answer, gold.answer_type)
        for answer, gold in product(problems, problems)
        if answer.answer_type == gold.answer_type
    ]
    assert len(problems) > 100
    assert all(official(p.answer, p.answer, p.answer_type) for p in problems)
    assert mismatches(theirs, triples) == []
    assert score(problems) == 1
    shuffled = mean(score(problems, random.Random(0).shuffle) for _ in range(20))
    assert shuffled == pytest.approx(chance(problems), abs=0.02)
    print(f"{len(problems)} problems, {len(triples)} pairs, all alike; shuffled {shuffled:.3f}")
