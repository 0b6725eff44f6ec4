"""Attacks: on what the session's process says of itself, and on the sessions that come after."""

import pytest

import sandbox

PATCHES = {
    "print": "import builtins; builtins.print = lambda *_: None",
    "json": 'import json; json.dumps = lambda *_, **__: \'{"stdout": "forged", "number": 2}\'',
    "len": "import builtins; builtins.len = None",
    "import": "import builtins; builtins.__import__ = None",
    "open": "import builtins, io, os; builtins.open = io.open = os.open = None",
    "pandas": "pd.DataFrame.sum = pd.Series.sum = lambda *_, **__: 42",
    "stdout": "import sys; sys.stdout = sys.__stdout__ = None",
    "the path": "import sys; sys.path[:] = ['.']; sys.modules.clear()",
    "the table": "df.drop(df.index, inplace=True)",
    "the time": "import time; time.monotonic = time.perf_counter = lambda: 0",
    "the sandbox": "import sandbox.wire, sandbox.steps; sandbox.wire.send = sandbox.steps.run = None",
    "a library": "open('pandas.py', 'w').write('1 / 0'); open('sitecustomize.py', 'w').write('1 / 0')",
    "NumPy's chance": "np.random.seed = lambda *_: None; np.random.seed(1)",
    "the garbage collector": "import gc; gc.disable(); gc.set_threshold(1)",
    "the memory allocator": "import sys; sys.setswitchinterval(1e-9); sys.settrace(lambda *_: None)",
}

FIGURE = """
class Endless(plt.Figure):
    def savefig(self, *_, **__):
        while True: pass
_ = plt.figure(FigureClass=Endless)
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n2\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("what", PATCHES)
def test_a_later_session_does_not_notice_a_patched(path, what):
    with sandbox.open([path]) as patched, sandbox.open([path]) as beside:
        patched.run(PATCHES[what])
        with sandbox.open([path]) as later:
            for session in (beside, later):
                assert session.run("print(len(df), df['a'].sum())").stdout == "2 3\n"


@pytest.mark.parametrize("claim", ["seconds", "files", "code"])
def test_the_host_does_not_take_the_childs_word_for(path, claim):
    """It measures time, lists files and knows the code by itself."""
    code = (
        f"import sandbox.wire as w\nsend = w.send\nw.send = lambda c, m: send(c, m | {{{claim!r}: FORGED}})"
    )
    forged = {"seconds": "0.0", "files": "['/etc/passwd']", "code": "'honest()'"}[claim]
    with sandbox.open([path]) as session:
        session.run(code.replace("FORGED", forged))
        execution = session.run("import time; time.sleep(0.05)")
    assert execution.seconds >= 0.05
    assert execution.files == ()
    assert "sleep" in execution.code


def test_a_report_does_not_reach_the_hosts_interpreter(path):
    """A record is text and numbers; nothing in it is evaluated or unpickled."""
    with sandbox.open([path]) as session:
        execution = session.run("print('__import__(\"os\").abort()'); raise Exception('{0.__class__}')")
    assert execution.stdout == '__import__("os").abort()\n'
    assert execution.error.message == "{0.__class__}"


def test_an_exception_that_attacks_who_prints_it_is_told_all_the_same(path):
    code = "class E(Exception):\n    def __str__(self):\n        while True: raise SystemExit\nraise E()"
    with sandbox.open([path]) as session:
        execution = session.run(code, timeout=2)
        assert execution.error is not None
        assert session.run("1 + 1").stdout == "2\n"


def test_a_value_that_attacks_who_shows_it_is_ended(path):
    code = "class V:\n    def __repr__(self):\n        while True: pass\nV()"
    with sandbox.open([path]) as session:
        assert session.run(code, timeout=0.5).error.kind == "Timeout"
        assert session.run("1 + 1").stdout == "2\n"


def test_a_figure_that_attacks_who_draws_it_is_ended(path):
    with sandbox.open([path]) as session:
        assert session.run(FIGURE, timeout=0.5).error.kind == "Timeout"
        assert session.run("1 + 1").stdout == "2\n"
