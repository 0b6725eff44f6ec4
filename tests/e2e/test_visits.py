"""Visits: their Python processes, their files, and that one question is answered at a time."""

import threading
from types import SimpleNamespace

import pytest

import sandbox
from agent.models import ModelError
from page import loading, visit
from page.visit import Visit
from tests.agent.conftest import ScriptedModel


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

    def open_slowly(files, **_):
        if files == [late]:
            assert visit.open_files(visitor, [early])
        return really_open(files)

    monkeypatch.setattr(sandbox, "open", open_slowly)
    assert not visit.open_files(visitor, [late])
    assert visitor.files == (early,) and visitor.session.profile()[0].source == "early.csv"


def test_files_that_are_read_when_a_question_is_asked_do_not_take_its_place(arrive, tmp_path):
    visitor = arrive()
    with visit.asking(visitor, [tmp_path / "pets.csv"]):
        with pytest.raises(sandbox.InputError, match="A question is being answered: stop it first"):
            visit.open_files(visitor, [tmp_path / "pets.csv"])
        with pytest.raises(sandbox.InputError, match="stop it first"), visit.asking(visitor):
            pass
    assert not visitor.running


def loader_of(*replies):
    return SimpleNamespace(start=lambda: None, ready=True, state=ScriptedModel(*replies))


COUNT = "```python\nkept = len(df)\nprint(kept)"


def test_a_process_that_was_taken_away_is_replaced_with_heartbeats(arrive, monkeypatch):
    visitor = arrive()
    with visit.asking(visitor):
        list(visit.answer(visitor, "How many?", loader_of(COUNT, "Answer: 1")))
    visitor.session.interrupt()
    may_go_on, really_open = threading.Event(), sandbox.open
    monkeypatch.setattr(sandbox, "open", lambda files, **_: may_go_on.wait(30) and really_open(files))
    views = visit.answer(visitor, "Again?", loader_of(COUNT, "Answer: 1"))
    with visit.asking(visitor):
        assert [next(views).phase for _ in range(3)] == ["reading"] * 3
        may_go_on.set()
        *_, last = views
    assert last.trajectory.verified
    book = visit.take_home(visitor, last.trajectory)["notebook"].read_text()
    assert book.count("kept = len(df)") == 1


def test_stop_is_seen_while_files_are_read_again_and_no_process_is_left(arrive, monkeypatch):
    visitor = arrive()
    visitor.session.interrupt()
    may_go_on, opened, really_open = threading.Event(), [], sandbox.open

    def open_slowly(files, **_):
        may_go_on.wait(30)
        opened.append(really_open(files))
        return opened[-1]

    monkeypatch.setattr(sandbox, "open", open_slowly)
    with visit.asking(visitor):
        views = visit.answer(visitor, "How many?", loader_of())
        assert next(views).phase == "reading"
        visitor.stop = True
        *_, last = views
    assert (last.phase, last.trajectory.outcome) == ("done", "stopped")
    may_go_on.set()
    while not (opened and not opened[0].alive):
        pass


def test_a_model_that_fails_to_warm_up_is_closed(monkeypatch):
    closed = []
    model = SimpleNamespace(close=lambda: closed.append(True))

    def fail(model):
        raise ModelError("out of memory")

    monkeypatch.setattr(loading.models, "load", lambda *_, **__: model)
    monkeypatch.setattr(loading, "warm", fail)
    loader = loading.Loader("coder-0.5b")
    loader._load()
    assert closed == [True] and str(loader.state) == "out of memory" and not loader.ready
