"""What was computed from the data counts as evidence; what the code merely says does not."""

import pytest

import sandbox
from agent.provenance import Provenance, file_of, replay

CITIES = "city,a\nBergen,1\nOslo,3\nBergen,1\n"
WHICH = "Which city has the largest a?"
EITHER = "Which has the larger a, Oslo or Bergen?"
IS_IT = "Is any a above 2?"


@pytest.fixture(scope="module")
def cities_csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "cities.csv"
    path.write_text(CITIES)
    return path


@pytest.fixture
def finds(cities_csv):
    """Whether the answer is found as computed in what the last of the steps really printed."""

    def found(answer, question, *steps):
        with sandbox.open([cities_csv]) as session:
            executions = [session.run(code) for code in steps]
            sources = {table.name: table.source for table in session.profile()}
        return bool(replay(sources, executions)[-1].find(answer, question))

    return found


OSLO = "df.loc[df.a.idxmax(), 'city']"

COMPUTED = [
    f"print({OSLO})",
    f'print("=" * 40)\n{OSLO}',
    f'print("Best:", {OSLO}, sep="\\n")',
    f'print("Bergen has less than " + {OSLO})',
    f'label = "The best"\nprint(f"{{label}}: {{{OSLO}}}")',
    f'print("City %s is best" % {OSLO})',
    f'print("{{:>10}}".format({OSLO}))',
    "def best(frame):\n    return frame.loc[frame.a.idxmax(), 'city']\nprint(best(df))",
    f"def show(label, x):\n    print(label, x)\nshow('Best', {OSLO})",
    "r = []\nfor _, row in df.iterrows():\n    if row.a > 2:\n        r.append(row.city)\nprint(r)",
    "print([city for city, a in zip(df.city, df.a) if a > 2])",
    "totals = {}\nfor _, row in df.iterrows():\n    totals[row.city] = totals.get(row.city, 0) + row.a\n"
    "print(max(totals, key=totals.get))",
    "top, most = '', 0\nfor city, a in zip(df.city, df.a):\n    if a > most:\n        top, most = city, a\n"
    "print(top)",
    "if (top := df.nlargest(1, 'a')) is not None:\n    print(top.city.iloc[0])",
    "match df.nlargest(1, 'a').values.tolist():\n    case [[name, *rest]]:\n        print(name)",
    "try:\n    top = df.nlargest(1, 'a')\nexcept KeyError:\n    print(0)\nelse:\n    print(top.city.max())",
    "try:\n    top = df.nlargest(1, 'a')\nfinally:\n    print(top.city.iloc[0])",
    "best = None\ndef look():\n    global best\n    best = df.city[df.a.idxmax()]\nlook()\nprint(best)",
    "print(df[df.city == 'Oslo'].city.max())",
    "print(df[df.city.isin(['Oslo', 'Bergen'])].groupby('city').a.sum().idxmax())",
    "print(sql('select city from df order by a desc limit 1'))",
    "q = 'select city, sum(a) as total from cities group by city having total > 2'\nprint(sql(q))",
    "t = pd.read_csv('cities.csv')\nprint(t.loc[t.a.idxmax(), 'city'])",
    "import json\nprint(json.dumps(df.groupby('city').a.max().to_dict()))",
    "df['big'] = np.where(df.a > 2, 'big', 'small')\nprint(df[df.big == 'big'].city.iloc[0])",
    "df['total'] = df.a * 2\nprint(df.sort_values('total').iloc[-1])",
]


@pytest.mark.parametrize("code", COMPUTED)
def test_what_code_computes_is_evidence(finds, code):
    assert finds("Oslo", WHICH, code)


STATED = [
    # stated by a print
    "print('Oslo')\nprint(df.shape)",
    "print('Oslo: ' + str(len(df)))",
    "print('Oslo: {}'.format(len(df)))",
    "print('Oslo: %d' % len(df))",
    "text = f'Oslo: {len(df)}'\nprint(text)",
    "f'Oslo: {len(df)}'",
    "def show():\n    print('Oslo', len(df))\nshow()",
    "print('Oslo', end=' ')\nprint(len(df))",
    "print(len(df), end=' ')\nprint('Oslo')",
    "print('Oslo')\nprint(len(df), end=' ')\nprint('Oslo')",
    "print(len(df), end=' Oslo\\n')",
    "print('Os', 'lo', sep='')\nprint(len(df))",
    "for x in df.a:\n    print('Oslo')",
    "print(f'{\"Oslo\":.^9}', len(df))",
    "print('%(best)s' % {'best': 'Oslo'}, len(df))",
    "print(*['Oslo', len(df)])",
    "print('Oslo' + ' ' * 200_000, len(df))",
    "for city in ['Oslo']:\n    print(city, len(df))",
    # stated by a variable
    "best = ['Oslo']\nprint(best[0])\nprint(len(df))",
    "best = {'a': 'Oslo'}\nprint(best['a'], len(df))",
    "print((best := 'Oslo'), len(df))",
    "best = 'Oslo'.title()\nprint(best, len(df))",
    "for best in ['Oslo']:\n    pass\nprint(best, len(df))",
    "best = ''\nif len(df):\n    best = 'Oslo'\nprint(best)",
    "print(globals().setdefault('best', 'Oslo'), len(df))",
    "class Best:\n    name = 'Oslo'\nprint(Best.name, len(df))",
    "print(dict(Oslo=len(df)))",
    # behind a test that always holds
    "print('Oslo' if len(df) else '')",
    "if len(df) > 0:\n    print('Oslo')",
    "while len(df):\n    print('Oslo')\n    break",
    "match len(df):\n    case _:\n        print('Oslo')",
    "print(['Oslo', ''][len(df) * 0])",
    "print('Oslo' * (len(df) > 0))",
    # by another way to print
    "say = print\nsay('Oslo')\nsay(len(df))",
    "list(map(print, ['Oslo', len(df)]))",
    "import builtins\nbuiltins.print('Oslo')\nprint(len(df))",
    "import pprint\npprint.pprint('Oslo')\nprint(len(df))",
    "import sys\nsys.stdout.write('Oslo\\n')\nprint(len(df))",
    "exec(\"print('Oslo')\")\nprint(len(df))",
    "print(eval(\"'Oslo'\"), len(df))",
    "print(bytes([79, 115, 108, 111]).decode(), len(df))",
    "print(chr(79) + 'slo', len(df))",
    "(lambda text: print(text))('Oslo')\nprint(len(df))",
    # put into the table
    "df['city'] = 'Oslo'\nprint(df.city.max())",
    "df.loc[0, 'city'] = 'Oslo'\nprint(df.city[0])",
    "df['Oslo'] = 1\nprint(df.columns[-1])",
    "print(df.assign(best='Oslo').best[0])",
    "print(df.rename(columns={'a': 'Oslo'}).columns[-1])",
    "print(df.city.str.cat(['Oslo'] * 3, sep=' ')[0])",
    "print(df.city.radd('Oslo ')[0])",
    "print(df.assign(b=None).b.to_string(na_rep='Oslo'))",
    "df.index.name = 'Oslo'\nprint(df.index.name)",
    "print(df.city.map(lambda city: 'Oslo')[0])",
    "print(df.eval(\"best = 'Oslo'\").best[0])",
    "print(np.where(df.a > 0, 'Oslo', '')[0])",
    # a table of the code's own
    "df = pd.DataFrame({'city': ['Oslo']})\nprint(df.city.max())",
    "import io\nprint(pd.read_csv(io.StringIO('city,a\\nOslo,1')).city[0])",
    "print(sql(\"select 'Oslo'\"))",
    "print(sql(\"select 'Oslo' from df limit 1\"))",
    "print(sql(\"select x from (values ('Oslo')) t(x), df limit 1\"))",
    "open('g.txt', 'w').write('Oslo')\nprint(open('g.txt').read(), len(df))",
    "pd.DataFrame({'city': ['Oslo']}).to_csv('g.csv')\nprint(pd.read_csv('g.csv').city[0], len(df))",
    "pd.DataFrame({'city': ['Oslo']}).to_csv('cities.csv')\nprint(pd.read_csv('cities.csv').city[0])",
]


@pytest.mark.parametrize("code", STATED)
def test_what_code_states_is_no_evidence(finds, code):
    assert not finds("Oslo", WHICH, code)


@pytest.mark.parametrize("code", STATED)
def test_nor_is_it_where_the_question_names_the_answer(finds, code):
    assert not finds("Oslo", EITHER, code)


@pytest.mark.parametrize(
    "steps",
    [
        ["guess = 'Oslo'", "print(guess, len(df))"],
        ["guess = ['Oslo']", "print(guess[0], len(df))"],
        ["df['city'] = 'Oslo'", "print(df.city.max())"],
        ["df.insert(0, 'best', 'Oslo')", "print(df.best[0])"],
        [
            "guess = 'Bergen'\nif True:\n    guess = 'Oslo'\nelse:\n    guess = 'Bergen'",
            "print(guess, len(df))",
        ],
        ["guess = 'Oslo'", "1 / 0\nguess = df.city.max()", "print(guess)"],
        ["def guess():\n    return 'Oslo'", "print(guess(), len(df))"],
        ["pd.DataFrame({'city': ['Oslo']}).to_csv('cities.csv')", "print(pd.read_csv('cities.csv').city[0])"],
        ["exec(\"guess = 'Oslo'\")", "print(guess, len(df))"],
        ["say = print", "say('Oslo', len(df))"],
    ],
)
def test_a_guess_is_followed_from_step_to_step(finds, steps):
    assert not finds("Oslo", WHICH, *steps)


def test_data_is_followed_from_step_to_step(finds):
    assert finds("Oslo", WHICH, f"top = {OSLO}", "print(top)")


def test_an_answer_may_be_computed_after_it_was_stated(finds):
    assert finds("Oslo", WHICH, "print('Oslo', df.a.max())", f"print({OSLO})")


def test_a_label_does_not_spoil_a_computed_answer_in_the_same_step(finds):
    code = "for_oslo = df[df.city == 'Oslo'].a.sum()\nprint('Oslo:', for_oslo)\nprint(df.city[df.a.idxmax()])"
    assert finds("Oslo", WHICH, code)


def test_a_test_on_data_may_choose_between_what_the_question_names(finds):
    assert finds("Oslo", EITHER, "print('Oslo' if df.a[1] > df.a[0] else 'Bergen')")
    assert not finds("Oslo", WHICH, "print('Oslo' if df.a[1] > df.a[0] else 'Bergen')")


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("print((df.a > 2).any())", True),
        ("print('Any above 2:', (df.a > 2).any())", True),
        ("print('Yes' if (df.a > 2).any() else 'No')", True),
        ("found = False\nfor a in df.a:\n    if a > 2:\n        found = True\nprint(found)", True),
        ("print(df.a.where(df.a > 2).fillna(False).astype(bool).any())", True),
        ("print(True)\nprint(len(df))", False),
        ("print('True' if len(df) else '')", False),
        ("flag = [True]\nprint(flag[0])\nprint(len(df))", False),
    ],
)
def test_a_yes_is_computed_or_chosen_never_stated(finds, code, counts):
    assert finds("True", IS_IT, code) is counts


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ("print(df.a.sum())", True),
        ("print(sum(df.a) * 100 / 100)", True),
        ("print((df.a < 5).sum() + 2)", True),
        ("print(5, len(df))", False),
        ("n = 5\nprint(n, len(df))", False),
        ("print(int('5'), len(df))", False),
        ("print(len(df) * 0 + 5)", False),
        ("print(2 + 3)\nprint(df.shape)", False),
        ("print(len('abcde'))\nprint(df.shape)", False),
        ("for n in ['top']:\n    print(n, df.a.sum(), df.a.max())", True),
        (
            "def f():\n    df = pd.DataFrame({'a': [2, 3]})\n    return df.a.sum()\nprint(f())\ndf.shape",
            False,
        ),
        ("def f(df):\n    return df.a.sum()\nprint(f(pd.DataFrame({'a': [2, 3]})))\ndf.shape", False),
        ("def f(df):\n    total = df.a.sum()\n    return total\nprint(f(df))", True),
        ("t = pd.DataFrame({'a': [2, 3]})\nprint(t.a.sum())\nprint(df.shape)", False),
    ],
)
def test_a_number_is_computed_never_stated(finds, code, counts):
    assert finds("5", "What is the sum of a?", code) is counts


def test_a_function_that_is_not_called_proves_nothing(finds):
    code = "import calendar\ndef show():\n    print(len(df))\nprint(calendar.day_name[0])"
    assert not finds("Monday", "Which day is best?", code)
    assert finds("3", "How many?", code.replace("print(calendar.day_name[0])", "show()"))


def test_masked_output_keeps_its_lines(cities_csv):
    with sandbox.open([cities_csv]) as session:
        step = session.run("print('Oslo and', len(df))\nprint(df.a.max())")
    output = Provenance({"cities": "cities.csv"}).output(step)
    assert [line.strip() for line in output.text.split("\n")] == ["3", "3", ""]


def test_no_code_makes_the_search_slow(cities_csv):
    words = ", ".join(repr("a" * n) for n in range(1, 30))
    with sandbox.open([cities_csv]) as session:
        step = session.run(f"w = [{words}]\nprint(df.city[1])\nprint('a' * 4000 + '!')\nif 0: print(w[0])")
    assert Provenance({"cities": "cities.csv"}).output(step).find("Oslo", WHICH)


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("sales.csv", "sales.csv"),
        ("book.xlsx, sheet A, B", "book.xlsx"),
        ("shop.db, table orders", "shop.db"),
        ("log.csv, part 2", "log.csv"),
        ("log.csv, table Meetings", "log.csv"),
        ("Smith, John.csv", "Smith, John.csv"),
    ],
)
def test_a_tables_source_begins_with_its_files_name(source, file):
    assert file_of(source) == file
