"""Questions of our own: each family against a table worked out by hand, and what generate() promises."""

import contextlib
import statistics
from collections import Counter
from random import Random

import pandas as pd
import pytest

from agent import absence, prompts
from agent.absence import NOT_ANSWERABLE
from training import questions
from training.questions import absent, frequencies, lists, making, wording
from training.questions.derived import FAMILIES_OF, derived_views
from training.questions.drafts import FAMILIES, Draft, Family, Unfit, is_additive
from training.questions.views import read_view
from training.verify import compare

PETS = """\
name,species,city,weight,height,visits,cost,vaccinated,year,arrived,left,remark
Rex,dog,Oslo,31.5,60,4,$40.00,1,2019,2020-01-06,2020-01-10,likes long walks
Mia,cat,Bergen,3.1,24,1,$12.50,1,2019,2020-01-13,2020-01-15,sleeps all day
Bella,dog,Oslo,12,40,2,$25.00,0,2020,2020-02-03,2020-02-04,likes short walks
Tom,cat,Oslo,4.4,25,3,$31.00,1,2020,2020-02-11,2020-02-18,bites when angry
Luna,dog,Bergen,22,52,5,"$1,050.00",0,2021,2021-03-01,2021-03-02,hates cold water
Kiki,bird,Oslo,0.4,,1,$8.00,0,2021,2021-03-01,2021-03-09,sings every morning
Max,dog,Oslo,18.5,47,6,$66.00,1,2021,2021-03-08,2021-03-20,loves cold water
Nala,cat,Trondheim,3.9,26,2,$22.00,1,2021,2021-04-05,2021-04-06,sleeps near big windows
Coco,bird,Bergen,0.3,15,3,$9.50,0,2019,2021-04-06,2021-04-10,talks too much
Rocky,dog,,27,58,2,$35.00,1,2021,2022-05-02,2022-05-03,likes other dogs
Lilly,cat,Trondheim,5.2,27,7,$71.00,0,2022,2022-05-03,2022-05-05,afraid of thunder
Bruno,dog,Trondheim,35,63,4,$44.00,1,2022,2022-06-07,2022-06-14,strong on walks
"""
SHOPS = "shop,sales\n" + "".join(
    f"{shop},{number}\n" for number, shop in enumerate([*["Lidl"] * 4, *["Aldi"] * 4, *["Rewe"] * 3])
)
COPIES = "".join(line + "\n" for line in PETS.splitlines()[3:5])

# Every answer was found by reading the table above.
BY_HAND = [
    ("count equal", "How many rows are there where species is dog?", 6),
    ("count compared", "How many rows are there where visits is above 2?", 7),
    ("count both", "How many rows are there where species is dog and where city is Oslo?", 3),
    ("count between", "How many rows have visits between 2 and 4, both included?", 7),
    ("count distinct", "How many different values of species are there?", 3),
    ("aggregate", "What is the total visits?", 40),
    ("aggregate in unit", "What is the total cost, in thousands?", 1.414),
    ("aggregate where", "What is the maximum cost of the rows where species is cat?", 71),
    ("share of rows", "What percentage of the rows are ones where species is bird?", 100 / 6),
    ("share of total", "What percentage of the total visits comes from rows where species is bird?", 10),
    ("spread", "What is the difference between the highest and the lowest height?", 48),
    ("difference of groups", "By how much is the total visits of species dog higher than that of "
     "species cat?", 10),
    ("ratio of groups", "What is the ratio of the total visits of species dog to that of species bird?",
     5.75),
    ("count above average", "How many rows have a weight above the average?", 5),
    ("pivot cell", "What is the total visits of rows where species is dog and where city is Oslo?", 12),
    ("lookup", "What is the cost of Luna?", 1050),
    ("count in years", "How many rows are from 2019 to 2020, both years included?", 5),
    ("row extreme", "Which name has the highest cost?", "Luna"),
    ("attribute of extreme", "What is the city of the row with the highest weight?", "Trondheim"),
    ("number of extreme", "What is the visits of the row with the highest weight?", 4),
    ("rank of", "What rank does Rex have by weight, counting from the highest (1 = highest)?", 2),
    ("year of extreme", "Which year has the highest total visits?", 2021),
    ("group extreme", "Which species has the highest total visits?", "dog"),
    ("chart", "Which species has the highest total visits? Also draw a bar chart of all of them.", "dog"),
    ("most common", "What is the most common species?", "dog"),
    ("pivot most common", "What is the most common city among rows where species is dog?", "Oslo"),
    ("least common", "Which species is the least common?", "bird"),
    ("row by place", "Which name has the second highest weight?", "Rex"),
    ("row extreme where", "Which name has the highest weight among the rows where species is cat?", "Lilly"),
    ("lookup group", "Which city does Tom belong to?", "Oslo"),
    ("top rows", "List the top 2 names by weight.", ["Bruno", "Rex"]),
    ("values of top rows", "What are the visits values of the 2 rows with the highest weight?", [4, 4]),
    ("groups of top rows", "What is the species of each of the 2 rows with the lowest weight?",
     ["bird", "bird"]),
    ("top values", "What are the top 2 cost values?", [1050, 71]),
    ("top values where", "What are the 2 highest weight values among rows where species is cat?", [5.2, 4.4]),
    ("top distinct values", "What are the 2 lowest different values of visits?", [1, 2]),
    ("most common numbers", "What are the 2 most common values of year?", [2021, 2019]),
    ("top counts", "How many rows do the 2 most common species have, largest first?", [6, 4]),
    ("top rows where", "Which 2 rows where species is dog have the highest weight? Give the name.",
     ["Bruno", "Rex"]),
    ("most common groups", "List the 2 most common species.", ["dog", "cat"]),
    ("most common with ties", "List the 2 most common cities. Break ties alphabetically.",
     ["Oslo", "Bergen"]),
    ("least common groups", "List the 2 least common species, rarest first.", ["bird", "cat"]),
    ("most common groups where", "What are the 2 most common cities among rows where vaccinated is 1?",
     ["Oslo", "Trondheim"]),
    ("least common with ties", "List the 2 least common cities. Break ties alphabetically.",
     ["Bergen", "Trondheim"]),
    ("top labels", "Which 2 values of year have the highest total visits?", [2021, 2022]),
    ("labels by count", "Which 2 values of year have the most rows?", [2021, 2019]),
    ("top groups where", "Among rows where vaccinated is 1, which 2 cities have the highest total visits?",
     ["Oslo", "Trondheim"]),
    ("top rows with ties", "Which 2 rows have the lowest visits? Give the name, ties in alphabetical order.",
     ["Kiki", "Mia"]),
    ("top groups", "Which 2 species have the highest total visits?", ["dog", "cat"]),
    ("frequent groups", "Which species have more than 3 rows?", ["cat", "dog"]),
    ("distinct groups", "Which different values does species have? List them alphabetically.",
     ["bird", "cat", "dog"]),
    ("names where", "Which rows are there where species is bird? List the name of each.", ["Coco", "Kiki"]),
    ("counts in order", "How many rows are there for each species: cat and dog, in that order?", [4, 6]),
    ("values by group", "What is the total visits of each species, in alphabetical order of species?",
     [4, 13, 23]),
    ("firsts by group", "For each species, which name has the highest weight? List them in "
     "alphabetical order of species.", ["Kiki", "Lilly", "Bruno"]),
    ("columns with missing", "Which columns have missing values?", ["city", "height"]),
    ("years where", "In which years was the total visits above 8?", [2021, 2022]),
    ("compare groups", "Is the total visits of species dog higher than that of species cat?", True),
    ("compare groups", "Is the total visits of species bird higher than that of species cat?", False),
    ("compare counts", "Are there more rows with species dog than with species cat?", True),
    ("both present", "Is there any row where species is bird and where city is Oslo?", True),
    ("both present", "Is there any row where species is bird and where city is Trondheim?", False),
    ("same extreme", "Is the name with the highest weight also the one with the highest height?", True),
    ("same extreme", "Is the name with the highest weight also the one with the highest cost?", False),
    ("compare columns", "Is the maximum weight higher than the maximum height?", False),
    ("share beyond", "Are more than 40% of the rows ones where species is dog?", True),
    ("share beyond", "Are more than 60% of the rows ones where species is dog?", False),
    ("extreme has", "Is dog the species of the row with the highest weight?", True),
    ("is most common", "Is cat the most common species?", False),
    ("any missing", "Are there any missing values in city?", True),
    ("any missing", "Are there any missing values in species?", False),
    ("all different", "Is every name unique?", True),
    ("all different", "Is every visits unique?", False),
    ("correlated", "Are weight and height positively correlated?", True),
    ("any in years", "Are there any rows from after 2022?", False),
    ("any in years", "Are there any rows from before 2020?", True),
    ("compare with rest", "Do rows where species is dog have a higher average weight than the rest?", True),
    ("count in year", "How many rows have an arrived in 2020?", 4),
    ("count before day", "How many rows have an arrived before 2021-03-08?", 6),
    ("first or last date", "What is the earliest arrived? Give it as YYYY-MM-DD.", "2020-01-06"),
    ("date of extreme", "On which arrived was the weight highest? Give it as YYYY-MM-DD.", "2022-06-07"),
    ("days covered", "How many days lie between the first and the last arrived?", 883),
    ("span in unit", "How many hours lie between the first and the last arrived?", 21_192),
    ("average duration", "On average, how many days pass between arrived and left?", 50 / 12),
    ("busiest year", "Which year has the most rows, going by arrived?", 2021),
    ("busiest name", "Which weekday has the most rows, going by arrived? Give its English name.", "Monday"),
    ("statistic in year", "What was the total visits in 2020, going by arrived?", 10),
    ("counts by year", "How many rows were there in each of the years 2020, 2021 and 2022, in "
     "that order (by arrived)?", [4, 5, 3]),
    ("name of first date", "Which name has the earliest arrived?", "Rex"),
    ("count with word", "How many rows have the word 'walks' in remark?", 3),
    ("names with word", "Which remarks contain the word 'cold'? List them.",
     ["hates cold water", "loves cold water"]),
    ("any with word", "Is there any row with 'walks' in remark?", True),
    ("any with word", "Is there any row with 'river' in remark?", False),
    ("count starting with", "How many rows have a name that starts with 'R'?", 2),
    ("longest name", "Which remark is the longest, counted in characters?", "sleeps near big windows"),
    ("count missing", "How many rows have no city?", 1),
    ("share missing", "What percentage of city values are missing?", 100 / 12),
    ("count complete", "How many rows have no missing values at all?", 10),
    ("count repeated", "How many arrived values occur more than once?", 1),
    ("count duplicates", "How many rows are exact duplicates of an earlier row?", 2),
    ("count without duplicates", "How many different rows are there once exact duplicates are removed?", 12),
    ("statistic without duplicates", "After removing exact duplicate rows, what is the total visits?", 40),
    ("any duplicates", "Does the table contain exact duplicate rows?", True),
    ("not answerable", "What is the average shoe size in this data?", NOT_ANSWERABLE),
    ("not answerable name", "What is the most common blood type in the table?", NOT_ANSWERABLE),
    ("not answerable count", "Which row has the most cousins?", NOT_ANSWERABLE),
    ("not answerable fact", "How many rows play the piano?", NOT_ANSWERABLE),
    ("not answerable done", "How many rows were stolen?", NOT_ANSWERABLE),
    ("not answerable superlative", "Which row is the loudest?", NOT_ANSWERABLE),
    ("not answerable by group", "Which species has the highest average shelf life?", NOT_ANSWERABLE),
    ("not answerable where", "What is the average humidity of the rows where species is dog?",
     NOT_ANSWERABLE),
]  # fmt: skip
# Their limits are drawn anywhere between the values, or the table has nothing of the kind; each has a test of
# its own.
LOOSE = {
    "any beyond", "all beyond", "all beyond where", "any before day", "correlation", "strongest correlation",
    "most common tied",
}  # fmt: skip


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    path = tmp_path_factory.mktemp("pets") / "pets.csv"
    path.write_text(PETS)
    return read_view(path)


@pytest.fixture(scope="module")
def pets_with_copies(tmp_path_factory):
    path = tmp_path_factory.mktemp("copies") / "pets.csv"
    path.write_text(PETS + COPIES)
    return read_view(path)


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    path = tmp_path_factory.mktemp("shops") / "shops.csv"
    path.write_text(SHOPS)
    return read_view(path)


@pytest.fixture
def plainly(monkeypatch):
    """Columns go by their names, rows are rows, several are two: a question can be told beforehand."""
    monkeypatch.setattr(wording, "HIGHEST", ("highest",))
    monkeypatch.setattr(wording, "LOWEST", ("lowest",))
    for module in (lists, frequencies):
        monkeypatch.setattr(module, "many_of", lambda _: (2, "2"))
    monkeypatch.setattr(wording, "say_column", lambda column, *_: column)
    monkeypatch.setattr(wording, "nouns", lambda *_: ("row", "rows"))
    monkeypatch.setattr(wording, "where_equal", lambda said, value, _: f"where {said} is {value}")
    monkeypatch.setattr(
        wording, "where_compared", lambda said, word, limit, _: f"where {said} is {word} {limit}"
    )


def drawn(view, name, most=4000):
    """Questions of a family in its first phrasing, with their drafts."""
    family = FAMILIES[name]
    for seed in range(most):
        try:
            draft = family.draw(view, Random(seed))
        except Unfit:
            continue
        yield wording.filled(family.phrasings[0], draft.slots), draft


def same(left, right):
    if isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return (
        type(left) is type(right) and left == right
        if isinstance(right, str | bool)
        else left == pytest.approx(right)
    )


# Families


@pytest.mark.parametrize(("name", "question", "answer"), BY_HAND)
def test_a_family_finds_what_reading_the_table_finds(name, question, answer, pets, pets_with_copies, plainly):
    view = pets_with_copies if "duplicates" in name else pets
    draft = next((draft for text, draft in drawn(view, name) if text == question), None)
    assert draft is not None, f"{name} never asks {question}"
    assert same(draft.answer, answer)
    if draft.sql:
        connection = making._connect(view)
        assert making.agrees(draft, connection)
        connection.close()


def test_every_family_is_worked_out_by_hand_or_has_a_test_of_its_own():
    assert {name for name, *_ in BY_HAND} | LOOSE == set(FAMILIES)


def test_a_limit_is_judged_as_it_is_written(pets, plainly):
    judged = Counter()
    for name in ("any beyond", "all beyond"):
        for _, draft in drawn(pets, name, 300):
            if draft.slots["measure"] == "visits":
                limit, is_above = float(draft.slots["limit"]), draft.slots["beyond"] in wording.ABOVE
                edges = (7, 1) if (name == "any beyond") == is_above else (1, 7)
                assert draft.answer == (edges[0] > limit if is_above else edges[0] < limit)
                judged[name, draft.answer] += 1
    assert len(judged) == 4


def test_a_limit_among_some_rows_is_judged_as_it_is_written(pets, plainly):
    visits = {"dog": (2, 6), "cat": (1, 7)}
    judged = Counter()
    for _, draft in drawn(pets, "all beyond where", 2000):
        species = draft.slots["where"].removeprefix("where species is ")
        if draft.slots["measure"] == "visits" and species in visits:
            (low, high), limit = visits[species], float(draft.slots["limit"])
            is_above = draft.slots["beyond"] in wording.ABOVE
            assert draft.answer == (low > limit if is_above else high < limit)
            judged[species, draft.answer] += 1
    assert len(judged) == 4


def test_the_alphabet_decides_which_of_the_most_common_is_taken(shops, tmp_path, plainly):
    text, draft = next(drawn(shops, "most common tied"))
    assert draft.answer == "Aldi"
    assert text.endswith("If there is a tie, take the first in alphabetical order.")
    one_less = tmp_path / "shops.csv"
    one_less.write_text(SHOPS.replace("Lidl,0\n", ""))
    assert not list(drawn(read_view(one_less), "most common tied", 300)), (
        "nothing is tied for the first place"
    )


def test_a_day_is_judged_as_it_is_written(pets, plainly):
    answers = set()
    for _, draft in drawn(pets, "any before day", 200):
        if draft.slots["date"] == "arrived" and draft.slots["day"].startswith("20"):
            day, is_after = draft.slots["day"], draft.slots["when"] == "after"
            assert draft.answer == (day < "2022-06-07" if is_after else day > "2020-01-06")
            answers.add(draft.answer)
    assert answers == {True, False}


def test_correlations_are_pearsons(pets, plainly):
    rows = [line.split(",") for line in PETS.splitlines()[1:]]  # the comma in Luna's cost stands behind these
    columns = {"weight": 3, "height": 4, "visits": 5}
    seen = set()
    for _, draft in drawn(pets, "correlation", 200):
        one, two = draft.slots["one"], draft.slots["two"]
        if {one, two} < set(columns):
            cells = [(row[columns[one]], row[columns[two]]) for row in rows]
            pairs = [(float(left), float(right)) for left, right in cells if left and right]
            assert draft.answer == pytest.approx(statistics.correlation(*zip(*pairs, strict=True)))
            seen.add(frozenset((one, two)))
    assert len(seen) == 3


def test_the_strongest_correlation_is_found(pets, plainly):
    about_weight = (d for _, d in drawn(pets, "strongest correlation") if d.slots["measure"] == "weight")
    assert next(about_weight).answer == "height"


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_six_ways_to_ask_and_the_core_reads_them_as_meant(name, pets, pets_with_copies, shops):
    family = FAMILIES[name]
    assert len(set(family.phrasings)) >= 6
    view = pets_with_copies if "duplicates" in name else shops if name == "most common tied" else pets
    draft = next(draft for _, draft in drawn(view, name))
    answer_type, _, _ = making.settled(draft, Random(0))
    read_so = [
        making._is_read_so(wording.filled(phrasing, draft.slots), answer_type, draft)
        for phrasing in family.phrasings
    ]
    assert sum(read_so) >= 6, [p for p, fits in zip(family.phrasings, read_so, strict=True) if not fits]


# Refusals


def table(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    return read_view(path)


def never_asks(view, *names):
    return all(not list(drawn(view, name, 200)) for name in names)


def test_ties_are_not_asked_about(tmp_path):
    names = ["Ann", "Bob", "Cid", "Dan", "Eve", "Fay", "Gus", "Hal", "Ian", "Joe"]
    rows = "".join(f"{name},{kind},{number}\n" for name, kind, number in zip(
        names, "xo" * 5, [1, 2, 3, 4, 5, 5, 5, 5, 5, 5], strict=False,
    ))  # fmt: skip
    rows = rows.replace(",x,", ",left,").replace(",o,", ",right,")
    view = table(tmp_path, f"who,side,points\n{rows}Kim,left,6\nLea,right,6\n")
    assert view.roles.measures == ("points",)
    assert never_asks(
        view, "most common", "least common", "is most common", "most common groups", "compare counts"
    )
    assert {draft.slots["extreme"] for _, draft in drawn(view, "row extreme", 200)} <= set(wording.LOWEST)


def test_names_that_differ_only_in_capitals_are_no_groups(tmp_path):
    rows = "".join(f"{city},{number}\n" for number, city in enumerate(["Oslo", "oslo", "Bergen", "Rome"] * 3))
    assert table(tmp_path, f"city,points\n{rows}").roles.groups == ()
    assert table(tmp_path, f"city,points\n{rows.replace('oslo', 'Paris')}").roles.groups == ("city",)


def test_values_that_cannot_stand_in_a_list_are_no_groups(tmp_path):
    for odd in ('"Rome, Italy"', "yes", "12", "n/a ", "[x]"):
        rows = "".join(f"{city},{n}\n" for n, city in enumerate(["Oslo", "Bergen", "Paris", odd] * 3))
        assert table(tmp_path, f"city,points\n{rows}").roles.groups == ()


def test_numbers_that_name_a_row_are_not_averaged(tmp_path):
    rows = "".join(f"{n},{n * 7 % 11},{2000 + n},{n * 13},{n * n}\n" for n in range(12))
    view = table(tmp_path, f"row,player_id,year,zip,points\n{rows}")
    assert (view.roles.measures, view.roles.years) == (("points",), ("year",))


def test_years_and_codes_are_not_averaged_by_whatever_name_and_counts_are(tmp_path):
    header = "debut,state_fp,Number Killed,House number,calls_per_week"
    rows = "".join(f"{1950 + n * n % 60},{n * 5},{n * n},{n * 3},{n * 11 % 13}\n" for n in range(12))
    assert table(tmp_path, f"{header}\n{rows}").roles.measures == ("Number Killed", "calls_per_week")


def test_fractions_prices_and_what_falls_below_zero_are_not_added_up(tmp_path):
    rows = "".join(f"{n / 12:.3f},{n * 9},{n - 3},{n * 2.5}\n" for n in range(12))
    view = table(tmp_path, f"urbanity,unit price,balance,tons\n{rows}")
    assert [name for name in view.roles.measures if is_additive(view, name)] == ["tons"]


def test_numbers_below_zero_are_ranked_from_highest_to_lowest_only(tmp_path):
    rows = "".join(f"Item{n}x,{n * 7 % 12 - 4}\n" for n in range(12))
    view = table(tmp_path, f"item,balance\n{rows}")
    assert {draft.slots["extreme"] for _, draft in drawn(view, "row extreme", 200)} == {"highest", "lowest"}
    assert never_asks(view, "spread")


def test_a_header_that_is_repeated_or_hardly_one_is_not_asked_about(tmp_path):
    rows = "".join(f"{kind},{n},{n * n}\n" for n, kind in enumerate(["tea", "rice", "salt", "oats"] * 3))
    assert table(tmp_path, f"kind,a,b\n{rows}").roles.groups == ("kind",)
    assert table(tmp_path, f"kind,a,b\n{rows}Kind,1,2\nKind,3,4\n").roles.groups == ()
    assert table(tmp_path, f"kind,2019,2020\n{rows}") is None


def test_columns_of_one_name_are_not_asked_about(tmp_path):
    rows = "".join(f"{n * n},{n * 3 % 11},{n * 7 % 12}\n" for n in range(12))
    assert table(tmp_path, f"men,women,men\n{rows}").roles.measures == ("women",)
    assert table(tmp_path, f"men,women,Form 1.2\n{rows}").roles.measures == ("men", "women", "Form 1.2")


def test_a_column_goes_by_its_last_word_only_where_no_other_has_it():
    columns = ["median_household_income", "total votes", "votes_2019", "home state", "statement", "age"]
    assert wording.headed("median_household_income", columns) == "income"
    assert not any(wording.headed(column, columns) for column in columns[1:])
    said = {wording.say_column(columns[0], columns, Random(seed)) for seed in range(100)}
    assert {"income", "median household income", "median_household_income"} <= said


def draft_of(answer, computed=True):
    return Draft(answer, "", {}, computed)


def test_rounding_is_told_and_never_on_the_edge():
    told = Counter()
    for seed in range(200):
        kind, text, decimals = making.settled(draft_of(2 / 3), Random(seed))
        assert kind == "number"
        assert text == (str(round(2 / 3, decimals)) if decimals else str(2 / 3))
        told[decimals] += 1
    assert set(told) == {0, 1, 2, 3}
    assert all(making.settled(draft_of(0.29 + 1e-17), Random(seed))[2] for seed in range(50))
    with pytest.raises(Unfit):
        making.settled(draft_of([1.5, 0.125]), Random(0))
    with pytest.raises(Unfit):
        making.settled(draft_of([0.001, 2.0]), Random(0))


def test_what_was_not_computed_stands_as_it_is():
    assert making.settled(draft_of(31.0, computed=False), Random(0)) == ("number", "31", 0)
    assert making.settled(draft_of(0.125, computed=False), Random(0)) == ("number", "0.125", 0)
    assert making.settled(draft_of([3, 1]), Random(0)) == ("list[number]", "[3, 1]", 0)
    assert making.settled(draft_of(True), Random(0)) == ("boolean", "True", 0)
    assert making.settled(draft_of(["b", "a"]), Random(0)) == ("list[category]", "['b', 'a']", 0)


@pytest.mark.parametrize(
    "answer", [float("nan"), float("inf"), 1e-7, [], ["only"], "", "yes", "a, b", ["a", "1"]]
)
def test_gold_without_one_reading_is_refused(answer):
    with pytest.raises(Unfit):
        making.settled(draft_of(answer, computed=False), Random(0))


ABSENT = [name for name in FAMILIES if name.startswith("not answerable")]


def test_a_table_that_has_the_thing_is_not_asked_for_it_as_missing(tmp_path):
    rows = "".join(f"{blood},{n}\n" for n, blood in enumerate(["Alpha", "Beta", "Gamma"] * 4))
    view = table(tmp_path, f"Blood_Type,ShoeSize\n{rows}")
    asked = {draft.slots["absent"] for name in ABSENT for _, draft in drawn(view, name, 400)}
    assert len(asked) > 100
    assert not asked & {"blood type", "blood pressure", "shoe size", "shoe brand"}


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_missing_is_told_by_a_word_that_may_be_looked_for(name, pets):
    for seed in range(300):
        with contextlib.suppress(Unfit):
            draft = FAMILIES[name].draw(pets, Random(seed))
            question = making.worded(FAMILIES[name], draft, "category", Random(seed))
            assert absent.absent_word(question) in absence.telling_words(question), question


def test_answers_that_no_table_holds_are_of_no_type():
    balance = making._Balance()
    for _ in range(50):
        balance.add("not answerable", "category", NOT_ANSWERABLE)
    assert balance.families["not answerable"] == 50 and not balance.types.total()
    assert balance.allows("not answerable", "category", NOT_ANSWERABLE)


# The cross-check


def test_a_question_on_which_pandas_and_duckdb_disagree_is_dropped_and_counted(pets, monkeypatch, tmp_path):
    real = FAMILIES["count equal"]

    def off_by_one(view, rng):
        draft = real.draw(view, rng)
        return Draft(draft.answer + 1, draft.sql, draft.slots)

    monkeypatch.setitem(FAMILIES, "count equal", Family("count equal", real.phrasings, off_by_one))
    path, dropped = tmp_path / "pets.csv", Counter()
    path.write_text(PETS)
    made = questions.generate([path], 0, 300, dropped=dropped)
    assert made and not any(question.family == "count equal" for question in made)
    assert set(dropped) == {"pandas and DuckDB disagree"}


# Derived tables


@pytest.fixture
def derived(tmp_path):
    """By kind, what is made from a table of cities that lie in countries."""
    cities = ["Oslo", "Bergen", "Paris", "Lyon", "Rome"] * 4
    land = {"Oslo": "Norway", "Bergen": "Norway", "Paris": "France", "Lyon": "France", "Rome": "Italy"}
    rows = "".join(
        f"S{n:02},{city},{land[city]},{n * 1234.5},{n % 7 / 10}\n" for n, city in enumerate(cities)
    )
    view = table(tmp_path, f"shop,city,country,revenue,growth\n{rows}")
    return {made.kind: made for made in derived_views(view, tmp_path / "work", Random(1))}


def test_amounts_become_text_and_mean_the_same_numbers(derived):
    currency, percent = derived["currency"], derived["percent"]
    assert currency.files["t"]["revenue"].iloc[2].endswith("2,469.00")
    assert currency.frame["revenue"].tolist() == [n * 1234.5 for n in range(20)]
    assert percent.files["t"]["growth"].iloc[3] == "30.0%"
    assert percent.frame["growth"].iloc[3] == 30
    assert (currency.roles.measures, percent.roles.measures) == (("revenue",), ("growth",))


def test_a_joined_question_needs_both_tables(derived):
    joined = derived["joined"]
    first, second = (path.read_text().split("\n")[0] for path in joined.paths)
    assert (first, second) == ("shop,city,revenue,growth", "city,country")
    assert joined.roles.groups == ("country",)


def test_duplicates_are_exact_copies(derived):
    file = derived["duplicates"].files["t"]
    assert len(file) > 20
    assert len(file.drop_duplicates()) == 20


def test_families_of_derived_tables_are_asked_and_agree(derived):
    for kind, view in derived.items():
        connection, asked = making._connect(view), 0
        for name in FAMILIES_OF[kind]:
            for _, draft in drawn(view, name, 10):
                assert making.agrees(draft, connection), (kind, name, draft)
                asked += 1
        connection.close()
        assert asked > 10


def test_a_limit_has_its_currency_when_the_amounts_are_in_one_of_two_tables(tmp_path):
    path = tmp_path / "pets.csv"
    path.write_text(PETS)
    assert any(
        question.family.startswith("joined") and "$" in question.problem.question
        for seed in range(20)
        for question in questions.generate([path], seed, 300, tmp_path / str(seed))
    )


# generate()


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Eight tables of different columns and seeded values."""
    folder, rng = tmp_path_factory.mktemp("tables"), Random(5)
    paths = []
    for number in range(8):
        lines = [f"item {number},kind,place,price_{number},units,score,seen"]
        for row in range(60):
            kind, place = rng.choice(["alpha", "beta", "gamma"]), rng.choice(["north", "south", "west", ""])
            seen = f"20{rng.randint(18, 22)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
            price, units = round(rng.uniform(1, 500), 2), rng.randint(1, 40)
            lines.append(f"Item{number}x{row},{kind},{place},{price},{units},{rng.random():.3f},{seen}")
        paths.append(folder / f"shop{number}.csv")
        paths[-1].write_text("\n".join(lines) + "\n")
    return paths


@pytest.fixture(scope="module")
def made(tables, tmp_path_factory):
    return questions.generate(tables, 3, 30, tmp_path_factory.mktemp("work"))


def test_the_same_seed_gives_the_same_questions(tables, made, tmp_path):
    again = questions.generate(tables[:2], 3, 30, tmp_path)

    def told(all_questions):
        return [
            (q.family, q.problem.id, q.problem.question, q.problem.answer, q.problem.tables[0].name)
            for q in all_questions
        ]

    assert told(again) == told(made)[: len(again)]
    assert len(again) == 60
    assert told(questions.generate(tables[:2], 4, 30)) != told(questions.generate(tables[:2], 5, 30))


def test_types_truths_and_families_are_balanced(made):
    assert len(made) > 200
    types = Counter(question.problem.answer_type for question in made)
    assert set(types) == {"boolean", "number", "category", "list[category]", "list[number]"}
    assert max(types.values()) <= 0.32 * len(made)
    truths = Counter(q.problem.answer for q in made if q.problem.answer_type == "boolean")
    assert set(truths) == {"True", "False"} and min(truths.values()) > 0.35 * truths.total()
    families = Counter(question.family for question in made)
    assert len(families) > 80
    assert max(families.values()) <= 0.04 * len(made)


def test_a_family_that_finds_mostly_one_truth_stops_there():
    balance = making._Balance()
    for _ in range(making.MOST_OF_TRUTH):
        assert balance.allows("any missing", "boolean", "True")
        balance.add("any missing", "boolean", "True")
    assert not balance.allows("any missing", "boolean", "True")
    assert balance.allows("any missing", "boolean", "False")
    assert balance.allows("any beyond", "boolean", "True")


def test_one_truth_does_not_run_away_over_many_families():
    balance = making._Balance()
    for number in range(30):
        if balance.allows(f"family {number}", "boolean", "False"):
            balance.add(f"family {number}", "boolean", "False")
    assert 0 < balance.types["boolean"] < 8
    assert balance.allows("another", "boolean", "True")


def test_gold_is_accepted_by_both_rules_and_ids_are_unique(made):
    for question in made:
        comparison = compare(question.problem.answer, question.problem)
        assert comparison.official and comparison.strict, question
        assert all(path.is_file() for path in question.problem.tables)
    assert len({question.problem.id for question in made}) == len(made)


def test_questions_are_not_read_as_asking_for_something_else(made):
    for question in made:
        yes_no = prompts.is_yes_no(question.problem.question)
        assert yes_no is not (question.problem.answer_type != "boolean"), question


def test_without_a_folder_nothing_is_derived(tables):
    made = questions.generate(tables[:2], 0, 20)
    assert made
    assert all(question.problem.tables[0] in tables for question in made)


def test_snapshots_of_one_table_do_not_crowd_out_others(tmp_path):
    paths = []
    for number in range(6):
        paths.append(tmp_path / f"snapshot{number}.csv")
        paths[-1].write_text(PETS.replace("31.5", str(30 + number)))
    asked = {question.problem.tables[0] for question in questions.generate(paths, 0, 5)}
    assert len(asked) == making.SAME_COLUMNS


def test_an_empty_text_in_a_parquet_file_starts_with_no_letter(tmp_path):
    path = tmp_path / "shops.parquet"
    shops = ["", *(f"Aldi {number}" for number in range(9))]
    pd.DataFrame({"shop": shops, "sales": range(0, 100, 10)}).to_parquet(path)
    asked = [one.problem for one in questions.generate([path], 0, 300) if one.family == "count starting with"]
    assert {problem.answer for problem in asked} == {"9"}


def test_files_that_are_no_clear_table_are_passed_over(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "short.csv").write_text("a,b\n1,2\n")
    (tmp_path / "odd.bin").write_bytes(b"\0")
    assert questions.generate(sorted(tmp_path.iterdir()), 0, 5) == []
