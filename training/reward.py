"""What a trajectory is worth to training, in named parts.

    reward = compute_trajectory_reward(trajectory, problem)
    reward.total, reward.correct

WEIGHTS is the only place for numbers. They put trajectories into this order:

    right, clean > right, stumbling > wrong but honest > no answer > anything with a made-up result

where right means computed: the answer must stand in real output that depends on the data, must not be written
in the code (`agent.provenance`), and must not be the model's choice (`training.chosen`). That the data holds
no answer is right where it holds none and a step looked in vain (`agent.absence`); elsewhere it earns less
than a wrong answer. A guess that these see earns no more when it is right than when it is wrong. Among what
is not seen, and paid when right, are a choice by another condition on data that always holds (`"Rex" if
df.Name.nunique() else "Mia"`), arithmetic with another figure than a size (`df.Name.nunique() + 47`), a size
beside a number of the question's (`len(df) < 10` where 10 kg are asked for), a value picked by its place
(`df.Name[0]`), and what is read by eye: items of a list, one value where the same step computes something
too, or one of a column that code chose (`df[df.columns[0]]`).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import astuple, dataclass

from agent import Trajectory, absence
from agent.absence import NOT_ANSWERABLE
from agent.provenance import Output
from training.chosen import without_choices
from training.problems import Problem
from training.verify import Verdict, computed_outputs, reads, verify

# Penalties are per event, up to the limit beside them. Both limits together are smaller than what an honest
# wrong answer earns, and a made-up result costs more than all that can be earned and all other penalties.
WEIGHTS = {"executed": 0.2, "parseable": 0.3, "correct": 1.0, "fabricated": -1.8}
STUMBLE_COST, MOST_STUMBLES = 0.03, 4
RAMBLE_COST, MOST_RAMBLES = 0.03, 4
# Text beside code that one reply may hold; a Summary and a word about the plan fit in.
PROSE_CHARACTERS = 500
# An answer longer than this, and than the known one by far, is a dump.
ANSWER_CHARACTERS = 200

_DUMP = re.compile(r"\bdtypes?\b|\b(?:Range)?Index\(|\bDataFrame\b|<class |\bName: |Data columns")


@dataclass(frozen=True)
class Reward:
    """The weighted parts; each is 0.0 where it does not apply.

    Attributes:
        executed: A step computed something from the data without error, or looked in vain for what is asked.
        parseable: The answer reads as the expected type, is no dump, and was computed.
        correct: It is right besides, by the strict rule.
        fabricated: Penalty for results that the model made up.
        stumbles: Penalty for failed steps and refused replies.
        rambling: Penalty for a dump as answer, repeated code and padding.
    """

    executed: float = 0.0
    parseable: float = 0.0
    correct: float = 0.0
    fabricated: float = 0.0
    stumbles: float = 0.0
    rambling: float = 0.0

    @property
    def total(self) -> float:
        """The sum of the parts."""
        return sum(astuple(self))


def compute_trajectory_reward(
    trajectory: Trajectory, problem: Problem, require_real_execution: bool = True
) -> Reward:
    """The reward of one trajectory. Everything counted was found by the host; no model is asked.

    Args:
        require_real_execution: Whether an answer earns only what execution supports. False shows what a
            reward without that condition would pay for a guess; never train with it.
    """
    verdict = verify(trajectory, problem)
    computed = verdict.grounded and verify(without_choices(trajectory, problem), problem).grounded
    looked = _looked_in_vain(trajectory)
    absent = looked and problem.answer == NOT_ANSWERABLE
    supported = computed or absent or not require_real_execution
    parseable = supported and reads(trajectory.answer, problem) and not _is_dump(trajectory.answer, problem)
    stumbles = min(_stumbles(trajectory, verdict), MOST_STUMBLES)
    rambles = min(_rambles(trajectory, problem), MOST_RAMBLES)
    return Reward(
        executed=WEIGHTS["executed"] if looked or any(map(_has_text, computed_outputs(trajectory))) else 0.0,
        parseable=WEIGHTS["parseable"] if parseable else 0.0,
        correct=WEIGHTS["correct"] if parseable and verdict.strict else 0.0,
        fabricated=WEIGHTS["fabricated"] if trajectory.hallucinated_results else 0.0,
        stumbles=0.0 - STUMBLE_COST * stumbles,
        rambling=0.0 - RAMBLE_COST * rambles,
    )


def _looked_in_vain(trajectory: Trajectory) -> bool:
    """Whether the answer is that there is none, after a step that looked for a word and printed no column."""
    looks = (one for one in trajectory.executions if not one.error and absence.word_of(one.code))
    return trajectory.outcome == "not_answerable" and any(one.stdout.strip() == "[]" for one in looks)


def _has_text(output: Output | None) -> bool:
    return output is not None and bool(output.text.strip())


def _stumbles(trajectory: Trajectory, verdict: Verdict) -> int:
    """Steps that failed and replies that led to nothing."""
    turns = trajectory.turns
    ended = verdict.grounded or _looked_in_vain(trajectory)
    accepted = bool(turns) and turns[-1].action == "answer" and ended
    return sum(turn.execution is None or turn.execution.error is not None for turn in turns) - accepted


def _rambles(trajectory: Trajectory, problem: Problem) -> int:
    codes = [_canonical(turn.code) for turn in trajectory.turns if turn.code]  # run or refused
    repeated = len(codes) - len(set(codes))
    padded = sum(_prose(turn.text, turn.code) // PROSE_CHARACTERS for turn in trajectory.turns)
    return _is_dump(trajectory.answer, problem) + repeated + padded


def _is_dump(answer: str, problem: Problem) -> bool:
    longest = max(ANSWER_CHARACTERS, 3 * len(problem.answer))
    return bool(_DUMP.search(answer)) or len(answer) > longest


def _canonical(code: str) -> str:
    """The code without its comments and its own layout."""
    try:
        return ast.unparse(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code


def _prose(text: str, code: str) -> int:
    """Characters of a reply that are not code; comments, and texts that code only states, are not code."""
    return max(len(text) - len(code) + _remarks(code), 0)


def _remarks(code: str) -> int:
    try:
        nodes = list(ast.walk(ast.parse(code)))
        tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return sum(len(line) for line in code.split("\n") if line.lstrip().startswith("#"))
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    stated = [node.value for node in nodes if isinstance(node, ast.Expr)]
    texts = [ast.unparse(text) for text in stated if isinstance(text, ast.Constant | ast.JoinedStr)]
    return sum(map(len, comments + texts))
