"""The 60 questions over the example tables, each with code that computes its answer.

generate.py runs them on the CSV files and writes questions.jsonl. The duplicated rows of sales.csv
change no answer but those which are about them: the tests hold every sales question to that.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Question:
    """A question to the tables of one set; `answer` takes them as read by pandas, in order."""

    id: str
    text: str
    answer_type: str
    answer: Callable[..., object]
    gallery: bool = False


def dollars(column: pd.Series) -> pd.Series:
    """The amounts written as "$1,249.00"."""
    return column.str.replace("[$,]", "", regex=True).astype(float)


def percent(column: pd.Series) -> pd.Series:
    """The percentages written as "15%", as 15.0."""
    return column.str.rstrip("%").astype(float)


def year(column: pd.Series) -> pd.Series:
    return pd.to_datetime(column).dt.year


def month(column: pd.Series) -> pd.Series:
    """The month as YYYY-MM."""
    return pd.to_datetime(column).dt.strftime("%Y-%m")


def where(table: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    return table[table[column] == value]


SALES = [
    Question(
        "sales-01",
        "Which region has the highest total revenue?",
        "category",
        lambda t: t.groupby("region")["revenue"].sum().idxmax(),
        gallery=True,
    ),
    Question(
        "sales-02",
        "How many different products are sold?",
        "number",
        lambda t: t["product"].nunique(),
    ),
    Question(
        "sales-03",
        "What is the highest revenue of a single order, in dollars?",
        "number",
        lambda t: t["revenue"].max(),
    ),
    Question(
        "sales-04",
        "Are there orders without a sales rep?",
        "boolean",
        lambda t: bool(t["sales_rep"].isna().any()),
    ),
    Question(
        "sales-05",
        "Which payment method is used most often? Draw the number of orders by payment method as a bar "
        "chart, too.",
        "category",
        lambda t: t["payment_method"].value_counts().idxmax(),
        gallery=True,
    ),
    Question(
        "sales-06",
        "How many Standing Desks were sold in total, in units?",
        "number",
        lambda t: where(t, "product", "Standing Desk")["units"].sum(),
    ),
    Question(
        "sales-07",
        "Did the East region bring in more total revenue than the North region?",
        "boolean",
        lambda t: bool(
            where(t, "region", "East")["revenue"].sum() > where(t, "region", "North")["revenue"].sum()
        ),
    ),
    Question(
        "sales-08",
        "How many orders from the West region were returned?",
        "number",
        lambda t: (where(t, "region", "West")["returned"] == "Yes").sum(),
    ),
    Question(
        "sales-09",
        "What is the average customer rating of Laptop orders, ignoring missing ratings? "
        "Round to two decimals.",
        "number",
        lambda t: round(where(t, "product", "Laptop")["customer_rating"].mean(), 2),
    ),
    Question(
        "sales-10",
        "Which sales rep sold the most units in the West region?",
        "category",
        lambda t: where(t, "region", "West").groupby("sales_rep")["units"].sum().idxmax(),
    ),
    Question(
        "sales-11",
        "Which three products brought in the most total revenue?",
        "list[category]",
        lambda t: t.groupby("product")["revenue"].sum().nlargest(3).index.tolist(),
    ),
    Question(
        "sales-12",
        "Which columns have missing values?",
        "list[category]",
        lambda t: t.columns[t.isna().any()].tolist(),
    ),
    Question(
        "sales-13",
        "Was any Laptop paid for with a Gift Card?",
        "boolean",
        lambda t: bool((where(t, "product", "Laptop")["payment_method"] == "Gift Card").any()),
    ),
    Question(
        "sales-14",
        "How many rows are exact duplicates of an earlier row?",
        "number",
        lambda t: t.duplicated().sum(),
    ),
    Question(
        "sales-15",
        "Which product has the highest unit price?",
        "category",
        lambda t: t.loc[dollars(t["unit_price"]).idxmax(), "product"],
    ),
    Question(
        "sales-16",
        "How many orders in 2024 had a discount of at least 20%?",
        "number",
        lambda t: (percent(t[year(t["order_date"]) == 2024]["discount"]) >= 20).sum(),
    ),
    Question(
        "sales-17",
        "Was total revenue higher in 2024 than in 2023?",
        "boolean",
        lambda t: bool(t.groupby(year(t["order_date"]))["revenue"].sum().diff()[2024] > 0),
    ),
    Question(
        "sales-18",
        "Which month had the highest total revenue? Give it as YYYY-MM, and draw the monthly "
        "revenue as a line chart.",
        "category",
        lambda t: t.groupby(month(t["order_date"]))["revenue"].sum().idxmax(),
    ),
    Question(
        "sales-19",
        "How many units were sold in each quarter of 2024, from the first quarter to the fourth?",
        "list[number]",
        lambda t: (
            t.groupby(pd.to_datetime(t["order_date"]).dt.to_period("Q"))["units"]
            .sum()["2024Q1":"2024Q4"]
            .tolist()
        ),
    ),
    Question(
        "sales-20",
        "What are the three highest different unit prices, in dollars?",
        "list[number]",
        lambda t: dollars(t["unit_price"].drop_duplicates()).nlargest(3).tolist(),
    ),
]

EMPLOYEES = [
    Question(
        "employees-01",
        "What is the average salary? Round to two decimals.",
        "number",
        lambda t: round(t["Salary (USD)"].mean(), 2),
    ),
    Question(
        "employees-02",
        "How many departments are there?",
        "number",
        lambda t: t["Department"].nunique(),
    ),
    Question(
        "employees-03",
        "Do more than half of the employees work remotely?",
        "boolean",
        lambda t: bool((t["Remote"] == "Yes").mean() > 0.5),
    ),
    Question(
        "employees-04",
        "Which department has the most employees?",
        "category",
        lambda t: t["Department"].value_counts().idxmax(),
    ),
    Question(
        "employees-05",
        "Does every employee have a performance score?",
        "boolean",
        lambda t: bool(t["Performance Score"].notna().all()),
    ),
    Question(
        "employees-06",
        "How many employees have no performance score?",
        "number",
        lambda t: t["Performance Score"].isna().sum(),
    ),
    Question(
        "employees-07",
        "What are the three highest salaries, in dollars?",
        "list[number]",
        lambda t: t["Salary (USD)"].nlargest(3).tolist(),
    ),
    Question(
        "employees-08",
        "What is the highest salary in the Marketing department?",
        "number",
        lambda t: where(t, "Department", "Marketing")["Salary (USD)"].max(),
    ),
    Question(
        "employees-09",
        "How many people work in the Lisbon office?",
        "number",
        lambda t: (t["Office"] == "Lisbon").sum(),
    ),
    Question(
        "employees-10",
        "Which department has the highest average salary? Also draw a bar chart of the average "
        "salary by department.",
        "category",
        lambda t: t.groupby("Department")["Salary (USD)"].mean().idxmax(),
        gallery=True,
    ),
    Question(
        "employees-11",
        "Is the average salary in Finance higher than in Marketing?",
        "boolean",
        lambda t: bool(
            where(t, "Department", "Finance")["Salary (USD)"].mean()
            > where(t, "Department", "Marketing")["Salary (USD)"].mean()
        ),
    ),
    Question(
        "employees-12",
        "Which offices have more than 50 employees?",
        "list[category]",
        lambda t: t["Office"].value_counts()[lambda count: count > 50].index.tolist(),
    ),
    Question(
        "employees-13",
        "Which office has the most remote employees?",
        "category",
        lambda t: where(t, "Remote", "Yes")["Office"].value_counts().idxmax(),
    ),
    Question(
        "employees-14",
        "Was anybody hired before 2010?",
        "boolean",
        lambda t: bool((year(t["Hire Date"]) < 2010).any()),
    ),
    Question(
        "employees-15",
        "How many employees were hired in 2021?",
        "number",
        lambda t: (year(t["Hire Date"]) == 2021).sum(),
    ),
    Question(
        "employees-16",
        "Who are the five highest-paid employees? Give their names.",
        "list[category]",
        lambda t: t.nlargest(5, "Salary (USD)")["Name"].tolist(),
        gallery=True,
    ),
    Question(
        "employees-17",
        "Each bonus is a percentage of the salary. What do all bonuses add up to, in dollars? "
        "Round to two decimals.",
        "number",
        lambda t: round((t["Salary (USD)"] * t["Bonus (%)"] / 100).sum(), 2),
    ),
    Question(
        "employees-18",
        "What is the name of the employee who was hired first?",
        "category",
        lambda t: t.loc[pd.to_datetime(t["Hire Date"]).idxmin(), "Name"],
    ),
    Question(
        "employees-19",
        "Does any employee earn more than their own manager?",
        "boolean",
        lambda t: bool(
            (t["Salary (USD)"] > t["Manager ID"].map(t.set_index("Employee ID")["Salary (USD)"])).any()
        ),
    ),
    Question(
        "employees-20",
        "How many people were hired in each of the years 2020, 2021 and 2022, in that order?",
        "list[number]",
        lambda t: year(t["Hire Date"]).value_counts()[[2020, 2021, 2022]].tolist(),
    ),
]

STUDENTS = [
    Question(
        "students-01",
        "What is the average GPA? Round to two decimals.",
        "number",
        lambda s, g: round(s["gpa"].mean(), 2),
    ),
    Question(
        "students-02",
        "How many students have a scholarship?",
        "number",
        lambda s, g: (s["scholarship"] == "Yes").sum(),
    ),
    Question(
        "students-03",
        "Which major has the most students? Also draw a bar chart of the number of students in each major.",
        "category",
        lambda s, g: s["major"].value_counts().idxmax(),
    ),
    Question(
        "students-04",
        "Is there a student with a GPA of exactly 4.0?",
        "boolean",
        lambda s, g: bool((s["gpa"] == 4.0).any()),
    ),
    Question(
        "students-05",
        "How many grades have no score recorded?",
        "number",
        lambda s, g: g["score"].isna().sum(),
    ),
    Question(
        "students-06",
        "How many students are there in each year: Freshman, Sophomore, Junior and Senior, in that order?",
        "list[number]",
        lambda s, g: s["year"].value_counts()[["Freshman", "Sophomore", "Junior", "Senior"]].tolist(),
    ),
    Question(
        "students-07",
        "Are there more students in Biology than in Economics?",
        "boolean",
        lambda s, g: bool((s["major"] == "Biology").sum() > (s["major"] == "Economics").sum()),
    ),
    Question(
        "students-08",
        "What is the lowest score in Calculus?",
        "number",
        lambda s, g: where(g, "course", "Calculus")["score"].min(),
    ),
    Question(
        "students-09",
        "Did anybody score 100 in Statistics?",
        "boolean",
        lambda s, g: bool((where(g, "course", "Statistics")["score"] == 100).any()),
    ),
    Question(
        "students-10",
        "Which course has the lowest average score?",
        "category",
        lambda s, g: g.groupby("course")["score"].mean().idxmin(),
    ),
    Question(
        "students-11",
        "In which term was the average score highest?",
        "category",
        lambda s, g: g.groupby("term")["score"].mean().idxmax(),
    ),
    Question(
        "students-12",
        "Which three majors have the highest average GPA?",
        "list[category]",
        lambda s, g: s.groupby("major")["gpa"].mean().nlargest(3).index.tolist(),
    ),
    Question(
        "students-13",
        "Which courses have an average score below 72?",
        "list[category]",
        lambda s, g: g.groupby("course")["score"].mean()[lambda mean: mean < 72].index.tolist(),
    ),
    Question(
        "students-14",
        "Do students with a scholarship have a higher average GPA than those without?",
        "boolean",
        lambda s, g: bool(s.groupby("scholarship")["gpa"].mean().diff()["Yes"] > 0),
        gallery=True,
    ),
    Question(
        "students-15",
        "Which major has the highest average score over all of its students' grades?",
        "category",
        lambda s, g: g.merge(s, on="student_id").groupby("major")["score"].mean().idxmax(),
        gallery=True,
    ),
    Question(
        "students-16",
        "What is the average attendance in Statistics, in percent? Round to two decimals.",
        "number",
        lambda s, g: round(percent(where(g, "course", "Statistics")["attendance"]).mean(), 2),
    ),
    Question(
        "students-17",
        "Does every student have at least one grade?",
        "boolean",
        lambda s, g: bool(s["student_id"].isin(g["student_id"]).all()),
    ),
    Question(
        "students-18",
        "What is the name of the student with the highest average score over all courses taken?",
        "category",
        lambda s, g: s.set_index("student_id")["name"][g.groupby("student_id")["score"].mean().idxmax()],
    ),
    Question(
        "students-19",
        "How many Biology majors took the Chemistry course?",
        "number",
        lambda s, g: (
            where(g, "course", "Chemistry")
            .merge(where(s, "major", "Biology"), on="student_id")["student_id"]
            .nunique()
        ),
    ),
    Question(
        "students-20",
        "Which three courses have the lowest average attendance? Draw the average attendance of "
        "every course as a bar chart, too.",
        "list[category]",
        lambda s, g: percent(g["attendance"]).groupby(g["course"]).mean().nsmallest(3).index.tolist(),
    ),
]

QUESTIONS = {
    ("sales.csv",): SALES,
    ("employees.csv",): EMPLOYEES,
    ("students.csv", "grades.csv"): STUDENTS,
}
