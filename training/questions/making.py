"""Draws questions from tables, checks their gold, and keeps families and answer types in balance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import duckdb

from agent import prompts
from agent.absence import NOT_ANSWERABLE
from training import verify
from training.problems import Problem
from training.questions import (
    Question,
    absent,
    amounts,
    breakdowns,
    checks,
    dates,
    frequencies,
    lists,
    rankings,
    texts,
    wording,
)
from training.questions.derived import FAMILIES_OF, derived_views
from training.questions.drafts import FAMILIES, Draft, Family, Unfit, need
from training.questions.views import View, plain, read_view

SUBJECTS = (
    absent,
    amounts,
    breakdowns,
    checks,
    dates,
    frequencies,
    lists,
    rankings,
    texts,
)  # importing them registers the families

MOST_OF_TYPE = 0.27  # of all questions
MOST_OF_ONE_TRUTH = 0.58  # of all questions for a yes or no
MOST_OF_TRUTH = 3  # by which True may outnumber False in a family, or the other way round
PER_FAMILY, PER_DERIVED = 2, 1  # questions of one family about one table
SAME_COLUMNS = 2  # tables
_TRIES = 4
# Nearly every table gives these, and people seldom ask for them: each counts double in the balance.
_SELDOM = {
    "any duplicates", "most common numbers", "top distinct values", "all different", "longest name",
    "days covered", "strongest correlation", "count without duplicates", "statistic without duplicates",
    "any with word", "currency any beyond", "percent any beyond",
}  # fmt: skip


@dataclass
class _Balance:
    """What there is so far, families by how much they are to count."""

    families: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    truths: Counter[tuple[str, str]] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)

    def allows(self, family: str, answer_type: str, answer: str) -> bool:
        if answer == NOT_ANSWERABLE:
            return True
        if self.types[answer_type] > MOST_OF_TYPE * (self.types.total() + 20):
            return False
        if answer_type != "boolean":
            return True
        if self.answers[answer] > MOST_OF_ONE_TRUTH * (self.types["boolean"] + 3):
            return False
        other = "False" if answer == "True" else "True"
        return self.truths[family, answer] - self.truths[family, other] < MOST_OF_TRUTH

    def add(self, family: str, answer_type: str, answer: str) -> None:
        self.families[family] += 2 if family in _SELDOM else 1
        if answer == NOT_ANSWERABLE:
            return  # it is of no type
        self.types[answer_type] += 1
        self.truths[family, answer] += 1
        self.answers[answer] += answer_type == "boolean"


def make(
    tables: Sequence[Path], seed: int, per_table: int, work: Path | None, dropped: Counter[str]
) -> list[Question]:
    """See `generate`."""
    questions, balance, seen = [], _Balance(), Counter()
    for number, path in enumerate(tables):
        rng = Random(f"{seed} {number} {path.name}")
        view = read_view(path)
        columns = view and tuple(view.frame.columns)
        if view is None or seen[columns] >= SAME_COLUMNS:
            continue
        seen[columns] += 1
        views = [view, *(derived_views(view, work / f"{number:04}", rng) if work else ())]
        made = _about_table(views, per_table, balance, rng, dropped)
        questions += [_numbered(question, f"own-{number:04}-{i:02}") for i, question in enumerate(made)]
    return questions


def _numbered(question: Question, id: str) -> Question:
    fields = question.problem.__dict__ | {"id": id}
    return Question(Problem(**fields), question.family)


def _about_table(
    views: Sequence[View], per_table: int, balance: _Balance, rng: Random, dropped: Counter[str]
) -> Iterator[Question]:
    """Up to `per_table` questions, of the rarest family first that the table gives one of."""
    pairs = [(view, family) for view in views for family in _families(view)]
    rng.shuffle(pairs)
    asked, failed, wordings = Counter(), Counter(), set()
    connections = {id(view): _connect(view) for view in views}
    while pairs and len(wordings) < per_table:
        view, family = pair = min(pairs, key=lambda pair: balance.families[label(*pair)])
        name = label(view, family)
        try:
            question = _question(view, family, connections[id(view)], balance, rng, dropped)
            need(question.problem.question not in wordings)
        except Unfit:
            failed[pair] += 1
            if failed[pair] == _TRIES:
                pairs.remove(pair)
            continue
        problem = question.problem
        wordings.add(problem.question)
        balance.add(name, problem.answer_type, problem.answer)
        asked[pair] += 1
        if asked[pair] == (PER_FAMILY if view.kind == "plain" else PER_DERIVED):
            pairs.remove(pair)
        yield question
    for connection in connections.values():
        connection.close()


def _families(view: View) -> list[Family]:
    return [FAMILIES[name] for name in FAMILIES_OF.get(view.kind, FAMILIES)]


def label(view: View, family: Family) -> str:
    """What a family is called in the set: with the kind of table, where that makes it another exercise."""
    return family.name if view.kind in ("plain", "duplicates") else f"{view.kind} {family.name}"


def _question(
    view: View,
    family: Family,
    connection: duckdb.DuckDBPyConnection,
    balance: _Balance,
    rng: Random,
    dropped: Counter[str],
) -> Question:
    """One question of the family, its gold checked.

    Raises:
        Unfit: the table gives none, or what was drawn is not clear, in doubt, or of what there is enough.
    """
    draft = family.draw(view, rng)
    answer_type, answer, decimals = settled(draft, rng)
    need(balance.allows(label(view, family), answer_type, answer))
    question = worded(family, draft, answer_type, rng)
    if decimals:
        question = wording.with_rounding(question, decimals, rng)
    if draft.sql and not agrees(draft, connection):
        dropped["pandas and DuckDB disagree"] += 1
        raise Unfit
    problem = Problem("", question, view.paths, answer, answer_type)
    comparison = verify.compare(answer, problem)
    if not (comparison.official and comparison.strict):
        dropped["the gold does not equal itself"] += 1
        raise Unfit
    return Question(problem, label(view, family))


# Gold


def settled(draft: Draft, rng: Random) -> tuple[str, str, int]:
    """The answer's type, its text, and the decimals that the question must tell, 0 for none.

    Raises:
        Unfit: the value could be written, or rounded, in more than one way.
    """
    answer = draft.answer
    if isinstance(answer, bool):
        return "boolean", str(answer), 0
    if isinstance(answer, str):
        need(plain(answer))
        return "category", answer, 0
    values = answer if isinstance(answer, list) else [answer]
    kind = "list[{}]" if isinstance(answer, list) else "{}"
    need(len(values) > (kind != "{}"))
    if isinstance(values[0], str):
        need(all(map(plain, values)))
        return kind.format("category"), str(values), 0
    decimals = _decimals(values, draft.computed, kind != "{}", rng)
    numbers = [_written(value, decimals) for value in values]
    return kind.format("number"), f"[{', '.join(numbers)}]" if kind != "{}" else numbers[0], decimals


def _decimals(values: list, computed: bool, many: bool, rng: Random) -> int:
    """How many decimals to round to; 0 where nothing was computed, or the full value leaves no doubt."""
    if not computed or all(isinstance(value, int) for value in values):
        return 0
    if not many and rng.random() < 0.35 and not _on_edge(values[0]):
        return 0
    return 2 if many or rng.random() < 0.7 else rng.choice((1, 3))


def _on_edge(value: float) -> bool:
    """Whether the last bit of a sum would decide what the official rule, which cuts at two decimals, sees."""
    hundreds = abs(value) * 100
    return not math.isfinite(value) or abs(hundreds - round(hundreds)) < 1e-6 * max(hundreds, 1)


def _written(value: float, decimals: int) -> str:
    need(math.isfinite(value))
    if decimals:
        rounded = round(value, decimals)
        need(rounded or not value)
        need(abs(abs(value) * 10**decimals % 1 - 0.5) > 1e-6)
        text = str(rounded)
    else:
        text = str(int(value)) if float(value).is_integer() else str(value)
    need("e" not in text)
    return text


def agrees(draft: Draft, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether DuckDB gives the draft's answer, floats to one part in a thousand million."""
    try:
        found = [row[0] for row in connection.execute(draft.sql).fetchall()]
    except duckdb.Error:
        return False
    wanted = draft.answer if isinstance(draft.answer, list) else [draft.answer]
    return len(found) == len(wanted) and all(map(_same, found, wanted))


def _same(found: object, wanted: object) -> bool:
    if isinstance(wanted, (bool, str)) or found is None:
        return found == wanted
    return math.isclose(float(found), wanted, rel_tol=1e-9, abs_tol=1e-12)


def _connect(view: View) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    for name, frame in view.files.items():
        connection.register(name, frame)
    return connection


# Words


def worded(family: Family, draft: Draft, answer_type: str, rng: Random) -> str:
    """One of the family's phrasings, filled in, that the core reads as a question for such an answer.

    Raises:
        Unfit: there is none.
    """
    for phrasing in rng.sample(family.phrasings, len(family.phrasings)):
        question = wording.filled(phrasing, draft.slots)
        question = wording.loosened(question, rng)
        if _is_read_so(question, answer_type, draft):
            return question
    raise Unfit


def _is_read_so(question: str, answer_type: str, draft: Draft) -> bool:
    """Whether what the core takes from the wording, yes or no and how many values, is so."""
    if prompts.is_yes_no(question) is (answer_type != "boolean"):
        return False
    many = len(draft.answer) if isinstance(draft.answer, list) else 1
    return draft.answer == NOT_ANSWERABLE or prompts.items_asked(question) in (0, many)
