"""After an error the model is told what to mend, and after a silent slip what it did; never an answer."""

import pytest

import sandbox
from agent import feedback, prompts
from sandbox import Execution, ExecutionError, Join
from tests.agent.test_prompts import count, table


def failed(kind, message, code="x", line="x"):
    return Execution(code, error=ExecutionError(kind, message, line, 1))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (("KeyError", "'Revenue'"), "Use 'revenue (USD)'"),
        (("KeyError", "'zzz'"), "The columns are 'revenue (USD)'"),
        (("KeyError", "12"), "df.loc[label, column]"),
        (("AttributeError", "'DataFrame' object has no attribute 'revenue'"), "df['revenue (USD)']"),
        (("AttributeError", "'NoneType' object has no attribute 'any'"), "print(...) gives None"),
        (("NameError", "name 'data' is not defined"), "The table is `df`"),
        (("ValueError", "could not convert string to float: '$3'"), "That column is text"),
        (("ValueError", "The truth value of a Series is ambiguous."), "parentheses"),
        (("ModuleNotFoundError", "No module named 'nltk'"), "not installed"),
        (("SyntaxError", "unmatched ')'"), "brackets"),
    ],
)
def test_a_failed_step_is_answered_with_advice(error, advice):
    assert advice in feedback.build_self_recovery_feedback(failed(*error), [table("revenue (USD)")])


@pytest.mark.parametrize(
    ("wrong", "column"),
    [
        ("Age", "What is your age?"),
        ("ages", "What is your age?"),
        ("Ethnic Heritage", "Which best describes your ethnic heritage?"),
        ("UserName", "user_name"),
        ("pirce", "price"),
    ],
)
def test_a_wrong_name_is_near_the_column_that_has_its_words_or_letters(wrong, column):
    columns = ["Which best describes your ethnic heritage?", "What is your age?", "user_name", "price"]
    text = feedback.build_self_recovery_feedback(failed("KeyError", repr(wrong)), [table(*columns)])
    assert f"There is no column {wrong!r}. Use {column!r}." in text


def test_a_column_of_another_table_is_named_with_its_owner():
    join = Join("grades", ("id",), ("id",))
    tables = [table("id", "gpa", name="students", joins=(join,)), table("id", "score", name="grades")]
    text = feedback.build_self_recovery_feedback(failed("KeyError", "'gpa'"), tables)
    assert "'gpa' is a column of students." in text
    assert "Join first: students.merge(grades, on='id')" in text
    assert "To join: students.merge(grades, on='id')" in prompts.table_card(tables, "?", 900, count)


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    path = tmp_path_factory.mktemp("pets") / "pets.csv"
    path.write_text("Name,Species,Weight (kg)\nRex,dog,31.5\nMia,cat,3.1\nBo,dog,12\n", encoding="utf-8")
    with sandbox.open([path]) as session:
        yield session


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("print(df['Species'] == 'cat').any())", "print((df['Species'] == 'cat').any())"),
        ("print(df['Species'] == 'cat').any()", "print((df['Species'] == 'cat').any())"),
        (
            "print((df['Species'] == 'cat') & (df['Name'] == ':)')).any())",
            "print(((df['Species'] == 'cat') & (df['Name'] == ':)')).any())",
        ),
        ("x = 1\nprint(df['Weight'].max())", "print(df['Weight (kg)'].max())"),
        (
            "print(df['Weight (kg)'].str.replace(r'[^0-9.()-]', '', regex=True).astype(float).max())",
            "print(df['Weight (kg)'].max())",
        ),
        ('for name in df:\n    print(df["species"][0])', "print(df['Species'][0])"),
    ],
)
def test_a_line_whose_meaning_is_plain_is_written_out_and_runs(pets, code, line):
    execution = pets.run(code)
    assert execution.error
    text = feedback.build_self_recovery_feedback(execution, pets.profile())
    assert f"\nPerhaps: {line}\n" in text
    assert pets.run(line).error is None


@pytest.fixture
def amounts(tmp_path):
    path = tmp_path / "fees.csv"
    path.write_text('Town,Fee,Size\nOslo,"$1,200",9%\nRome,$40,10%\nBonn,$300,7%\n', encoding="utf-8")
    with sandbox.open([path]) as session:
        yield session


@pytest.mark.parametrize(
    ("code", "line", "printed"),
    [
        ("print(df['Fee'].mean())", "print(df['Fee (number)'].mean())", "513.3333333333334"),
        ('print(df[df["Fee"] > 100].shape[0])', "print(df[df['Fee (number)'] > 100].shape[0])", "2"),
        ("print(df['Fee'].nlargest(1).iloc[0])", "print(df['Fee (number)'].nlargest(1).iloc[0])", "1200"),
        ("Fee = df['Size'].astype(float)", "Fee = df['Size (number)'].astype(float)", ""),
    ],
)
def test_an_amount_that_failed_as_text_is_replaced_by_its_numbers(amounts, code, line, printed):
    failed = amounts.run(code)
    text = feedback.build_self_recovery_feedback(failed, amounts.profile())
    assert "is text. Its numbers are in" in text and "str.replace" not in text
    assert f"\nPerhaps: {line}\n" in text
    assert amounts.run(line).stdout.strip() == printed


def test_a_column_that_is_set_keeps_its_name(amounts):
    execution = amounts.run("df['Fee'] = df['Fee'].astype(float)")
    assert (
        feedback.corrected_line(execution, amounts.profile())
        == "df['Fee'] = df['Fee (number)'].astype(float)"
    )


@pytest.mark.parametrize(
    ("code", "column"),
    [
        ("print(df['Fee'].max())", "Fee"),
        ("print(df.groupby('Town')['Size'].max().idxmax())", "Size"),
        ("print(df.loc[df['Town'] != 'Rome', 'Fee'].sum())", "Fee"),
        ("print(df.sort_values('Fee').iloc[-1]['Town'])", "Fee"),
        ("print(df.sort_values(by=['Town', 'Fee'])['Town'].tolist())", "Fee"),
        ("print(sorted(df['Fee'])[-1])", "Fee"),
        ("print(df['Fee (number)'].max())", ""),
        ("print(df['Fee'].value_counts().idxmax())", ""),
        ("print(df['Fee'].str.len().max())", ""),
        ("print(df['Fee'].iloc[0])", ""),
        ("print((df['Fee'] == '$40').sum())", ""),
        ("print(df[df['Fee'] == '$40'].sort_values('Town')['Town'].max())", ""),
        ("df['Fee'] = df['Fee'].str.strip('$')\nprint(df['Fee'].max())", ""),
    ],
)
def test_amounts_that_were_ordered_or_added_up_as_text_are_pointed_out(amounts, code, column):
    text = observed(amounts.run(code), amounts)
    assert ("was treated as text" in text) == bool(column)
    assert (
        not column
        or f"{column!r} is text, and was treated as text. Its numbers are in '{column} (number)'." in text
    )


def test_amounts_that_an_earlier_step_made_numbers_of_are_not_pointed_out(amounts):
    tables = amounts.profile()
    before = amounts.run("df['Fee'] = df['Fee (number)']")
    execution = amounts.run("print(df['Fee'].max())")
    assert "as text" in observe(execution, 2, tables)
    assert "as text" not in observe(execution, 2, tables, before=[before])


def test_of_several_near_names_the_one_that_begins_alike_is_written_out():
    tables = [table("followers<gx:number>", "followings<gx:number>", "user<gx:number>")]
    code = "print(df['followers'].max())"
    line = feedback.corrected_line(failed("KeyError", "'followers'", code, code), tables)
    assert line == "print(df['followers<gx:number>'].max())"


@pytest.mark.parametrize(
    "code",
    ["print(df['zzz'].max())", "print((df['Name'] == 'Bo'", "df.nothing()", "print('a').upper() +", "1/0"],
)
def test_a_line_whose_meaning_is_not_plain_is_left_alone(pets, code):
    execution = pets.run(code)
    assert execution.error
    assert feedback.corrected_line(execution, pets.profile()) == ""


@pytest.mark.parametrize(
    ("code", "note"),
    [
        ("print('Rex' in df['Name'])", "row labels"),
        ("print('rex' in df[df['Species'] == 'dog']['Name'].str.lower())", "row labels"),
        ("print(df[df['Species'] == 'bird']['Name'])", "No row meets the condition"),
        ("print('Rex' in df['Name'].tolist())", ""),
        ("print('Rex' in df['Name'].iloc[0])", ""),
        ("print(df.apply(lambda row: 'R' in row['Name'], axis=1).any())", ""),
        ("print('Name' in df)", ""),
        (
            "print(df[(df['Species'] == 'dog') & (df['Name'] == 'Rex')].any())",
            "print(((df['Species'] == 'dog') & (df['Name'] == 'Rex')).any())",
        ),
        ("print(df[df['Species'] == 'dog'].all())", "print((df['Species'] == 'dog').all())"),
        ("print(df[['Name', 'Species']].any())", ""),
        ("print(df[df['Species'] == 'dog']['Name'].any())", ""),
    ],
)
def test_a_silent_slip_is_pointed_out(pets, code, note):
    execution = pets.run(code)
    assert execution.error is None
    text = observed(execution, pets)
    assert note in text if note else text.endswith(execution.stdout.strip())


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("print(df['Weight (kg)'].nlargest(2))", "[31.5, 12.0]"),
        ("top = df['Species'].value_counts()\nprint(top.head(2))", "['dog', 'cat']"),
        ("df.set_index('Name')['Weight (kg)'].nlargest(2)", "[31.5, 12.0]"),
    ],
)
def test_a_series_where_a_number_of_values_was_asked_for_is_written_out_as_a_list(pets, code, output):
    text = feedback.too_few(2, pets.run(code))
    mended = text.partition("```python\n")[2].removesuffix("\n```")
    assert pets.run(mended).stdout == f"{output}\n"


@pytest.mark.parametrize(
    "code",
    ["print(df.head(2))", "print(31.5)", "print(df['Name'])\n# all of them", "x = df['Name']\nprint('a', x)"],
)
def test_what_is_no_series_is_not_written_out(pets, code):
    assert "```" not in feedback.too_few(2, pets.run(code))


@pytest.mark.parametrize(
    ("code", "told", "line"),
    [
        (
            "print(df.loc[df['Species'] == 'Rex', 'Name'].iloc[0])",
            "'Species' has no 'Rex', 'Name' has 'Rex'. Instead of df['Species'] == 'Rex' write df['Name'] ==",
            "print(df.loc[df['Name'] == 'Rex', 'Name'].iloc[0])",
        ),
        (
            "print(df[df['Name'] == 'rex']['Species'].iloc[0])",
            "'Name' has no 'rex', it has 'Rex'.",
            "print(df[df['Name'] == 'Rex']['Species'].iloc[0])",
        ),
        ("print(df['cat'].max())", "'cat' is no column but a value: df[df['Species'] == 'cat'].", ""),
        (
            "print(df[df['Species'] == df['rex']['Species']]['Name'].tolist())",
            "'rex' is no column but a value: df[df['Name'] == 'Rex'].",
            "print(df[df['Species'] == df[df['Name'] == 'Rex']['Species'].iloc[0]]['Name'].tolist())",
        ),
        (
            "print(df[df['Rex'] == 'Rex']['Species'].iloc[0])",
            "'Rex' is no column but a value: df[df['Name'] == 'Rex'].",
            "print(df[df['Name'] == 'Rex']['Species'].iloc[0])",
        ),
    ],
)
def test_a_value_that_was_looked_for_in_vain_is_told_with_where_it_is(pets, code, told, line):
    execution = pets.run(code)
    text = feedback.build_self_recovery_feedback(execution, pets.profile())
    assert told in text and (f"\nPerhaps: {line}\n" in text if line else "Perhaps" not in text)
    assert not line or pets.run(line).error is None


def test_code_that_found_nothing_and_comes_again_is_sent_back_mended(pets):
    text = feedback.same_code(
        pets.run("print(df[df['Name'] == 'rex']['Species'].tolist())"), "?", pets.profile()
    )
    mended = text.partition("```python\n")[2].removesuffix("\n```")
    assert pets.run(mended).stdout == "['dog']\n"


@pytest.mark.parametrize(
    ("code", "columns"),
    [
        ("print(df['Name'].values[0] - df['Species'].values[0])", ["Name", "Species"]),
        ("print(1 / (len(df) - len(df)))", []),
    ],
)
def test_code_that_failed_and_comes_again_gets_code_that_looks_at_its_columns(pets, code, columns):
    text = feedback.same_code(pets.run(code), "?", pets.profile())
    look = text.partition("```python\n")[2].removesuffix("\n```")
    printed = pets.run(look).stdout
    assert "Rex" in printed and printed.splitlines()[0].split() == (
        columns or printed.splitlines()[0].split()
    )


def test_of_several_tables_the_one_is_looked_at_whose_columns_the_code_names():
    tables = [table("id", "city", name="shops"), table("id", "shop", "sum", name="sales")]
    execution = failed("TypeError", "no", "sales['shop'] + sales['sum'] + shops['id']")
    text = feedback.same_code(execution, "?", tables)
    assert "print(sales[['id', 'shop', 'sum']].head().to_string())" in text


def test_code_that_cannot_be_read_gets_no_look_at_the_data(pets):
    text = feedback.same_code(pets.run("print('a').upper() +"), "?", pets.profile())
    assert "Start anew" in text and "head()" not in text


@pytest.mark.parametrize(
    ("answer", "printed", "almost"),
    [
        ("Kilkeenny", "Kilkenny\n", "Kilkenny"),
        ("Rio Grand", "['Rio Grande', 'Oslo']\n", "Rio Grande"),
        ("Oslo", "Rome\n", ""),
        ("Jan", "Jon\n", ""),
        ("12345", "12346\n", ""),
        ("Flight 12", "Flight 13\n", ""),
        ("Station 1", "Station\n", ""),
    ],
)
def test_a_value_that_was_copied_wrongly_is_told_and_no_other(answer, printed, almost):
    text = feedback.not_in_output(answer, False, printed)
    assert (f"which has `{almost}`" in text) if almost else "which has" not in text


def test_dates_among_which_other_text_stands_are_converted_all_the_same(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("Month,Stars\n2019-4,1\nmissing,2\n2015-12,5\n", encoding="utf-8")
    with sandbox.open([path]) as session:
        for code in (
            "print(pd.to_datetime(df['Month']).min())",
            "print(pd.to_datetime(df['Month'], format='%Y-%m').min())",
            "print(pd.to_datetime(df['Month'].str.strip()).min())",
        ):
            execution = session.run(code)
            assert execution.error
            line = feedback.corrected_line(execution, session.profile())
            assert session.run(line).stdout == "2015-12-01 00:00:00\n"


def test_an_apostrophe_that_ends_a_text_is_put_in_double_quotes(tmp_path):
    path = tmp_path / "heads.csv"
    path.write_text("Name,From\nLorenzo de' Medici,1469\nCosimo,1434\n")
    with sandbox.open([path]) as session:
        execution = session.run("print(df[df['Name'] == 'Lorenzo de' Medici']['From'].iloc[0])")
        line = feedback.corrected_line(execution, session.profile())
        assert session.run(line).stdout == "1469\n"


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("print(df[df['Height'] > 20]['Lift'].tolist())", "['Peak', 'Vanoise']"),
        ("print(df['Height'].max() - df['Height'].min())", "383.0"),
        ("print(df[df['Length'] == 4,400]['Lift'].tolist())", "['Peak']"),
        ("print(df.loc[df['Lift'] == 'Peak', 'Lift'].iloc[1])", "Vanoise"),
        ("print(df[df['Lift'] == 'Peak']['Height'].values[1])", "56 m"),
        ("print(df[df['Lift'] == 'Gondola']['Lift'].iloc[2])", "Vanoise"),
    ],
)
def test_what_a_table_from_a_page_holds_is_reached(tmp_path, code, output):
    path = tmp_path / "lifts.csv"
    path.write_text("Lift,Height,Length\nGondola,12 m,12\nPeak,395 m (top),4400\nVanoise,56 m,1800\n")
    with sandbox.open([path]) as session:
        execution = session.run(code)
        assert execution.error
        line = feedback.corrected_line(execution, session.profile())
        assert session.run(line).stdout == f"{output}\n"


def test_no_number_is_made_of_what_begins_like_a_date(tmp_path):
    path = tmp_path / "days.csv"
    path.write_text("Day,Score\n12/5/2020,27–3\n1/6/2020,3–1\n", encoding="utf-8")
    with sandbox.open([path]) as session:
        for code in ("print(df['Day'] > 3)", "print(df['Score'] > 3)"):
            execution = session.run(code)
            assert execution.error and feedback.corrected_line(execution, session.profile()) == ""


def test_a_part_of_a_value_that_was_taken_for_the_whole_is_told_though_zero_was_printed(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("Month,Stars\n2019-4,1\n2019-5,2\n2015-12,5\n20190,3\n", encoding="utf-8")
    with sandbox.open([path]) as session:
        told = observed(session.run("print((df['Month'] == '2019').sum())"), session)
        assert "it has '2019-4', '2019-5'" in told and "df['Month'].str.contains('2019'" in told
        assert "it has" not in observed(session.run("print((df['Month'] == '201').sum())"), session)


def test_numbers_are_made_of_the_one_column_of_text_that_a_line_names(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("Who,Points\nAnn,12\nBo,DNF\nCy,20\n", encoding="utf-8")
    with sandbox.open([path]) as session:
        execution = session.run("print(df.nlargest(2, 'Points')['Who'].tolist())")
        line = feedback.corrected_line(execution, session.profile())
        assert session.run(line).stdout == "['Cy', 'Ann']\n"
        execution = session.run("print(df['Who'].nlargest(2))")
        assert feedback.corrected_line(execution, session.profile()) == ""


def test_the_worked_example_shows_what_really_comes():
    pets = [table("Name", "Species", "Owner Name", "Weight (kg)")]
    shown = [message["content"] for message in prompts.opening_messages()]
    code = "print(df.nlargest(2, 'Weight')['Owner Name'].tolist())"
    error = failed("KeyError", "'Weight'", code, code)
    assert observe(error, 1, pets) in shown
    assert observe(Execution("print(1)", stdout="['Li', 'Ana']\n"), 2, pets) in shown


def observed(execution, session):
    return observe(execution, 1, session.profile())


def observe(execution, step, tables, before=()):
    limits = {"last": False, "budget": 500, "count_tokens": count}
    return feedback.observation(execution, step, "?", tables, before=before, **limits)
