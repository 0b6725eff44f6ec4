"""Which right answers are worth learning: the Summary states the answer, and the code does what was asked.

    objection("How many dogs?", "2", "number", "print(len(dogs))", "There are 2 dogs.")     # ""
    objection("How many dogs?", "2", "number", "print(len(dogs))", "No steps are left.")    # why not

No comparison of answers tells a model that was lucky, or that says something else than it found.
"""

from __future__ import annotations

import re

from agent import answers

# Words of three letters or more that any question and any Summary may share.
_COMMON = re.compile(
    r"the|are|was|has|had|did|does|for|and|any|how|who|its|not|that|this|there|these|with|from|have|were|been|"
    r"what|which|when|where|they|many|more|most|answer|question"
)
_NEGATION = re.compile(
    r"\b(?:no|not|none|never|neither|nor|nobody|nothing|false|fewer|less|lower|smaller|below|under|different|"
    r"without)\b|n't\b"
)
_READS = re.compile(r"\bread_(?:csv|excel|parquet|json|table)\(|\bopen\(")
_MOST_NAMED = 4  # items of a list that a Summary must name; of longer ones it may speak as a whole
# What a question names, and what code that works it out must hold.
_MEANS = (
    (r"\b(?:average|mean)\b", r"mean|average|avg|sum"),
    (r"\bmedian\b", r"median|quantile"),
    (r"\btotal\b|\bsum of\b", r"sum|total|len|count|shape|size"),
    (r"\b(?:unique|distinct)\b", r"unique|distinct|duplicate|set\(|value_counts|groupby"),
    (r"\bpercent(?:age)?\b|\bproportion\b", r"/|mean|normalize|percent|proportion|pct|share|rate"),
    (r"\bcorrelat", r"corr"),
)


def objection(question: str, answer: str, answer_type: str, code: str, summary: str) -> str:
    """Why it is not worth learning, as half a sentence; "" if it is.

    Args:
        answer: In its type's form.
    """
    if not _speaks_of(question, summary) or not _states(answer, answer_type, summary, question):
        return "Summary does not state the answer"
    if not _could_answer(question, code):
        return "code does not work out what is asked for"
    if _READS.search(code):
        return "code reads a file, though the tables are loaded"
    return ""


def _speaks_of(question: str, summary: str) -> bool:
    return bool(_stems(question) & _stems(summary))


def _stems(text: str) -> set[str]:
    """The beginnings of the words that say what it is about."""
    words = re.findall(r"\w{3,}", text.casefold())
    return {word.rstrip("s")[:4] for word in words if not _COMMON.fullmatch(word)}


def _states(answer: str, answer_type: str, summary: str, question: str) -> bool:
    """Whether the Summary names the value; for a yes or no, whether it does not say the opposite."""
    if answer_type == "boolean":
        return _denies(summary, question) == (answer == "False")
    if answer_type == "number" and answers.parse(answer, "number").value == 0:
        return bool(re.search(r"\b(?:0|0\.0|no|none|zero)\b", summary, re.I))
    named = [answer]
    if answer_type.startswith("list"):
        items = answers.parse(answer, "list[category]")
        named = items if len(items) <= _MOST_NAMED else []
    return all(answers.find(value, summary) for value in named)


def _denies(summary: str, question: str) -> bool:
    """Whether the Summary holds a negation, or the like, that the question does not hold."""
    asked = {match[0] for match in _NEGATION.finditer(question.casefold())}
    return any(match[0] not in asked for match in _NEGATION.finditer(summary.casefold()))


def _could_answer(question: str, code: str) -> bool:
    asked, written = question.casefold(), code.casefold()
    return all(re.search(code_words, written) for words, code_words in _MEANS if re.search(words, asked))
