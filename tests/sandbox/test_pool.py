"""The pool: so many sessions at once and no more, each in its turn, nothing left of them."""

import dataclasses
import threading
import time

import pytest

import sandbox
from sandbox import host, soak
from sandbox import pool as pools


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,x\n2,y\n", encoding="utf-8")
    return path


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert condition()


def test_who_has_waited_longest_gets_the_next_place():
    order, threads = [], []

    def work(number):
        with pool.open([]):
            order.append(number)

    with sandbox.Pool(1) as pool:
        held = pool.open([])
        for number in range(4):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            wait_until(lambda waiting=number + 1: len(pool._turns) == waiting)
        assert order == []
        held.close()
        for thread in threads:
            thread.join()
    assert order == [0, 1, 2, 3]


def test_two_hundred_episodes_keep_to_the_places_and_leave_nothing_behind(path):
    open_now, most, lock = set(), [0], threading.Lock()

    def episode(number):
        with pool.open([path]) as session:
            with lock:
                open_now.add(number)
                most[0] = max(most[0], len(open_now))
            code = f"df['a'].sum() + {number}" if number % 7 else "import os; os._exit(1)"
            execution = session.run(code)
            with lock:
                open_now.remove(number)
        return execution.stdout or execution.error.kind

    sandbox.warm()
    before = dataclasses.astuple(soak.resources())[:4]
    with sandbox.Pool(4) as pool:
        outputs = list(pool.map(episode, range(200)))
    assert outputs == [f"{3 + n}\n" if n % 7 else "Crashed" for n in range(200)]
    assert 2 <= most[0] <= 4
    assert dataclasses.astuple(soak.resources())[:4] == before


def test_map_keeps_the_order_and_takes_no_more_items_than_it_soon_needs():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    def work(number):
        time.sleep(0.02 if number % 2 else 0)
        return number * 2

    results = sandbox.Pool(2).map(work, items())
    assert next(results) == 0
    assert len(taken) <= 5
    assert list(results) == [number * 2 for number in range(1, 100)]


def test_map_raises_what_the_function_raised_and_begins_nothing_more():
    begun = []

    def work(number):
        begun.append(number)
        if number == 3:
            raise KeyError("three")
        return number

    results = sandbox.Pool(1).map(work, range(100))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="three"):
        next(results)
    assert len(begun) < 8


def test_a_session_that_cannot_be_opened_gives_its_place_back(path, tmp_path):
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"no workbook")
    with sandbox.Pool(1) as pool:
        for _ in range(2):
            with pytest.raises(sandbox.InputError, match="broken.xlsx"):
                pool.open([broken])
        with pool.open([path]) as session:
            assert session.run("len(df)").stdout == "2\n"


def test_a_session_closed_twice_gives_one_place_back(path):
    with sandbox.Pool(1) as pool:
        session = pool.open([path])
        session.close()
        session.close()
        assert pool._free == 1


def test_closing_the_pool_ends_its_sessions_and_tells_who_waits():
    errors = []

    def wait():
        try:
            pool.open([])
        except sandbox.SandboxError as error:
            errors.append(str(error))

    pool = sandbox.Pool(1)
    session = pool.open([])
    waiting = threading.Thread(target=wait)
    waiting.start()
    wait_until(lambda: len(pool._turns) == 1)
    pool.close()
    waiting.join()
    assert errors == ["The pool is closed: no session can be opened in it."]
    assert session.run("1").error.kind == "Stopped"
    with pytest.raises(sandbox.SandboxError, match="closed"):
        pool.open([])


def test_a_dead_warm_process_costs_variables_but_no_files_and_no_places(path):
    with sandbox.Pool(4) as pool:
        sessions = [pool.open([path]) for _ in range(4)]
        for number, session in enumerate(sessions):
            session.run(f"x = 1\nopen('note.txt', 'w').write('{number}')")
        host.warm_process()._process.kill()
        wait_until(lambda: not any(session.alive for session in sessions))
        for number, session in enumerate(sessions):
            assert "variables from earlier steps are gone" in session.run("x").error.message
            assert session.run("x").error.kind == "NameError"
            assert session.run("len(df)").stdout == "2\n"
            assert session.read_file("note.txt") == str(number).encode()
            session.close()
        assert pool._free == 4


def test_memory_is_shared_out_where_the_machine_has_little(monkeypatch):
    gib = 2**30
    monkeypatch.setattr(pools, "machine_memory", lambda: 20 * gib)
    assert sandbox.Pool(2).limits.memory_bytes == sandbox.Limits().memory_bytes
    assert sandbox.Pool(5).limits.memory_bytes == int(3.2 * gib)
    assert sandbox.Pool(1000).limits.memory_bytes == 2 * gib


def test_a_pool_of_nobody_is_refused():
    with pytest.raises(ValueError, match="at least 1 worker"):
        sandbox.Pool(0)


def test_the_soak_finds_all_as_it_should_be(capsys):
    assert soak.main(episodes=20, workers=2) == 0
    assert "Nothing has grown." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("grown", "name"), [({"folders": 2}, "folders"), ({"warm_bytes": 2**30}, "warm_bytes")]
)
def test_the_soak_tells_what_has_grown(grown, name):
    steady = soak.Resources(0, 9, 7, 1, 2**20, 2**20)
    assert soak.growth([steady, steady, steady]) == []
    assert soak.growth([steady, steady, dataclasses.replace(steady, **grown)]) == [name]
