"""The 40 questions over the example tables whose answer is in none of them.

People may well ask them of such tables, and no column and no cell tells, by no other name either.
generate.py writes them to unanswerable.jsonl.
"""

UNANSWERABLE = {
    ("sales.csv",): [
        "What was the average temperature on the days with sales?",
        "Which courier delivered the most orders?",
        "What is the average profit margin?",
        "Which city sold the most units?",
        "What is the most common postcode?",
        "How many orders came through the mobile app?",
        "Which marketing campaign brought the most revenue?",
        "What is the average weight of a shipment?",
        "How many orders were returned broken?",
        "Which colour of Monitor sells best?",
        "How many competitors lowered their prices in 2023?",
        "What is the average stock of Monitors?",
        "Which sales rep drives the most kilometres?",
    ],
    ("employees.csv",): [
        "How many vacation days did the employees take on average?",
        "Which employee has the most children?",
        "What is the most common nationality?",
        "How many employees own a bicycle?",
        "Who speaks the most languages?",
        "Which department has the most sick days?",
        "What is the average height of the employees?",
        "How many employees are vegetarians?",
        "Which employee won the most awards?",
        "Which university did most employees attend?",
        "Who of the employees is married?",
        "How many hours of overtime were worked in Engineering?",
        "Which office has the largest kitchen?",
        "How many women work in Sales?",
    ],
    ("students.csv", "grades.csv"): [
        "Which student has the most siblings?",
        "How many students wear glasses?",
        "How many students play football?",
        "Which student is the tallest?",
        "How many students live in a dormitory?",
        "What is the most common hometown?",
        "Which student reads the most books?",
        "What is the average homework time per course?",
        "Which classroom is used the most?",
        "Which lecturer gives the highest scores?",
        "What is the most expensive textbook?",
        "How much tuition do Psychology majors pay?",
        "Which student has the longest way to the campus?",
    ],
}
