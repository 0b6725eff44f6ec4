"""The example tables and questions: reproducible, well formed, and right by a second route.

pytest tests/assets/test_examples.py
"""

import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from agent import absence
from training.questions.absent import absent_word

EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"
TABLES = ["sales", "employees", "students", "grades"]
PROBLEMS = {
    problem["id"]: problem
    for problem in map(json.loads, (EXAMPLES / "questions.jsonl").read_text("utf-8").splitlines())
}


def value(problem: dict) -> object:
    """The answer as a Python value; text stays text."""
    if problem["answer_type"] == "category":
        return problem["answer"]
    return ast.literal_eval(problem["answer"])


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(EXAMPLES / f"{name}.csv")


# Reproducible -----------------------------------------------------------------------------------


def test_the_generator_writes_the_committed_files_byte_for_byte(tmp_path):
    generate = [sys.executable, "-B", str(EXAMPLES / "generate.py"), str(tmp_path)]
    subprocess.run(generate, check=True, cwd=tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(written) == sorted(
        [f"{name}.csv" for name in TABLES] + ["questions.jsonl", "unanswerable.jsonl"]
    )
    for name, content in written.items():
        assert content == (EXAMPLES / name).read_bytes(), f"{name} differs: run generate.py"


def test_each_table_is_smaller_than_300_kilobytes():
    assert all((EXAMPLES / f"{name}.csv").stat().st_size < 300_000 for name in TABLES)


# Well formed ------------------------------------------------------------------------------------


def test_there_are_twenty_questions_for_each_table_set():
    lines = (EXAMPLES / "questions.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == len(PROBLEMS) == 60, "an id is used twice"
    assert Counter(tuple(problem["tables"]) for problem in PROBLEMS.values()) == {
        ("sales.csv",): 20,
        ("employees.csv",): 20,
        ("students.csv", "grades.csv"): 20,
    }


def test_no_question_is_asked_twice():
    assert len({problem["question"] for problem in PROBLEMS.values()}) == len(PROBLEMS)


def test_what_the_unanswerable_questions_ask_for_is_nowhere_and_was_not_trained_on():
    """In each, some word tells what it asks for, and no column's name and no cell has it."""
    asked = [json.loads(line) for line in (EXAMPLES / "unanswerable.jsonl").read_text("utf-8").splitlines()]
    assert len({problem["question"] for problem in asked}) == len({problem["id"] for problem in asked}) == 40
    for problem in asked:
        assert problem["answer"] == absence.NOT_ANSWERABLE
        held = " ".join((EXAMPLES / file).read_text("utf-8").lower() for file in problem["tables"])
        missing = [word for word in absence.telling_words(problem["question"]) if word not in held]
        assert missing, problem["question"]
        assert not absent_word(problem["question"]), problem["question"]


def test_all_five_answer_types_are_there_and_yes_is_as_frequent_as_no():
    assert Counter(problem["answer_type"] for problem in PROBLEMS.values()) == {
        "number": 20,
        "category": 14,
        "boolean": 14,
        "list[category]": 7,
        "list[number]": 5,
    }
    yes_no = [value(p) for p in PROBLEMS.values() if p["answer_type"] == "boolean"]
    assert yes_no.count(True) == yes_no.count(False)


def test_the_gallery_shows_two_questions_of_each_table_set():
    gallery = [problem["tables"][0] for problem in PROBLEMS.values() if problem.get("gallery")]
    assert Counter(gallery) == {"sales.csv": 2, "employees.csv": 2, "students.csv": 2}


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_the_answer_is_text_of_its_type(problem):
    def is_number(item):
        return isinstance(item, int | float) and not isinstance(item, bool) and item == item

    answer = value(problem)
    match problem["answer_type"]:
        case "boolean":
            assert isinstance(answer, bool)
        case "number":
            assert is_number(answer)
        case "category":
            assert answer.strip() == answer != ""
        case "list[number]":
            assert len(set(answer)) == len(answer) > 1 and all(map(is_number, answer))
        case "list[category]":
            assert len(set(answer)) == len(answer) > 1
            assert all(isinstance(item, str) and "," not in item for item in answer)


# Right ------------------------------------------------------------------------------------------

SQL = {
    "sales-01": "select region from sales group by 1 order by sum(revenue) desc limit 1",
    "sales-07": """select sum(revenue) filter (region = 'East')
                   > sum(revenue) filter (region = 'North') from sales""",
    "sales-09": "select round(avg(customer_rating), 2) from sales where product = 'Laptop'",
    "sales-10": """select sales_rep from sales where region = 'West' and sales_rep is not null
                   group by 1 order by sum(units) desc limit 1""",
    "sales-11": "select product from sales group by 1 order by sum(revenue) desc limit 3",
    "sales-14": """select (select count(*) from sales) - count(*)
                   from (select distinct * from sales)""",
    "sales-15": """select product from sales
                   order by cast(translate(unit_price, '$,', '') as double) desc limit 1""",
    "sales-16": """select count(*) from sales where year(order_date) = 2024
                   and cast(rtrim(discount, '%') as int) >= 20""",
    "sales-17": """select sum(revenue) filter (year(order_date) = 2024)
                   > sum(revenue) filter (year(order_date) = 2023) from sales""",
    "sales-18": """select strftime(order_date, '%Y-%m') from sales
                   group by 1 order by sum(revenue) desc limit 1""",
    "sales-19": """select sum(units) from sales where year(order_date) = 2024
                   group by quarter(order_date) order by quarter(order_date)""",
    "sales-20": """select distinct cast(translate(unit_price, '$,', '') as double) as price
                   from sales order by price desc limit 3""",
    "employees-07": 'select "Salary (USD)" from employees order by 1 desc limit 3',
    "employees-10": """select "Department" from employees
                       group by 1 order by avg("Salary (USD)") desc limit 1""",
    "employees-12": """select "Office" from employees
                       group by 1 having count(*) > 50 order by count(*) desc""",
    "employees-13": """select "Office" from employees where "Remote" = 'Yes'
                       group by 1 order by count(*) desc limit 1""",
    "employees-15": """select count(*) from employees where year("Hire Date") = 2021""",
    "employees-16": 'select "Name" from employees order by "Salary (USD)" desc limit 5',
    "employees-17": 'select round(sum("Salary (USD)" * "Bonus (%)" / 100), 2) from employees',
    "employees-18": 'select "Name" from employees order by "Hire Date" limit 1',
    "employees-19": """select count(*) > 0 from employees e join employees m
                       on e."Manager ID" = m."Employee ID"
                       where e."Salary (USD)" > m."Salary (USD)" """,
    "employees-20": """select count(*) from employees
                       where year("Hire Date") between 2020 and 2022
                       group by year("Hire Date") order by year("Hire Date")""",
    "students-06": """select count(*) from students group by "year" order by
                      list_position(['Freshman', 'Sophomore', 'Junior', 'Senior'], "year")""",
    "students-11": "select term from grades group by 1 order by avg(score) desc limit 1",
    "students-12": "select major from students group by 1 order by avg(gpa) desc limit 3",
    "students-13": "select course from grades group by 1 having avg(score) < 72 order by 1",
    "students-15": """select major from grades join students using (student_id)
                      group by 1 order by avg(score) desc limit 1""",
    "students-16": """select round(avg(cast(rtrim(attendance, '%') as int)), 2) from grades
                      where course = 'Statistics'""",
    "students-17": """select count(*) = 0 from students
                      where student_id not in (select student_id from grades)""",
    "students-18": """select name from grades join students using (student_id)
                      group by student_id, name order by avg(score) desc limit 1""",
    "students-19": """select count(distinct student_id) from grades join students
                      using (student_id) where major = 'Biology' and course = 'Chemistry'""",
    "students-20": """select course from grades
                      group by 1 order by avg(cast(rtrim(attendance, '%') as int)) limit 3""",
}


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as connection:
        for name in TABLES:
            path = EXAMPLES / f"{name}.csv"
            connection.execute(f"create table {name} as from read_csv('{path}')")
        yield connection


@pytest.mark.parametrize("problem_id", SQL)
def test_sql_gives_the_same_answer(problem_id, database):
    column = [row[0] for row in database.execute(SQL[problem_id]).fetchall()]
    problem = PROBLEMS[problem_id]
    answer = column if problem["answer_type"].startswith("list") else column[0]
    assert answer == value(problem)


NOT_ABOUT_DUPLICATES = [key for key in PROBLEMS if key.startswith("sales-") and key != "sales-14"]


@pytest.mark.parametrize("problem_id", NOT_ABOUT_DUPLICATES)
def test_removing_the_duplicate_rows_changes_no_sales_answer(problem_id, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    from questions import SALES

    question = next(question for question in SALES if question.id == problem_id)
    assert str(question.answer(table("sales").drop_duplicates())) == PROBLEMS[problem_id]["answer"]


# The tables are what their generator says --------------------------------------------------------


def test_sales_has_missing_values_in_three_columns_and_seven_rows_twice():
    sales = table("sales")
    missing = sales.columns[sales.isna().any()].tolist()
    assert missing == ["sales_rep", "payment_method", "customer_rating"]
    assert sales.duplicated().sum() == 7
    assert sales.drop_duplicates()["order_id"].is_unique


def test_revenue_is_units_times_price_less_discount_to_the_cent():
    sales = table("sales")
    assert sales["unit_price"].str.fullmatch(r"\$[\d,]+\.\d\d").all()
    price = sales["unit_price"].str.replace(r"[$,]", "", regex=True).astype(float)
    discount = sales["discount"].str.rstrip("%").astype(int) / 100
    assert (sales["revenue"] - sales["units"] * price * (1 - discount)).abs().max() < 0.00501


def test_sales_have_a_leading_region_a_slump_and_a_busy_year_end():
    sales = table("sales")
    by_region = sales.groupby("region")["revenue"].sum().sort_values()
    assert by_region.iloc[-1] > 1.25 * by_region.iloc[-2]
    by_month = sales.groupby(sales["order_date"].str[:7])["revenue"].sum()
    assert by_month.idxmin() == "2024-07"
    assert by_month["2024-10":"2024-12"].min() > by_month["2024-01":"2024-09"].max()


def test_every_manager_is_an_employee_of_the_same_department():
    employees = table("employees")
    assert employees["Employee ID"].is_unique and employees["Name"].is_unique
    department = employees.set_index("Employee ID")["Department"]
    managed = employees.dropna(subset="Manager ID")
    assert (managed["Manager ID"].map(department) == managed["Department"]).all()
    assert employees["Performance Score"].isna().any()


def test_every_grade_belongs_to_a_student_and_only_newcomers_have_none():
    students, grades = table("students"), table("grades")
    assert students["student_id"].is_unique and students["name"].is_unique
    assert grades["student_id"].isin(students["student_id"]).all()
    assert not grades.duplicated(["student_id", "course"]).any()
    without = students[~students["student_id"].isin(grades["student_id"])]
    assert len(without) == 6 and without["gpa"].isna().all()
    assert grades["score"].isna().any()
