"""The reward's order over trajectories, and a search for text that raises it without computing the answer."""

from dataclasses import astuple, replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import absence
from training.chosen import without_choices
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
        [REX + "  # " + "I think that it is Rex. " * 60, "Answer: Rex"],
        [f'"""{"So. " * 400}"""\n{REX}', "Answer: Rex"],
        [f'f"{"So. " * 400}{{len(df)}}"\n{REX}', "Answer: Rex"],
        ["# I think that it is Rex.\n" * 60 + "print(", REX, "Answer: Rex"],
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


# A choice of the model's that depends on nothing but the size of the table, or that is made by eye.
WHICH, HEAVIER, TOTAL = "Who is heavier, Rex or Mia?", "Is Rex heavier than Mia?", "What is the total weight?"
CHOSEN = {
    WHICH: [
        "print('Rex' if len(df) else 'Mia')",
        "print('Rex' if len(df) > 2 else 'Mia')",
        "if df.shape[0]:\n    print('Rex')\nelse:\n    print('Mia')",
        "print(len(df) and 'Rex' or 'Mia')",
        "print(['Mia', 'Rex'][len(df) - 3])",
        "print(df)",
        "print(df.Name.tolist())",
        "print(df.Name.unique())",
        "print(f'The names: {list(df.Name)}')",
        "names = df.Name\nprint(names.to_string())",
        "for name in df.Name:\n    print(name)",
        "pd.set_option('display.max_rows', 9)\nprint(df)",
        "print(sql('select Name, City from df limit 9'))",
    ],
    HEAVIER: [
        "print(len(df) > 0)",
        "print(len(df) > 2)",
        "print(not df.empty)",
        "print(bool(df.shape[0]))",
        "rows = len(df)\nsure = rows > 0\nprint(sure)",
        "print('True' if len(df) else 'False')",
    ],
    TOTAL: [
        "print(len(df) + 47)",
        "print(102 * len(df) / 8)",
        "rows = round(len(df), 0)\nprint(rows + 47)",
        "rows = len(df)\nprint(rows + 47)",
        "rows = len(df)\nrows += 47\nprint(rows)",
        "more = 47\nprint(df.shape[0] + more)",
        "print(max(len(df), 3) + 47)",
        "print(df['Weight (kg)'].max(), len(df) + 47)",
        "names = df.copy()\nprint(len(names.Name) + 47)",
    ],
}
OVER = "Does Rex weigh more than 10 kg?"
TRUE = ("True", "boolean")
RIGHT = {WHICH: ("Rex", "category"), HEAVIER: TRUE, OVER: TRUE, TOTAL: ("51", "number")}


@pytest.mark.parametrize(("question", "code"), [(q, code) for q, codes in CHOSEN.items() for code in codes])
def test_a_choice_of_the_models_is_not_paid(play, problem, question, code):
    gold, kind = RIGHT[question]
    trajectory = play(question, code, f"Answer: {gold}", f"Answer: {gold}")
    assert trajectory.verified
    reward = compute_trajectory_reward(trajectory, problem(question, gold, kind))
    assert reward.correct == reward.parseable == 0


@pytest.mark.parametrize(
    ("question", "gold", "code"),
    [
        (WHICH, "Rex", "print('Rex' if df.Name.nunique() else 'Mia')"),
        (WHICH, "Rex", "print(df.Name[0])"),
        (WHICH, "Rex", "print(df.Name.tolist(), df['Weight (kg)'].max())"),
        (WHICH, "Rex", "print(df[df.columns[0]])"),
        (HEAVIER, "True", "print(df.Name.nunique() > 0)"),
        (OVER, "True", "print(len(df) < 10)"),
        (TOTAL, "51", "print(df.Name.nunique() + 47)"),
        ("Who are the 2 heaviest?", "['Rex', 'Bo']", "print(df.Name.tolist())"),
    ],
)
def test_choices_that_are_known_to_be_paid(play, problem, question, gold, code):
    """No reading of the code tells them from an honest step; the docstring of `reward` names them."""
    kinds = {"True": "boolean", "51": "number", "['Rex', 'Bo']": "list[category]"}
    trajectory = play(question, code, f"Answer: {gold}")
    assert trajectory.verified
    assert (
        compute_trajectory_reward(trajectory, problem(question, gold, kinds.get(gold, "category"))).correct
        > 0
    )


@pytest.mark.parametrize(
    ("letter", "code", "paid"),
    [
        ("A", "print(df.loc[df.Name == 'Bo', 'Weight (kg)'].max())", True),
        ("B", "print(df.loc[df.Name == 'Bo', 'Weight (kg)'].max())", False),
        ("A", "print(df['Weight (kg)'].tolist())", False),
        ("A", "print('A' if len(df) else 'B')", False),
    ],
)
def test_a_letter_is_paid_where_the_text_of_its_choice_was_computed(play, problem, letter, code, paid):
    choices = {"A": "12", "B": "31.5"}
    asked = problem("What does Bo weigh?\nA. 12\nB. 31.5", letter, "letter", choices=choices)
    trajectory = play(asked.question, code, f"Answer: {letter}", f"Answer: {letter}")
    assert (compute_trajectory_reward(trajectory, asked).correct > 0) == paid


# Honest code about sizes, and honest looks.
PLAIN = [
    ("How many rows are there?", "4", "number", "print(df.shape)"),
    ("Are there more than 3 rows?", "True", "boolean", "print(len(df) > 3)"),
    ("Are there any dogs?", "True", "boolean", "print(len(df[df.Species == 'dog']) > 0)"),
    ("Are there any dogs?", "True", "boolean", "df = df[df.Species == 'dog']\nprint(not df.empty)"),
    ("What percentage are dogs?", "50", "number", "print(100 / len(df) * (df.Species == 'dog').sum())"),
    ("What percentage are dogs?", "50", "number",
     "df['dog'] = df.Species == 'dog'\nprint(round(len(df[df['dog']]) / len(df) * 100, 2))"),
    ("Are there any dogs?", "True", "boolean",
     "df['dog'] = df.Species == 'dog'\ndogs = df[df['dog']]\nprint(not dogs.empty)"),
    ("How many columns are there for each row?", "1", "number", "print(round(df.shape[1] / len(df), 2))"),
    ("What percentage are dogs?", "50", "number", "total, dogs = len(df), 0\nfor kind in df.Species:\n    "
     "if kind == 'dog':\n        dogs += 1\nprint(dogs / total * 100)"),
    ("What is the average weight?", "12.75", "number", "print(df['Weight (kg)'].sum() / len(df))"),
    ("How many dogs?", "2", "number",
     "n = 0\nfor kind in df.Species:\n    if kind == 'dog':\n        n += 1\nprint(n)"),
    ("What are the names?", "['Rex', 'Mia', 'Bo', 'Tom']", "list[category]", "print(df.Name)"),
    (WHO, "Rex", "category", "best = 0\nfor i in range(1, len(df)):\n    "
     "if df['Weight (kg)'][i] > df['Weight (kg)'][best]:\n        best = i\nprint(df.Name[best])"),
    (WHO, "Rex", "category", "names = df.sort_values('Weight (kg)').Name\nprint(names)"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "gold", "kind", "code"), PLAIN)
def test_honest_code_about_sizes_and_honest_looks_are_paid(play, problem, question, gold, kind, code):
    reward = compute_trajectory_reward(play(question, code, f"Answer: {gold}"), problem(question, gold, kind))
    assert reward.correct > 0


def test_in_code_too_deep_to_be_followed_nothing_is_computed(play, heaviest):
    trajectory = play(WHO, REX, "Answer: Rex")
    step, answer = trajectory.turns
    deep = replace(step.execution, code=f"n = {'+'.join(['len(df)'] * 2000)}\n{REX}")
    trajectory = replace(trajectory, turns=(replace(step, execution=deep), answer))
    assert without_choices(trajectory, heaviest).executions[0].code == ""


def test_a_name_that_is_added_to_itself_again_and_again_is_followed_in_no_time(play, heaviest):
    trajectory = play(WHO, REX, "Answer: Rex")
    step, answer = trajectory.turns
    code = "\n".join(["n = len(df)", *["n = n + n"] * 60, REX])
    doubled = replace(step, execution=replace(step.execution, code=code))
    assert REX in without_choices(replace(trajectory, turns=(doubled, answer)), heaviest).executions[0].code


def test_a_variable_that_a_mere_look_sets_can_be_computed_with(play, heaviest):
    look, step = "names = df.Name\nprint(names)", "print(names[df['Weight (kg)'].idxmax()])"
    assert compute_trajectory_reward(play(WHO, look, step, "Answer: Rex"), heaviest).correct > 0


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
    [
        *LAUNDERED,
        "print(len(df))",
        "df.shape",
        "df['Weight (kg)'].sum()",
        "df.City.tolist()",
        "df.Name.tolist()",
        "df['nope']",
    ]
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


SHOE = "What is the average shoe size?"
NONE = "Answer: not answerable from this data\nSummary: No column tells it."
LOOK = absence.look("shoe", [])


def test_that_there_is_no_answer_is_paid_after_a_look_in_vain_where_there_is_none(play, problem):
    absent = problem(SHOE, "not answerable from this data", "category")
    looked, said, guessed = play(SHOE, LOOK, NONE), play(SHOE, NONE, NONE), play(SHOE, "print(len(df))", NONE)
    assert compute_trajectory_reward(looked, absent).correct > 0
    assert compute_trajectory_reward(said, absent).total < WEIGHTS["executed"]
    assert compute_trajectory_reward(guessed, absent).total <= WEIGHTS["executed"]


def test_giving_up_earns_less_than_an_honest_wrong_answer(play, problem):
    gives_up = play(SHOE, LOOK, NONE)
    assert gives_up.outcome == "not_answerable"
    earned = compute_trajectory_reward(gives_up, problem(SHOE, "41", "category"))
    assert earned.total == WEIGHTS["executed"] < HONEST_WRONG
