"""Families about what the table does not tell: the answer is that it is not answerable from this data.

None asks for a yes or no, to which the agent takes no other answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random

from agent.absence import NOT_ANSWERABLE
from training.questions.drafts import Draft, equals, family, pick, rows_slots, say
from training.questions.views import View

# What hardly a table holds, and what is not to be computed from others; each with the word that tells it.
# None of it may stand in assets/examples/unanswerable.jsonl, by which models are measured.
_NUMBERS = {
    "shoe size": "shoe", "monthly rent": "rent", "number of pets": "pet", "blood pressure": "blood",
    "warranty period": "warranty", "phone bill": "phone", "commuting time": "commuting",
    "screen size": "screen", "customer satisfaction": "satisfaction", "delivery time": "delivery",
    "battery life": "battery", "insurance premium": "insurance", "heart rate": "heart",
    "waiting time": "waiting", "number of employees": "employee", "tax refund": "refund",
    "parking fee": "parking", "download speed": "download", "energy consumption": "energy",
    "subscription fee": "subscription", "sugar intake": "sugar", "credit score": "credit",
    "ticket queue length": "queue", "carbon footprint": "carbon", "printing cost": "printing",
    "sleep duration": "sleep", "fuel economy": "fuel", "shelf life": "shelf", "loan amount": "loan",
    "discount granted": "discount", "humidity": "humidity", "rainfall": "rainfall", "noise level": "noise",
    "water use": "water", "postage": "postage", "cleaning time": "cleaning", "toner use": "toner",
}  # fmt: skip
_NAMES = {
    "blood type": "blood", "eye colour": "eye", "favourite dish": "dish", "payment method": "payment",
    "email provider": "email", "hair colour": "hair", "insurance company": "insurance",
    "shipping carrier": "shipping", "zodiac sign": "zodiac", "phone brand": "phone",
    "mother tongue": "tongue", "supplier": "supplier", "marital status": "marital",
    "favourite sport": "sport", "operating system": "operating", "bank": "bank", "shirt colour": "shirt",
    "hobby": "hobby", "warehouse": "warehouse", "doctor": "doctor", "landlord": "landlord",
    "pet breed": "breed", "coffee brand": "coffee", "browser": "browser", "shoe brand": "shoe",
    "dentist": "dentist", "plumber": "plumber", "typeface": "typeface", "perfume": "perfume",
    "sponsor": "sponsor", "wallpaper": "wallpaper", "timezone": "timezone",
}  # fmt: skip
# In the plural, to be counted.
_COUNTED = {
    "visitors": "visitor", "complaints": "complaint", "windows": "window", "cousins": "cousin",
    "followers": "follower", "lawyers": "lawyer", "suitcases": "suitcase", "bathrooms": "bathroom",
    "tattoos": "tattoo", "neighbours": "neighbour", "trees": "tree", "chairs": "chair",
    "photographs": "photograph", "stairs": "stair", "subscribers": "subscriber", "volunteers": "volunteer",
    "cameras": "camera", "puncture repairs": "puncture", "spelling mistakes": "spelling",
    "unread emails": "unread", "candles": "candle", "bridges": "bridge", "doors": "door",
}  # fmt: skip
# What some do, to follow the plural.
_FACTS = {
    "own a motorbike": "motorbike", "have a swimming pool": "swimming", "speak Swedish": "swedish",
    "need a visa": "visa", "belong to a union": "union", "have a twin": "twin", "play the piano": "piano",
    "use solar panels": "solar", "keep a dog": "dog", "snore": "snore", "have a lawyer": "lawyer",
    "carry insurance": "insurance", "carry a passport": "passport", "like jazz": "jazz",
    "have a garage": "garage", "need recycling": "recycling", "have wooden floors": "wooden",
    "offer free parking": "parking", "fear spiders": "spider", "have an elevator": "elevator",
    "need a vaccination": "vaccination", "write poems": "poem", "own a horse": "horse",
    "come with a manual": "manual", "have a beard": "beard",
}  # fmt: skip
# What was done to some, as a participle.
_DONE = {
    "repaired": "repaired", "photographed": "photographed", "translated": "translated",
    "inspected": "inspected", "stolen": "stolen", "painted": "painted", "borrowed": "borrowed",
    "renovated": "renovated", "auctioned": "auctioned", "hacked": "hacked", "rehearsed": "rehearsed",
    "polished": "polished", "wrapped": "wrapped", "vandalised": "vandalised", "x-rayed": "rayed",
}  # fmt: skip
# What one of them may be more than the others.
_SUPERLATIVES = {
    "loudest": "loudest", "friendliest": "friendliest", "cleanest": "cleanest", "smelliest": "smelliest",
    "softest": "softest", "brightest": "brightest", "sweetest": "sweetest", "quietest": "quietest",
    "funniest": "funniest", "sharpest": "sharpest", "wettest": "wettest", "dustiest": "dustiest",
    "most polite": "polite", "most colourful": "colourful", "most comfortable": "comfortable",
    "most poisonous": "poisonous", "most romantic": "romantic", "thirstiest": "thirstiest",
}  # fmt: skip
_ALL = _NUMBERS | _NAMES | _COUNTED | _FACTS | _DONE | _SUPERLATIVES


@family(
    "What is the average {absent} in this data?",
    "Which {row} has the highest {absent}?",
    "How does the {absent} compare across the {rows}?",
    "What is the total {absent} of all {rows}?",
    "How many {rows} have a {absent} above 100?",
    "highest {absent}?",
    "What's the median {absent} here?",
)
def not_answerable(view: View, rng: Random) -> Draft:
    return _draft(view, rng, _NUMBERS)


@family(
    "What is the most common {absent} in the table?",
    "Which {absent} do most {rows} have?",
    "How many different values of {absent} are there?",
    "Which {absent} comes up most often?",
    "most common {absent}?",
    "Group the {rows} by {absent}. Which group is the largest?",
)
def not_answerable_name(view: View, rng: Random) -> Draft:
    return _draft(view, rng, _NAMES)


@family(
    "Which {row} has the most {absent}?",
    "Which {row} has the fewest {absent}?",
    "How many {absent} are there in total?",
    "What is the average number of {absent}?",
    "Which {rows} have more than five {absent}?",
    "How many {absent} do the {rows} have on average?",
    "List the three {rows} with the most {absent}.",
)
def not_answerable_count(view: View, rng: Random) -> Draft:
    return _draft(view, rng, _COUNTED)


@family(
    "How many {rows} {absent}?",
    "How many of the {rows} {absent}?",
    "Which {rows} {absent}?",
    "How many {rows} do not {absent}?",
    "What share of the {rows} {absent}?",
    "Name all {rows} that {absent}.",
    "What percentage of all {rows} {absent}?",
)
def not_answerable_fact(view: View, rng: Random) -> Draft:
    return _draft(view, rng, _FACTS)


@family(
    "How many {rows} were {absent}?",
    "Which {row} was {absent} last?",
    "Who {absent} the most {rows}?",
    "When was the first {row} {absent}?",
    "Which {row} was {absent} twice?",
    "What does it cost to have a {row} {absent}?",
)
def not_answerable_done(view: View, rng: Random) -> Draft:
    return _draft(view, rng, _DONE)


@family(
    "Which {row} is the {absent}?",
    "What are the three {absent} {rows}?",
    "Name the {absent} {row}.",
    "{absent} {row}?",
    "Which of the {rows} is the {absent} one?",
    "Rank the {rows} from the {absent} down.",
)
def not_answerable_superlative(view: View, rng: Random) -> Draft:
    return _draft(view, rng, _SUPERLATIVES)


@family(
    "Which {group} has the highest average {absent}?",
    "What is the total {absent} per {group}?",
    "Compare the {absent} of the {groups}.",
    "Which {group} has the lowest {absent}?",
    "List the top 3 {groups} by {absent}.",
    "{absent} by {group}?",
)
def not_answerable_by_group(view: View, rng: Random) -> Draft:
    group = pick(view.roles.groups, rng)
    return _draft(view, rng, _NUMBERS, group=say(view, group, rng))


@family(
    "What is the average {absent} of the {rows} {where}?",
    "What was the {absent} of the {rows} {where}?",
    "Among the {rows} {where}, what is the highest {absent}?",
    "How much higher is the {absent} for the {rows} {where} than for the others?",
    "How many of the {rows} {where} have a {absent} over 20?",
    "Only {rows} {where}: what is the median {absent}?",
)
def not_answerable_where(view: View, rng: Random) -> Draft:
    return _draft(view, rng, _NUMBERS, where=equals(view, rng).text)


def _draft(view: View, rng: Random, things: Mapping[str, str], **slots: str) -> Draft:
    """Asks for what neither the columns nor the file's name have a word of."""
    told = " ".join([*view.frame.columns, *(path.stem for path in view.paths)]).casefold()
    fit = [
        thing
        for thing, word in things.items()
        if not any(part[:4] in told for part in (word, *thing.split()) if len(part) > 3 or part == word)
    ]
    return Draft(NOT_ANSWERABLE, "", rows_slots(view, rng) | slots | {"absent": pick(fit, rng)})


def absent_word(question: str) -> str:
    """The word that would tell what such a question asks for; "" if it names none of it."""
    named = [thing for thing in _ALL if re.search(rf"\b{thing}\b", question, re.I)]
    return _ALL[max(named, key=len)] if named else ""
