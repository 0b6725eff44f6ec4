"""What a step shows and tells: state, echo, output, errors, figures, files."""

import sys

import pytest

import sandbox

CSV = "region,amount\nNorth,1.5\nSouth,2.5\nNorth,3.0\n"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "sales.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


@pytest.fixture
def session(path):
    with sandbox.open([path]) as session:
        yield session


def shown(session, code):
    execution = session.run(code)
    assert execution.error is None, execution.error
    return execution.stdout


def test_variables_live_from_step_to_step(session):
    session.run("total = df['amount'].sum()")
    assert shown(session, "print(total)") == "7.0\n"


def test_a_step_that_fails_keeps_earlier_variables(session):
    session.run("x = 3")
    assert session.run("x + y").error.kind == "NameError"
    assert shown(session, "x") == "3\n"


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("df['amount'].max()", "3.0\n"),
        ("[df['amount'].max(), np.int64(2)]", "[3.0, 2]\n"),
        ("{'a': (np.float64(0.5), np.bool_(True))}", "{'a': (0.5, True)}\n"),
        ("print([np.float64(3.2)])", "[3.2]\n"),
        ("df['region'].iloc[0]", "North\n"),
        ("print('first')\n'second'", "first\nsecond\n"),
        ("None", ""),
        ("x = 5", ""),
        ("", ""),
        ("df['amount'].plot()", ""),
        ("pd.Series([1234567890.125])", "0   1234567890.125\ndtype: float64\n"),
        ("import sys\nprint('oops', file=sys.stderr)", "oops\n"),
        ("import warnings\nwarnings.warn('noise')", ""),
    ],
)
def test_the_last_expression_is_shown_as_a_notebook_shows_it(session, code, output):
    assert shown(session, code) == output


def test_a_table_is_shown_whole_up_to_sixty_rows_and_thirty_columns(session):
    long = shown(session, "pd.DataFrame({'n': range(60)})")
    wide = shown(session, "pd.DataFrame({f'column_{i}': ['x' * 90] for i in range(30)})")
    assert len(long.splitlines()) == 61
    assert all(f"column_{i} " in wide for i in range(30))
    assert "..." not in long + wide


def test_a_long_table_says_how_long_it_is(session):
    text = shown(session, "pd.DataFrame({'n': range(1000)})")
    assert "[1000 rows x 1 columns]" in text
    assert len(text.splitlines()) < 30


def test_long_output_is_cut_in_the_middle_and_says_how_much(path):
    with sandbox.open([path], sandbox.Limits(output_chars=100)) as session:
        execution = session.run("print('a' * 80 + 'b' * 1000 + 'c' * 79)")
    assert execution.truncated == 1060
    assert execution.stdout == "a" * 50 + "\n… 1,060 characters left out …\n" + "c" * 49 + "\n"


def test_a_flood_of_small_prints_is_kept_at_both_ends(session):
    execution = session.run("for i in range(200_000): print(i)")
    assert execution.stdout.startswith("0\n1\n")
    assert execution.stdout.endswith("199999\n")
    assert execution.truncated > 1_000_000


def test_text_that_cannot_be_encoded_is_made_so(session):
    assert shown(session, r"print('\ud800')").encode("utf-8")


def test_an_error_names_the_own_failing_line(session):
    error = session.run("a = 1\ndef f():\n    return df['nope']\nf()").error
    assert (error.kind, error.message) == ("KeyError", "'nope'")
    assert (error.line, error.lineno) == ("return df['nope']", 3)
    assert "pandas" not in error.traceback
    assert "line 4" in error.traceback


def test_an_error_in_an_earlier_function_names_the_line_that_calls_it(session):
    session.run("\n\n\ndef broken():\n    return 1 / 0")
    error = session.run("broken()").error
    assert (error.kind, error.line, error.lineno) == ("ZeroDivisionError", "broken()", 1)


def test_a_syntax_error_has_its_line(session):
    error = session.run("a = 1\nb = = 2\n").error
    assert (error.kind, error.line, error.lineno) == ("SyntaxError", "b = = 2", 2)
    assert error.message == "invalid syntax"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import sys; sys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("def f(): f()\nf()", "RecursionError"),
        ("input('name?')", "EOFError"),
        ("bytearray(1 << 40)", "MemoryError"),
        ("class Odd(Exception):\n    def __str__(self): 1 / 0\nraise Odd", "Odd"),
        # Python 3.11 calls it the one before its fourth release, and the other since.
        ("a\0b", "ValueError" if sys.version_info < (3, 11, 4) else "SyntaxError"),
    ],
)
def test_the_session_survives(session, code, kind):
    session.run("kept = 1")
    assert session.run(code).error.kind == kind
    assert shown(session, "kept") == "1\n"


def test_messages_are_bounded(session):
    error = session.run("raise ValueError('x' * 100_000)").error
    assert len(error.message) == 500
    assert len(error.traceback) <= 2_000


def test_output_before_an_error_is_kept(session):
    execution = session.run("print('so far')\n1 / 0")
    assert execution.stdout == "so far\n"
    assert execution.error.kind == "ZeroDivisionError"


def test_open_figures_are_taken_as_png_and_closed(session):
    execution = session.run("df.plot()\nplt.show()\nplt.figure(); plt.plot([1, 2])")
    assert [figure[:8] for figure in execution.figures] == [PNG, PNG]
    assert session.run("plt.get_fignums()").stdout == "[]\n"
    assert session.run("1").figures == ()


def test_figures_are_limited_in_number(session):
    execution = session.run("for i in range(9):\n    plt.figure()\n    plt.plot([i])")
    assert len(execution.figures) == 6
    assert "only 6 figures" in execution.stdout


def test_a_figure_that_cannot_be_drawn_is_no_crash(session):
    execution = session.run(r"_ = plt.title('$\\frac{$')")
    assert execution.figures == ()
    assert "could not be drawn" in execution.stdout


def test_files_that_a_step_writes_are_named_and_readable(session):
    execution = session.run("df.to_csv('out.csv', index=False)")
    assert execution.files == ("out.csv",)
    assert session.run("1").files == ()
    assert session.read_file("out.csv").decode() == CSV


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("", "missing.txt"),
        ("", "../home.txt"),
        ("", "/etc/passwd"),
        ("", "a\0b.txt"),
        ("", "."),
        ("import os; os.mkdir('folder.csv')", "folder.csv"),
    ],
)
def test_only_plain_files_of_the_folder_are_read(session, code, name):
    session.run(code)
    with pytest.raises(sandbox.InputError):
        session.read_file(name)


def test_a_file_that_is_too_large_is_not_read(path):
    with sandbox.open([path], sandbox.Limits(file_bytes=1000)) as session:
        assert session.run("with open('big.txt', 'wb') as f: f.write(b'x' * 1001)").error.kind == "OSError"
        session.run("open('big.txt', 'r+b').truncate(1000)")
        assert len(session.read_file("big.txt")) == 1000


def test_the_users_file_cannot_be_changed(session, path):
    session.run("open('sales.csv', 'w').write('gone')")
    assert path.read_text(encoding="utf-8") == CSV
    assert session.run("1").error is None


def test_sql_sees_tables_and_own_frames(session):
    text = shown(session, "big = df[df.amount > 2]\nsql('select count(*) as n from big')")
    assert text == "   n\n0  2\n"
    code = "sql('select region, sum(amount) as s from sales group by 1 order by 1').values.tolist()"
    assert shown(session, code) == "[['North', 4.5], ['South', 2.5]]\n"


def test_usual_modules_are_there(session):
    code = "(math.pi > 3, re.sub('a', 'b', 'a'), datetime.date(2024, 1, 2).isoformat())"
    assert shown(session, code) == "(True, 'b', '2024-01-02')\n"


def test_dataclasses_and_a_main_guard_work(session):
    code = (
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n"
        "if __name__ == '__main__':\n    print(P(1))"
    )
    assert shown(session, code) == "P(x=1)\n"


def test_chance_is_the_same_in_every_session(path):
    code = "import random\n(random.random(), np.random.rand(), set('abcdef'), df.sample(2).index[0])"
    outputs = []
    for _ in range(2):
        with sandbox.open([path]) as session:
            outputs.append(shown(session, code))
        sandbox.shutdown()
    assert outputs[0] == outputs[1]


def test_records_come_back_from_json(session):
    execution = session.run("plt.plot([1])\nprint('x')\n1 / 0")
    assert sandbox.Execution.from_json(execution.to_json()) == execution
    for table in session.profile():
        assert sandbox.TableProfile.from_json(table.to_json()) == table


@pytest.mark.parametrize("change", [{"stdout": 3}, {"figures": ["%"]}, {"error": []}, {"code": None}])
def test_a_record_of_wrong_types_is_refused(change):
    with pytest.raises(ValueError):
        sandbox.Execution.from_json(sandbox.Execution("1").to_json() | change)


@pytest.mark.parametrize(
    "change",
    [
        "table.loc[0, 'n'] = 99",
        "table['n'] += 1",
        "table.drop(columns='name', inplace=True)",
        "table.sort_values('n', ascending=False, inplace=True)",
        "table.columns = ['a', 'b']",
        "table.index.name = 'row'",
        "table['n'].array[0] = 9",
        "table = None",
    ],
)
@pytest.mark.parametrize("show", ["print(table)", "table", "print('of', 1, table)"])
def test_a_table_is_taken_out_as_it_was_printed_whatever_comes_after(session, show, change):
    session.run(f"table = pd.DataFrame({{'n': pd.array([1, 2]), 'name': ['x', 'y']}})\n{show}")
    assert session.run(change).error is None
    assert session.shown() == b"n,name\n1,x\n2,y\n"
    assert session.shown() is None


def test_a_series_is_taken_out_as_it_was_printed_in_the_same_step(session):
    session.run("sold = pd.Series([1, 2], index=['a', 'b'], name='sold')\nprint(sold)\nsold['a'] = 9")
    assert session.shown() == b",sold\na,1\nb,2\n"


def test_of_a_long_table_the_first_rows_are_taken_out_and_of_a_very_wide_one_none(session):
    session.run("print(pd.DataFrame({'n': range(100_005)}))")
    assert session.shown().count(b"\n") == 100_001
    session.run("print(pd.DataFrame(np.zeros((10_001, 1_000))))")
    assert session.shown() is None


def test_a_table_that_cannot_be_copied_is_printed_all_the_same(session):
    code = "class Odd(pd.DataFrame):\n    iloc = None\n    __repr__ = lambda self: 'odd'\nprint(Odd())"
    assert shown(session, code) == "odd\n"
    assert session.shown() is None
