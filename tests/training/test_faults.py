"""Faults in right code: each fails for real, or finds nothing, and the right code mends it."""

import random

import pytest

import sandbox
from training import faults

TABLE = """\
Name,Species,Weight (kg),Price,Born
Rex,dog,31.5,"$1,200",3 May 2020
Mia,cat,3.1,$40,1 Jan 2021
Bo,dog,12,$300,7 Feb 2019
"""
AND = "print(df[(df['Species'] == 'dog') & (df['Weight (kg)'] > 2)]['Name'].tolist())"
CODE = {
    "almost right column": ("print(df['Weight (kg)'].mean())", "KeyError"),
    "precedence": (AND, "TypeError"),
    "print closed early": ("print((df['Species'] == 'dog').any())", "SyntaxError"),
    "number of text": ("print(df['Weight (kg)'].mean())", "TypeError"),
    "text for number": ("print(df['Price (number)'].mean())", "TypeError"),
    "not converted": ("print(pd.to_datetime(df['Born'], format='%d %b %Y').dt.year.max())", "AttributeError"),
    "wrong dtype": ("print((df['Weight (kg)'] > 20).sum())", "TypeError"),
    "missing import": ("import statistics\nprint(statistics.mean(df['Weight (kg)']))", "NameError"),
    "wrong case": (AND, None),
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "pets.csv"
    path.write_text(TABLE)
    with sandbox.open([path]) as opened:
        yield opened


def test_every_kind_has_an_example_here():
    assert CODE.keys() == faults.KINDS.keys()


@pytest.mark.parametrize("kind", CODE)
def test_the_fault_fails_for_real_where_the_code_did_not(session, kind):
    code, error = CODE[kind]
    made = faults.faulty(code, session.profile(), random.Random(0), [kind])[kind]
    failed = session.run(made)
    assert (failed.error.kind if failed.error else None) == error
    assert error or failed.stdout.strip() == "[]"
    assert session.run(code).error is None


def test_amounts_left_as_text_fail(session):
    code = "print(df['Price'].str.replace('[$,]', '', regex=True).astype(float).mean())"
    made = faults.faulty(code, session.profile(), random.Random(0), ["not converted"])
    assert made == {"not converted": "print(df['Price'].mean())"}
    assert session.run(made["not converted"]).error.kind == "TypeError"


def test_a_print_that_is_closed_too_early_is_the_slip_that_small_models_make(session):
    for code, slip in (
        ("print((df['a'] == 1).any())", "print(df['a'] == 1).any())"),
        ("print(df['a'].tolist())", "print(df['a']).tolist()"),
    ):
        made = faults.faulty(code, (), random.Random(0), ["print closed early"])
        assert made == {"print closed early": slip}


def test_an_almost_right_name_is_no_other_columns_name(session):
    for seed in range(20):
        made = faults.faulty(AND, session.profile(), random.Random(seed), ["almost right column"])
        code = made["almost right column"]
        real = [column.name for column in session.profile()[0].columns]
        assert sum(repr(name) in code for name in real) == 2


@pytest.mark.parametrize("code", ["", "print(1)", "print(", "x = 'ü'; print(x)"])
def test_code_without_room_for_a_fault_gives_none(session, code):
    assert faults.faulty(code, session.profile(), random.Random(0)) == {}


def test_code_beside_the_fault_stays_as_it_is_whatever_its_letters(session):
    code = "x = 'Zürich'; print((df['Größe'] > 5).sum())  # ü"
    made = faults.faulty(code, (), random.Random(0), ["wrong dtype"])
    assert made["wrong dtype"] == "x = 'Zürich'; print((df['Größe'] > '5').sum())  # ü"
