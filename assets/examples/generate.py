"""Writes the example tables and their questions. Everything in them is invented.

    python assets/examples/generate.py [FOLDER]

The tables are sales.csv (an office retailer's order lines), employees.csv, and students.csv with
grades.csv, which join on student_id. One fixed seed and no clock: every run writes the same bytes.
questions.jsonl holds the 60 questions of questions.py with the answers computed on the files, and
unanswerable.jsonl the 40 whose answer is in none.
"""

import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from questions import QUESTIONS
from unanswerable import UNANSWERABLE

SEED = 20250101

FIRST_NAMES = [
    "Ada",
    "Amir",
    "Beatriz",
    "Bruno",
    "Carmen",
    "Chidi",
    "Clara",
    "Dario",
    "Elena",
    "Emeka",
    "Farah",
    "Felix",
    "Greta",
    "Hana",
    "Hugo",
    "Ines",
    "Ivan",
    "Jonas",
    "Kavya",
    "Lars",
    "Leila",
    "Marta",
    "Mateo",
    "Mei",
    "Nadia",
    "Noah",
    "Olga",
    "Omar",
    "Priya",
    "Rafael",
    "Sofia",
    "Tariq",
]
LAST_NAMES = [
    "Abara",
    "Almeida",
    "Becker",
    "Castillo",
    "Dimitrov",
    "Eriksen",
    "Farouk",
    "Ferrari",
    "Gupta",
    "Haddad",
    "Hoffman",
    "Ibarra",
    "Jansen",
    "Kimura",
    "Kowalski",
    "Larsen",
    "Mbeki",
    "Moreau",
    "Nakata",
    "Novak",
    "Okafor",
    "Park",
    "Petrov",
    "Quinn",
    "Rossi",
    "Sato",
    "Schmidt",
    "Silva",
    "Tanaka",
    "Varga",
    "Walsh",
    "Zhou",
]


def names(rng: np.random.Generator, count: int) -> list[str]:
    """`count` different full names."""
    everyone = [f"{first} {last}" for first, last in product(FIRST_NAMES, LAST_NAMES)]
    return rng.choice(everyone, count, replace=False).tolist()


def blank(rng: np.random.Generator, column: pd.Series, share: float) -> pd.Series:
    """The column with about `share` of its values missing."""
    return column.mask(rng.random(len(column)) < share)


def days(rng: np.random.Generator, first: str, last: str, count: int) -> pd.DatetimeIndex:
    """`count` days drawn evenly from `first` to `last`, both included."""
    return pd.DatetimeIndex(rng.choice(pd.date_range(first, last), count))


# Sales ------------------------------------------------------------------------------------------

CATALOGUE = {  # product: (category, price in cents, share of order lines)
    "Laptop": ("Electronics", 124900, 0.10),
    "Monitor": ("Electronics", 32999, 0.12),
    "Headset": ("Electronics", 8995, 0.11),
    "Webcam": ("Electronics", 7450, 0.08),
    "Standing Desk": ("Furniture", 64900, 0.07),
    "Office Chair": ("Furniture", 38900, 0.11),
    "Bookcase": ("Furniture", 21950, 0.06),
    "Desk Lamp": ("Furniture", 4490, 0.10),
    "Paper Box": ("Supplies", 3275, 0.11),
    "Notebook Pack": ("Supplies", 1275, 0.08),
    "Pen Set": ("Supplies", 840, 0.06),
}
REGIONS = {"West": 0.33, "North": 0.20, "East": 0.19, "South": 0.16, "Central": 0.12}
MONTH_WEIGHTS = [0.8, 0.75, 0.95, 1.0, 1.0, 0.9, 0.7, 0.8, 1.1, 1.15, 1.5, 1.7]
SLUMP_MONTH, SLUMP = "2024-07", 0.4
PAYMENTS = {"Credit Card": 0.52, "Invoice": 0.27, "PayPal": 0.15, "Gift Card": 0.06}


def order_dates(rng: np.random.Generator, count: int) -> pd.Series:
    """Sorted days of 2023 and 2024: busy before the year's end, few on Sundays, one slump."""
    day = pd.date_range("2023-01-01", "2024-12-31")
    weight = np.array(MONTH_WEIGHTS)[day.month - 1] * np.where(day.year == 2024, 1.15, 1.0)
    weight *= np.where(day.day_of_week == 6, 0.3, 1.0)
    weight *= np.where(day.strftime("%Y-%m") == SLUMP_MONTH, SLUMP, 1.0)
    return pd.Series(np.sort(rng.choice(day, count, p=weight / weight.sum())))


def sales(rng: np.random.Generator, count: int = 2000) -> pd.DataFrame:
    """`count` orders; those of the Central region in March 2023 stand in the table twice."""
    category, cents, share = zip(*CATALOGUE.values(), strict=True)
    item = rng.choice(len(CATALOGUE), count, p=share)
    is_supply = np.array(category)[item] == "Supplies"
    units = 1 + rng.poisson(np.where(is_supply, 9.0, 1.3))
    discount = rng.choice([0, 5, 10, 15, 20, 25], count, p=[0.5, 0.16, 0.14, 0.1, 0.06, 0.04])
    price = np.array(cents)[item]
    revenue = (units * price * (100 - discount) + 50) // 100  # whole cents, half a cent up

    region = rng.choice(list(REGIONS), count, p=list(REGIONS.values()))
    team = dict(zip(REGIONS, np.array(names(rng, 15)).reshape(5, 3), strict=True))
    member = rng.choice(3, count, p=[0.45, 0.33, 0.22])
    rep = [team[where][who] for where, who in zip(region, member, strict=True)]
    payment = rng.choice(list(PAYMENTS), count, p=list(PAYMENTS.values()))
    payment = np.where((payment == "Gift Card") & ~is_supply, "Credit Card", payment)
    rating = pd.Series(rng.choice([1, 2, 3, 4, 5], count, p=[0.04, 0.08, 0.2, 0.38, 0.3]))

    orders = pd.DataFrame(
        {
            "order_id": [f"SO-{10001 + n}" for n in range(count)],
            "order_date": order_dates(rng, count).dt.strftime("%Y-%m-%d"),
            "region": region,
            "sales_rep": blank(rng, pd.Series(rep), 0.03),
            "product": np.array(list(CATALOGUE))[item],
            "category": np.array(category)[item],
            "units": units,
            "unit_price": [f"${value / 100:,.2f}" for value in price],
            "discount": [f"{value}%" for value in discount],
            "revenue": [f"{value / 100:.2f}" for value in revenue],
            "payment_method": blank(rng, pd.Series(payment), 0.02),
            "customer_rating": blank(rng, rating.astype("Int64"), 0.15),
            "returned": np.where(rng.random(count) < 0.06, "Yes", "No"),
        }
    )
    twice = (orders["region"] == "Central") & orders["order_date"].str.startswith("2023-03")
    return pd.concat([orders, orders[twice]]).sort_values("order_id", kind="stable")


# Employees --------------------------------------------------------------------------------------

DEPARTMENTS = {  # department: (employees, a typical yearly salary, job title of its staff)
    "Engineering": (88, 96000, "Software Engineer"),
    "Sales": (64, 67000, "Account Executive"),
    "Customer Support": (52, 51000, "Support Specialist"),
    "Operations": (38, 59000, "Operations Analyst"),
    "Marketing": (28, 70000, "Marketing Specialist"),
    "Finance": (18, 78000, "Financial Analyst"),
    "Legal": (12, 88000, "Counsel"),
}
OFFICES = {"Berlin": 0.32, "Lisbon": 0.24, "Toronto": 0.19, "Austin": 0.15, "Singapore": 0.10}
GRADES = {  # title form: factor on the salary, bonus percentages
    "Junior {}": (0.74, [0, 2, 4]),
    "{}": (1.0, [4, 5, 6, 8]),
    "Senior {}": (1.28, [6, 8, 10]),
    "Manager": (1.55, [10, 12, 15]),
    "Director": (2.1, [18, 20, 25]),
}


def department(rng: np.random.Generator, name: str, first_id: int) -> pd.DataFrame:
    """One department: a director, a manager for about every dozen people, and their staff."""
    size, pay, staff_title = DEPARTMENTS[name]
    managers = max(1, size // 12)
    staff = rng.choice(list(GRADES)[:3], size - 1 - managers, p=[0.3, 0.45, 0.25])
    grade = ["Director"] + ["Manager"] * managers + staff.tolist()
    ids = [f"E{first_id + n:03d}" for n in range(size)]
    popularity = rng.dirichlet(np.full(managers, 6.0))
    boss = rng.choice(ids[1 : 1 + managers], len(staff), p=popularity).tolist()
    title = [
        f"{name} {form}" if form in ("Manager", "Director") else form.format(staff_title) for form in grade
    ]
    spread = rng.normal(1.0, 0.09, size).clip(0.8, 1.25)
    salary = pay * np.array([GRADES[form][0] for form in grade]) * spread
    return pd.DataFrame(
        {
            "Employee ID": ids,
            "Name": "",
            "Department": name,
            "Job Title": title,
            "Office": rng.choice(list(OFFICES), size, p=list(OFFICES.values())),
            "Hire Date": days(rng, "2009-03-01", "2024-11-30", size).strftime("%Y-%m-%d"),
            "Birth Year": rng.integers(1964, 1990, size),
            "Salary (USD)": (salary / 50).round().astype(int) * 50 + rng.integers(0, 50, size),
            "Bonus (%)": [rng.choice(GRADES[form][1]) for form in grade],
            "Performance Score": rng.normal(3.6, 0.6, size).clip(1, 5).round(1),
            "Remote": np.where(rng.random(size) < 0.38, "Yes", "No"),
            "Manager ID": [None] + [ids[0]] * managers + boss,
        }
    )


def employees(rng: np.random.Generator) -> pd.DataFrame:
    """All departments, one after another; some performance scores are missing."""
    parts, next_id = [], 1
    for name, (size, *_) in DEPARTMENTS.items():
        parts.append(department(rng, name, next_id))
        next_id += size
    staff = pd.concat(parts, ignore_index=True)
    staff["Name"] = names(rng, len(staff))
    staff["Performance Score"] = blank(rng, staff["Performance Score"], 0.07)
    return staff


# Students and grades ----------------------------------------------------------------------------

MAJORS = {  # major: (share of students, strength in points)
    "Computer Science": (0.24, 2.0),
    "Business": (0.22, -2.0),
    "Psychology": (0.17, 0.0),
    "Biology": (0.15, 1.0),
    "Economics": (0.12, -0.5),
    "Mathematics": (0.10, 5.0),
}
YEARS = {"Freshman": 0.30, "Sophomore": 0.27, "Junior": 0.23, "Senior": 0.20}
COURSES = {  # course: (usual score, usual attendance in percent)
    "Calculus": (67, 84),
    "Statistics": (71, 86),
    "Programming": (74, 88),
    "Writing": (79, 83),
    "Chemistry": (69, 90),
    "History": (77, 76),
    "Microeconomics": (73, 81),
    "Philosophy": (81, 79),
}
TERMS = {"2023-Fall": -1.0, "2024-Spring": 0.0, "2024-Fall": 1.5}
NEWCOMERS = 6  # enrolled last: no grades and no GPA yet


def students_and_grades(rng: np.random.Generator, count: int = 500) -> list[pd.DataFrame]:
    """[students, grades]: 3 to 6 courses for each student but the newcomers."""
    major = rng.choice(list(MAJORS), count, p=[share for share, _ in MAJORS.values()])
    ability = rng.normal(0, 8, count) + np.array([MAJORS[name][1] for name in major])
    year = rng.choice(len(YEARS), count, p=list(YEARS.values()))
    year[-NEWCOMERS:] = 0
    birth_date = days(rng, "2005-09-01", "2006-08-31", count) - pd.to_timedelta(365 * year, "D")
    students = pd.DataFrame(
        {
            "student_id": 1001 + np.arange(count),
            "name": names(rng, count),
            "major": major,
            "year": np.array(list(YEARS))[year],
            "gpa": (3.05 + ability / 24 + rng.normal(0, 0.12, count)).clip(1.5, 3.99).round(2),
            "scholarship": np.where(rng.random(count) < 0.18 + ability.clip(0) / 60, "Yes", "No"),
            "birth_date": birth_date.strftime("%Y-%m-%d"),
        }
    )
    students.loc[count - NEWCOMERS :, "gpa"] = np.nan

    rows = []
    for student in range(count - NEWCOMERS):
        for course in rng.choice(list(COURSES), rng.integers(3, 7), replace=False):
            term = rng.choice(list(TERMS))
            usual_score, usual_attendance = COURSES[course]
            score = rng.normal(usual_score + ability[student] + TERMS[term], 9)
            attendance = rng.normal(usual_attendance + ability[student] / 4, 7)
            rows.append(
                (
                    1001 + student,
                    course,
                    term,
                    int(np.clip(score, 20, 100)),
                    f"{int(np.clip(attendance, 30, 100))}%",
                )
            )
    grades = pd.DataFrame(rows, columns=["student_id", "course", "term", "score", "attendance"])
    grades["score"] = blank(rng, grades["score"].astype("Int64"), 0.03)
    return [students, grades]


# Files ------------------------------------------------------------------------------------------


def write_tables(folder: Path) -> None:
    """Writes the four CSV files; each table set has its own random stream."""
    streams = [np.random.Generator(np.random.PCG64([SEED, n])) for n in range(3)]
    students, grades = students_and_grades(streams[2])
    tables = {
        "sales": sales(streams[0]),
        "employees": employees(streams[1]),
        "students": students,
        "grades": grades,
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")


def write_questions(folder: Path) -> None:
    """Writes questions.jsonl, each answer computed on the CSV files as they lie in `folder`."""
    with (folder / "questions.jsonl").open("w", encoding="utf-8", newline="\n") as out:
        for files, questions in QUESTIONS.items():
            tables = [pd.read_csv(folder / file) for file in files]
            for question in questions:
                problem = {
                    "id": question.id,
                    "question": question.text,
                    "tables": list(files),
                    "answer": str(question.answer(*tables)),
                    "answer_type": question.answer_type,
                } | ({"gallery": True} if question.gallery else {})
                out.write(json.dumps(problem, ensure_ascii=False) + "\n")


def write_unanswerable(folder: Path) -> None:
    """Writes unanswerable.jsonl."""
    with (folder / "unanswerable.jsonl").open("w", encoding="utf-8", newline="\n") as out:
        for files, questions in UNANSWERABLE.items():
            for number, question in enumerate(questions, 1):
                problem = {
                    "id": f"{Path(files[0]).stem}-none-{number:02}",
                    "question": question,
                    "tables": list(files),
                    "answer": "not answerable from this data",
                    "answer_type": "category",
                }
                out.write(json.dumps(problem, ensure_ascii=False) + "\n")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    write_tables(folder)
    write_questions(folder)
    write_unanswerable(folder)


if __name__ == "__main__":
    main()
