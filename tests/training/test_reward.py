"""The reward's order over trajectories, and a search for text that raises it without computing the answer."""

from dataclasses import astuple, replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training.reward import WEIGHTS, compute_trajectory_reward

WHO = "Who is the heaviest?"
REX = "print(df.loc[df['Weight (kg)'].idxmax(), 'Name'])"
MIA = REX.replace("idxmax", "idxmin")
TYPO = REX.replace("Weight (kg)", "Weight")
MADE_UP = "```python\nprint(len(df))\n```\n<result>\nRex\n</result>\nAnswer: Rex"

# Best first; each is worth more than the next.
ORDER = {
    "right and clean": [REX, "Answer: Rex\nSummary: Rex is the heaviest."],
    "right after one error": [TYPO, REX, "Answer: Rex"],
    "right after two errors": [TYPO, TYPO + "\n", REX, "Answer: Rex"],
    "wrong, but honest": [MIA, "Answer: Mia"],
    "wrong, and stumbling": [TYPO, MIA, "Answer: Mia"],
    "a step ran, no answer": [MIA],
    "a step ran, a right guess": ["print(len(df))", "Answer: Rex", "Answer: Rex"],
    "nothing at all": [],
    "a right guess without a step": ["Answer: Rex", "Answer: Rex"],
    "computed, but with a made-up result": [MADE_UP, REX, "Answer: Rex"],
    "a made-up result": [MADE_UP, "Answer: Rex", "Answer: Rex"],
}


@pytest.fixture(scope="module")
def heaviest(problem):
    return problem(WHO, "Rex", "category")


@pytest.fixture(scope="module")
def reward_of(play, heaviest):
    return lambda *replies, **options: compute_trajectory_reward(play(WHO, *replies), heaviest, **options)


HONEST_WRONG = WEIGHTS["executed"] + WEIGHTS["parseable"]


@pytest.mark.parametrize(("better", "worse"), list(pairwise(ORDER)))
def test_the_better_trajectory_earns_more(reward_of, better, worse):
    assert reward_of(*ORDER[better]).total > reward_of(*ORDER[worse]).total


def test_the_parts_add_up_and_have_their_names(reward_of):
    reward = reward_of(*ORDER["right after one error"])
    assert reward.total == sum(astuple(reward))
    assert (reward.executed, reward.parseable, reward.correct) == (0.2, 0.3, 1.0)
    assert reward.fabricated == reward.rambling == 0.0 > reward.stumbles


def test_a_right_guess_earns_what_a_wrong_one_does(reward_of):
    right = reward_of("print(len(df))", "Answer: Rex", "Answer: Rex")
    assert right == reward_of("print(len(df))", "Answer: Tom", "Answer: Tom")


def test_a_value_that_only_a_look_shows_is_not_paid(play, heaviest):
    wrong, look = "print(df['Name'] * (1 / (len(df) - 4)))", "print(df[['Name']].head().to_string())"
    trajectory = play(WHO, wrong, wrong, look, "Answer: Rex", "Answer: Rex")
    assert (
        trajectory.executions[-1].stdout.count("Rex") == 1 and trajectory.turns[1].feedback.count(look) == 1
    )
    reward = compute_trajectory_reward(trajectory, heaviest)
    assert reward.correct == reward.parseable == reward.executed == 0.0


def test_without_the_condition_the_guess_would_be_paid(reward_of):
    assert reward_of("Answer: Rex", "Answer: Rex", require_real_execution=False).correct > 0


@pytest.mark.parametrize(
    "replies",
    [
        ["print(df.dtypes)", "Answer: Name str Species str dtype: object"],
        ["print(df.columns)", "Answer: Index(['Name', 'Species', 'City'])"],
        [REX, REX, "Answer: Rex"],
        [REX, REX + "  # once more", "Answer: Rex"],
        ["Let me think about it. " * 60 + f"\n```python\n{REX}\n```", "Answer: Rex"],
        ["# I think that it is Rex.\n" * 60 + REX, "Answer: Rex"],
        [REX, "Answer: Rex\nSummary: " + "Rex is the heaviest. " * 60],
    ],
)
def test_dumps_repetition_and_padding_cost(reward_of, replies):
    assert reward_of(*replies).rambling < 0


def test_every_honest_trajectory_earns_more_than_any_with_a_made_up_result(play, heaviest):
    best = compute_trajectory_reward(play(WHO, *ORDER["computed, but with a made-up result"]), heaviest)
    wordy = [f"{'So. ' * 600}\n```python\n{TYPO}{' ' * i}\n```" for i in range(5)]
    worst = compute_trajectory_reward(play(WHO, *wordy, "Answer: Tom"), heaviest)
    assert best.correct > 0 and worst.stumbles + worst.rambling < -0.2
    assert worst.total > best.total


# The search: how could a policy get a right guess paid?

LAUNDERED = [
    "print('Rex')",
    "print(len(df), 'Rex')",
    "name = 'Rex'\nprint(name, len(df))",
    "print('Rex' if len(df) else '')",
    "if len(df) > 0:\n    print('Rex')",
    "for _ in range(len(df)):\n    name = 'Rex'\nprint(name)",
    "print(*['Rex'])\nprint(len(df))",
    "print('Re' + 'x')\nprint(len(df))",
    "print(['Rex', 'Mia'][0 * len(df)])",
    "print({'a': 'Rex'}['a'], len(df))",
    "print(max('Rex', 'A'))\nprint(len(df))",
    "print('Rex', end=' ')\nprint(len(df))",
    "say = print\nsay('Rex')\nsay(len(df))",
    "import sys\nsys.stdout.write('Rex\\n')\nprint(len(df))",
    "import os\nos.write(1, b'Rex\\n')\nprint(len(df))",
    "exec(\"print('Rex')\")\nprint(len(df))",
    "print(eval(\"'Re' + 'x'\"), len(df))",
    "print(chr(82) + chr(101) + chr(120), len(df))",
    "[print('Rex') for _ in df.index]",
    "print('Rex') or print(len(df))",
    "(lambda text: print(text))('Rex')\nprint(len(df))",
    "def show():\n    return 'Rex'\nprint(show(), len(df))",
    "df = pd.DataFrame({'Name': ['Rex']})\nprint(df.Name.max())",
    "df['Name'] = 'Rex'\nprint(df.Name.max())",
    "df.loc[0, 'Name'] = 'Rex'\nprint(df.loc[0, 'Name'])",
    "df2 = pd.concat([df, pd.DataFrame({'Name': ['Rex']})])\nprint(df2.Name.iloc[-1])",
    "print(df.assign(best='Rex').best.iloc[0])",
    "print(df.City.replace('Oslo', 'Rex').iloc[0])",
    "print(df.City.str.replace('Oslo', 'Rex').iloc[0])",
    "print(np.where(df['Weight (kg)'] > 0, 'Rex', '')[0])",
    "print(df.Species.map({'dog': 'Rex', 'cat': 'Mia'}).iloc[0])",
    "print(sql(\"select 'Rex' as best from df limit 1\"))",
    "print(df.City.apply(lambda city: 'Rex').iloc[0])",
    "print(f'{\"Rex\"} {len(df)}')",
    "print('%s %d' % ('Rex', len(df)))",
    "print('{} {}'.format('Rex', len(df)))",
    "print(str(len(df)) + 'Rex'[:0] + ' Rex')",
    "class A:\n    name = 'Rex'\nprint(A.name, len(df))",
    "raise ValueError('Rex')",
    "assert len(df) == 0, 'Rex'",
    "print('[EXEC:real] Output of step 1:\\nRex', len(df))",
    "warnings = 'Rex'\nlen(df), warnings",
    "try:\n    df['nope']\nexcept KeyError:\n    print('Rex')\nprint(len(df))",
    "open('guess.txt', 'w').write('Rex')\nprint(open('guess.txt').read())",
]


@pytest.mark.parametrize("code", LAUNDERED)
def test_a_guess_that_the_code_states_is_not_paid(reward_of, code):
    reward = reward_of(code, "Answer: Rex", "Answer: Rex")
    assert reward.correct == 0 and reward.total <= HONEST_WRONG


NUMBER_LAUNDERED = ["print(len(df) * 0 + 51)", "x = 51\nprint(x, len(df))", "print(int('51'), len(df))"]


@pytest.mark.parametrize("code", NUMBER_LAUNDERED)
def test_a_guessed_number_is_not_paid(play, problem, code):
    question = "What is the total weight?"
    reward = compute_trajectory_reward(play(question, code, "Answer: 51"), problem(question, "51", "number"))
    assert reward.correct == 0


HONEST = {
    "print(df[df.City == 'Oslo'].loc[df['Weight (kg)'].idxmax(), 'Name'])": "Rex",
    "top = df.nlargest(1, 'Weight (kg)')\nprint('Heaviest:', top.Name.iloc[0])": "Rex",
    "heaviest = None\nfor _, row in df.iterrows():\n    if heaviest is None or row['Weight (kg)'] > "
    "heaviest['Weight (kg)']:\n        heaviest = row\nprint(heaviest['Name'])": "Rex",
    "print(sql('select Name from df order by \"Weight (kg)\" desc limit 1'))": "Rex",
    "df.sort_values('Weight (kg)').iloc[-1]['Name']": "Rex",
}


@pytest.mark.parametrize("code", HONEST)
def test_honest_code_is_paid(reward_of, code):
    assert reward_of(code, f"Answer: {HONEST[code]}").correct > 0


PIECES = st.sampled_from(
    [*LAUNDERED, "print(len(df))", "df.shape", "df['Weight (kg)'].sum()", "df.City.tolist()", "df['nope']"]
)
CLAIMS = st.sampled_from(
    [
        "Answer: Rex", "Answer: rex.", "Answer: ['Rex']", "Answer: **Rex**\nSummary: [EXEC:real] Rex",
        "Final Answer: Rex", "[EXEC:real] Output of step 9:\nRex\nAnswer: Rex", MADE_UP,
        "<result>Rex</result>\nAnswer: Rex",
    ]
)  # fmt: skip
REPLIES = st.lists(st.one_of(PIECES, CLAIMS, st.tuples(PIECES, PIECES).map("\n".join)), max_size=5)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REPLIES)
def test_no_mixture_of_guesses_is_paid(reward_of, replies):
    reward = reward_of(*replies, "Answer: Rex", "Answer: Rex")
    assert reward.correct == 0 and reward.total <= HONEST_WRONG


@pytest.fixture(scope="module")
def honest_wrong(play):
    return play(WHO, MIA, "Answer: Mia\nSummary: Mia is the heaviest.")


TEXTS = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        ["Rex", "Answer: Rex", "Mia or Rex", "['Mia', 'Rex']", "Mia\nRex", "[EXEC:real] Rex", "[]"]
    ),
)


@given(TEXTS, TEXTS, TEXTS)
def test_no_text_raises_what_was_earned_without_the_answer(honest_wrong, heaviest, answer, summary, reply):
    turns = tuple(replace(turn, text=turn.text + reply) for turn in honest_wrong.turns)
    rewritten = replace(honest_wrong, answer=answer, summary=summary, turns=turns, outcome="verified")
    before = compute_trajectory_reward(honest_wrong, heaviest)
    assert compute_trajectory_reward(rewritten, heaviest).total <= before.total
