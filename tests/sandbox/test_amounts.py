"""Money and percentages as text have numbers beside them; what only looks a little like them has not."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sandbox
from sandbox import amounts


def numbers(*cells):
    frame, code, note = amounts.with_numbers(pd.DataFrame({"x": pd.Series(cells, dtype="str")}))
    if not code:
        assert note == "" and [*frame.columns] == ["x"]
        return None
    assert note == "'x' as numbers in 'x (number)'" and frame["x"].tolist() == [*cells]
    return frame["x (number)"].tolist()


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["$1,200.50", "$-3", "-$4", "($5.25)", "$ 6"], [1200.5, -3, -4, -5.25, 6]),
        (["1.200,50 €", "3 €", "-4,5 €"], [1200.5, 3, -4.5]),
        (["12%", "3.5 %", "-1%"], [12, 3.5, -1]),
        (["US$3", "US$4.5"], [3, 4.5]),
        (["CHF 1.5", "CHF 2"], [1.5, 2]),
        (["$5", " " * 8000 + "$6"], [5, 6]),
        (["£5", "-", "n/a", "£7"], [5, None, None, 7]),
    ],
)
def test_an_amount_has_its_number_beside_it(cells, found):
    assert [None if pd.isna(one) else one for one in numbers(*cells)] == found


@pytest.mark.parametrize(
    "cells",
    [
        ["12", "13"],
        ["$5", "about $6"],
        ["-", "n/a"],
        ["5 kg", "6 kg"],
        ["$", "€"],
        ["A$AP", "$5"],
        ["50% off", "3%"],
        ["Rs. 500", "Rs. 1,200"],  # the dot is the abbreviation's
        ["1.234 €", "2.500 €"],  # thousands, or thousandths?
        [],
    ],
)
def test_other_text_stays_alone(cells):
    assert numbers(*cells) is None


def test_the_card_and_the_note_tell_of_it_and_the_code_makes_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('item,Price,Price (number),share\na,"$1,200",x,5%\nb,$3,y,7%\n')
    with sandbox.open([path]) as session:
        (table,) = session.profile()
        assert [column.name for column in table.columns][3:] == [
            "share",
            "Price (number)_2",
            "share (number)",
        ]
        assert (
            table.note == "'Price' as numbers in 'Price (number)_2', 'share' as numbers in 'share (number)'"
        )
        step = session.run(f"print(({table.load}).equals(df), df['Price (number)_2'].sum())")
    assert step.stdout == "True 1203\n"


@given(st.lists(st.one_of(st.none(), st.text("$€%0123456789.,-+() kr", max_size=8)), max_size=6))
def test_any_text_is_left_or_has_numbers(cells):
    frame = pd.DataFrame({"x": pd.Series(cells, dtype="str")})
    found, code, _ = amounts.with_numbers(frame)
    assert found["x"].equals(frame["x"])
    assert not code or found["x (number)"].dtype.kind in "if"
