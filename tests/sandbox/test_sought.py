"""What a condition looked for in vain is told, with where the data has it and what finds it."""

import pytest

import sandbox

TABLE = """\
Title,Album,Year,Place
Hard Woman,She's the Boss,1985,Leningrad-1
Just Another Night,She's the Boss,1985,Leningrad-2
Let's Work,Primitive Cool,1987,Moscow
"""
# Column, values and condition that find them.
HARD_WOMAN = ("Title", "'Hard Woman'", "df['Title'] == 'Hard Woman'")
LETS_WORK = ("Title", '"Let\'s Work"', "df['Title'] == \"Let's Work\"")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = tmp_path_factory.mktemp("songs") / "songs.csv"
    path.write_text(TABLE)
    with sandbox.open([path]) as opened:
        yield opened


@pytest.mark.parametrize(
    ("code", "other", "values", "instead"),
    [
        # Spelt otherwise.
        ("print(df[df['Title'] == 'hard  woman']['Year'].tolist())", *HARD_WOMAN),
        ("print(df.loc[df['Title'] == 'Lets Work', 'Year'].iloc[0])", *LETS_WORK),
        ("print((df['Title'] == 'hard woman').any())", *HARD_WOMAN),
        ("print((df['Title'].str.lower() == 'Hard Woman').sum())", *HARD_WOMAN),
        # A number as text.
        ("print(df[df['Year'] == '1985']['Title'].tolist())", "Year", "1985", "df['Year'] == 1985"),
        # In another column, or within its values.
        ("print(df[df['Album'] == 'Hard Woman'].iloc[0]['Album'])", *HARD_WOMAN),
        (
            "print(df[df['Place'] == 'Leningrad']['Title'].tolist())",
            "Place",
            "'Leningrad-1', 'Leningrad-2'",
            "df['Place'].str.contains('Leningrad', case=False, regex=False)",
        ),
        (
            "print(df[df['Title'].str.contains('Cool')]['Year'].tolist())",
            "Album",
            "'Primitive Cool'",
            "df['Album'].str.contains('Cool', case=False, regex=False)",
        ),
        # Nowhere.
        ("print(df[df['Title'] == 'Atlantis']['Year'].tolist())", "", "", ""),
    ],
)
def test_what_was_not_found_is_told_with_where_it_is_and_that_finds_it(session, code, other, values, instead):
    execution = session.run(code)
    (sought,) = execution.sought
    assert (sought.other, ", ".join(sought.values), sought.instead) == (other, values, instead)
    if instead:
        assert sought.written in code
        mended = session.run(code.replace(sought.written, instead))
        assert mended.error is None and mended.stdout.strip() not in ("[]", "0", "False")


@pytest.mark.parametrize(
    "code",
    [
        "print(df[df['Title'] == 'Hard Woman']['Year'].tolist())",  # it is found
        "print(df[(df['Title'] == 'Hard Woman') & (df['Year'] > 1990)]['Year'].tolist())",  # so is this
        "print(df[df['Title'].str.contains('Woman') & (df['Year'] > 1990)]['Year'].tolist())",
        "print(df[df['Nothing'] == 'Hard Woman'])",
        "print(df[df['Title'] == 3]['Year'].tolist())",
        "print(df['Title'].get('zzz'))",  # no condition
        "print([])",
        "print(",
    ],
)
def test_nothing_is_told_where_the_value_was_found_or_none_was_looked_for(session, code):
    assert session.run(code).sought == ()


def test_tables_that_code_has_made_unreadable_are_no_reason_to_fail(tmp_path):
    (tmp_path / "songs.csv").write_text(TABLE)
    with sandbox.open([tmp_path / "songs.csv"]) as session:
        odd = "class Odd:\n    def __str__(self): raise ValueError\n"
        code = f"{odd}df['Title'] = [Odd() for _ in df['Title']]\n"
        execution = session.run(f"{code}print(df[df['Title'] == 'a']['Year'].tolist())")
        assert (execution.error, execution.stdout) == (None, "[]\n")
