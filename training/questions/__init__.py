"""Questions of our own over any tables, with gold that is computed twice.

    questions = generate(paths, seed=0, per_table=25, work=Path("build/own_tables"))
    questions[0].problem, questions[0].family

About 100 families (`amounts`, `rankings`, `frequencies`, `lists`, `breakdowns`, `checks`, `dates`, `texts`)
draw a question each from the columns that fit it, and compute its gold with pandas. The same question as SQL
is put to DuckDB over the file as the sandbox reads it; where the two disagree the question is dropped. So is
every question that has two right answers: ties that it does not tell how to break, names that differ only in
capitals, numbers on the edge of rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.problems import Problem


@dataclass(frozen=True)
class Question:
    """A problem of our own and the family of questions that it comes from."""

    problem: Problem
    family: str


def generate(
    tables: Sequence[Path],
    seed: int,
    per_table: int,
    work: Path | None = None,
    dropped: Counter[str] | None = None,
) -> list[Question]:
    """Questions over the tables, balanced over families and answer types; the same for the same arguments.

    Files that hold several tables, or a table too small, too large or too wide to ask about, are passed over;
    of tables with the same columns only a few are asked about.

    Args:
        tables: Data files of any kind that the sandbox reads.
        per_table: The most questions about one file, what is derived from it included.
        work: Where derived tables are written: amounts as text, two tables that join, duplicate rows. None
            leaves them out.
        dropped: Counts here, by reason, the questions that were drawn and dropped.
    """
    # Here, because pandas and DuckDB take their time to import.
    from training.questions.making import make

    return make(tables, seed, per_table, work, Counter() if dropped is None else dropped)
