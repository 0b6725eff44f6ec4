"""How many Python processes visitors may hold together."""

import pytest

import sandbox
from page import visit
from page.visit import Visit


@pytest.fixture
def arrive(tmp_path, monkeypatch):
    path = tmp_path / "pets.csv"
    path.write_text("name\nRex\n")
    monkeypatch.setattr(visit, "MOST_PROCESSES", 2)
    visitors = []

    def open_page(running=False):
        visitors.append(Visit())
        visit.open_files(visitors[-1], [path])
        visitors[-1].running = running
        return visitors[-1]

    yield open_page
    for visitor in visitors:
        visit.close(visitor)


def test_one_visitor_too_many_costs_the_longest_idle_one_its_process(arrive):
    first, second, third = arrive(), arrive(), arrive()
    assert [visitor.session.alive for visitor in (first, second, third)] == [False, True, True]


def test_a_visitor_whose_question_is_being_answered_keeps_the_process(arrive):
    first, second, third = arrive(running=True), arrive(), arrive()
    assert [visitor.session.alive for visitor in (first, second, third)] == [True, False, True]


def test_files_chosen_later_win_over_those_that_take_longer_to_read(arrive, tmp_path, monkeypatch):
    visitor = arrive()
    late, early = tmp_path / "late.csv", tmp_path / "early.csv"
    for path in (late, early):
        path.write_text("a\n1\n")
    really_open = sandbox.open

    def open_slowly(files):
        if files == [late]:
            assert visit.open_files(visitor, [early])
        return really_open(files)

    monkeypatch.setattr(sandbox, "open", open_slowly)
    assert not visit.open_files(visitor, [late])
    assert visitor.files == (early,) and visitor.session.profile()[0].source == "early.csv"
