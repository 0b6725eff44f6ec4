"""The record of an episode: what was said, what was run, and what the answer rests on.

    Trajectory.from_json(trajectory.to_json())      # its stable form, one object a line in a file

Who writes it is the host: of a model's text it holds what was said, never what came of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from sandbox import Execution


@dataclass(frozen=True)
class Evidence:
    """Where the answer stands: the step (1-based) and the lines of its real output (0-based numbers).

    `missing`: for "not_answerable", the word of the question that the step looked for in vain.
    """

    step: int
    line_numbers: tuple[int, ...]
    lines: tuple[str, ...]
    missing: str = ""

    @classmethod
    def from_json(cls, data: dict) -> Evidence:
        lines = tuple(data["line_numbers"]), tuple(data["lines"])
        return cls(data["step"], *lines, data.get("missing", ""))


@dataclass(frozen=True)
class Turn:
    """One reply of the model and what came of it.

    `step` is the 1-based number of the execution that it led to, 0 when nothing was run. `feedback` is what
    the model was told next, "" after the last turn.
    """

    text: str
    action: str  # "code", "answer" or "malformed"
    code: str = ""
    answer: str = ""
    step: int = 0
    execution: Execution | None = None
    feedback: str = ""
    forgiven: tuple[str, ...] = ()
    fabricated: int = 0


@dataclass(frozen=True)
class Trajectory:
    """The whole record of an episode; `to_json` is its stable form, one object a line in a file.

    `outcome`: "verified", "unverified" (an answer without evidence), "not_answerable" (a step looked in vain
    for what was asked), "no_answer" (limits reached), "stopped" (by the user) or "failed" (the model gave an
    error, told in `summary`).
    """

    question: str
    tables: tuple[dict, ...]  # {"name", "source", "load"}: Python name, file, and code that reads it
    messages: tuple[dict, ...]
    turns: tuple[Turn, ...]
    outcome: str
    answer: str = ""
    summary: str = ""
    evidence: Evidence | None = None
    run: dict = field(default_factory=dict)  # model, digest, seed, times in seconds; filled by agent.run

    @property
    def verified(self) -> bool:
        return self.outcome == "verified"

    @property
    def executions(self) -> tuple[Execution, ...]:
        return tuple(turn.execution for turn in self.turns if turn.execution)

    @property
    def exec_ok(self) -> bool:
        """Whether at least one step ran without error."""
        return any(execution.error is None for execution in self.executions)

    @property
    def hallucinated_results(self) -> int:
        """How many outputs the model made up; they were cut."""
        return sum(turn.fabricated for turn in self.turns)

    def to_json(self) -> dict:
        turns = [
            asdict(turn) | {"execution": turn.execution.to_json() if turn.execution else None}
            for turn in self.turns
        ]
        return {
            "question": self.question,
            "answer": self.answer,
            "summary": self.summary,
            "outcome": self.outcome,
            "verified": self.verified,
            "exec_ok": self.exec_ok,
            "evidence": asdict(self.evidence) if self.evidence else None,
            "steps": len(self.executions),
            "hallucinated_results": self.hallucinated_results,
            "tables": list(self.tables),
            "turns": turns,
            "messages": list(self.messages),
            "run": self.run,
        }

    @classmethod
    def from_json(cls, data: dict) -> Trajectory:
        evidence = data["evidence"]
        return cls(
            question=data["question"],
            tables=tuple(data["tables"]),
            messages=tuple(data["messages"]),
            turns=tuple(_turn_from_json(turn) for turn in data["turns"]),
            outcome=data["outcome"],
            answer=data["answer"],
            summary=data["summary"],
            evidence=Evidence.from_json(evidence) if evidence else None,
            run=data["run"],
        )


def _turn_from_json(data: dict) -> Turn:
    execution = data["execution"] and Execution.from_json(data["execution"])
    return Turn(**{**data, "execution": execution, "forgiven": tuple(data["forgiven"])})
