"""One question's life as a state machine without input or output: what the model saw, said and proved.

    episode = Episode("How many rows?", session.profile())
    action = episode.receive(model_text)        # RunCode | Retry | Done
    episode.observe(session.run(action.code))   # after RunCode
    episode.trajectory()                        # the record, at any time

`episode.messages` is what the model is to be given next; it only ever grows, so that a server's prefix cache
always hits. The demo, the command line, the benchmark and training all drive this same object.

No evidence, no answer: `Answer:` ends the episode as verified only when the last step ran without error and
the value stands in the real output since the last failure, in text that was computed from the data
(`provenance`). That the data does not hold what was asked ends it as "not_answerable", which is not verified,
only where a step looked for it in vain (`absence`). Otherwise the model is told what is missing and goes on
within its limits.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agent import absence, answers, feedback, prompts, protocol, slips
from agent.protocol import FinalAnswer, Malformed, RunCode
from agent.provenance import STATE_LOST, Output, Provenance
from agent.trajectory import Evidence, Trajectory, Turn
from sandbox import Execution, TableProfile

# Room is kept for so many steps to come; hardly an episode needs more.
_FORESEEN_STEPS = 5
# Refused replies that are the same, after which the next one ends the episode.
_MOST_REPEATS = 2


@dataclass(frozen=True)
class EpisodeLimits:
    """What an episode may use. Tokens are the model's; `context_tokens` holds prompt and reply together."""

    max_steps: int = 5
    context_tokens: int = 8192
    reply_tokens: int = 512
    card_tokens: int = 900
    observation_tokens: int = 500

    @property
    def max_turns(self) -> int:
        """Replies, refused ones included."""
        return 2 * self.max_steps + 1


@dataclass(frozen=True)
class Retry:
    """The reply was not accepted; `feedback` has been appended for the model."""

    feedback: str


@dataclass(frozen=True)
class Done:
    """The episode is over; `outcome` as in Trajectory."""

    outcome: str


def mere_looks(turns: Sequence[Turn], tables: Iterable[str]) -> frozenset[int]:
    """The steps that only look at the data, after a refusal had told the model to look, or for a word.

    What they print are rows that no condition chose, or columns' names; a model that is stuck takes its
    answer from them.

    Args:
        tables: Their names in Python.
    """
    told, looks, names = False, set(), {"df", *tables}
    for turn in turns:
        if turn.step and (absence.word_of(turn.code) or (told and slips.only_looks(turn.code, names))):
            looks.add(turn.step)
        names -= slips.bound(turn.code)
        told |= feedback.LOOK_FIRST in turn.feedback
    return frozenset(looks)


@dataclass
class _Step:
    """A step that ran, with its output as far as it was computed."""

    execution: Execution
    output: Output


class Episode:
    """See the module's text.

    Args:
        tables: What the session's `profile()` gave.
        count_tokens: The model's own count of a text.
        after: An earlier episode, whose conversation and Python state go on.
        fresh_state: Whether the Python process is a new one, so that the variables of `after` are gone.

    Raises:
        ValueError: the question is empty.
    """

    def __init__(
        self,
        question: str,
        tables: Sequence[TableProfile],
        limits: EpisodeLimits | None = None,
        *,
        count_tokens: Callable[[str], int] = lambda text: len(text) // 3 + 1,
        after: Episode | None = None,
        fresh_state: bool = False,
    ):
        self.question = question.strip()
        if not self.question:
            raise ValueError("The question is empty: ask something about the tables.")
        self.tables = tuple(tables)
        self.limits = limits or EpisodeLimits()
        self.outcome = ""
        self._count = count_tokens
        self._turns: list[Turn] = []
        self._steps: list[_Step] = []
        self._codes = list(after._codes) if after and not fresh_state else []  # of all steps on this state
        self._answer, self._summary = "", ""
        self._evidence: Evidence | None = None
        self._pending: Turn | None = None
        self._asked = [*after._asked, after._recap()] if after else []
        sources = {table.name: table.source for table in self.tables}
        self._provenance = after._provenance if after and not fresh_state else Provenance(sources)
        self._messages: list[prompts.Message] = []
        self._tokens = 0
        self._open(after, fresh_state)

    @property
    def messages(self) -> list[prompts.Message]:
        """The conversation so far; the next reply is the model's unless the episode is done."""
        return list(self._messages)

    @property
    def done(self) -> bool:
        return bool(self.outcome)

    @property
    def steps(self) -> int:
        return len(self._steps)

    @property
    def stuck(self) -> int:
        """How many replies in a row were refused: a greedy model would most likely repeat the last."""
        return len(list(itertools.takewhile(lambda turn: not turn.step, reversed(self._turns))))

    def receive(self, text: str) -> RunCode | Retry | Done:
        """Takes the model's reply: code is to be run and given to `observe`; an answer is checked.

        Raises:
            RuntimeError: the episode is over, or the code of the last reply was not observed yet.
        """
        if self.done or self._pending:
            raise RuntimeError("The episode is over." if self.done else "observe() must come first.")
        text = protocol.restore_fence(text)
        self._say("assistant", text)
        reply = protocol.parse(text)
        turn = Turn(
            text,
            {RunCode: "code", FinalAnswer: "answer", Malformed: "malformed"}[type(reply)],
            code=reply.code if isinstance(reply, RunCode) else "",
            answer=reply.answer if isinstance(reply, FinalAnswer) else "",
            forgiven=tuple(reply.forgiven),
            fabricated=reply.fabricated,
        )
        match reply:
            case RunCode(code=code):
                return self._receive_code(turn, reply, code)
            case FinalAnswer():
                return self._receive_answer(turn, reply)
            case _:
                return self._refuse(turn, feedback.NEITHER)

    def observe(self, execution: Execution) -> None:
        """Records what really happened when the last reply's code was run."""
        if not self._pending:
            raise RuntimeError("No code is waiting to be observed.")
        turn, self._pending = self._pending, None
        self._steps.append(_Step(execution, self._provenance.output(execution)))
        self._codes.append(execution.code)
        told = feedback.observation(
            execution,
            self.steps,
            self.question,
            self.tables,
            before=[step.execution for step in self._steps[:-1]],
            last=self.steps >= self.limits.max_steps,
            budget=self._observation_budget(),
            count_tokens=self._count,
        )
        self._record(turn, told, step=self.steps, execution=execution)
        if self._room() < 0:
            # An answer that was refused on the way is none.
            self.outcome, self._answer, self._summary = "no_answer", "", ""

    def stop(self, outcome: str = "stopped", summary: str = "") -> Done:
        """Ends the episode from outside: the user's Stop, or "failed" with the model's error as summary."""
        if not self.done:
            if self._pending:
                self._turns.append(self._pending)
                self._pending = None
            self.outcome, self._summary = outcome, summary
        return Done(self.outcome)

    def trajectory(self, **run) -> Trajectory:
        """The record so far; keywords go into `Trajectory.run`."""
        return Trajectory(
            question=self.question,
            tables=tuple({"name": t.name, "source": t.source, "load": t.load} for t in self.tables),
            messages=tuple(self._messages),
            turns=tuple(self._turns),
            outcome=self.outcome or "stopped",
            answer=self._answer,
            summary=self._summary,
            evidence=self._evidence,
            run=run,
        )

    # Opening

    def _open(self, after: Episode | None, fresh_state: bool) -> None:
        if after and after._tokens + self._count(self.question) < self.limits.context_tokens // 2:
            self._messages, self._tokens = list(after._messages), after._tokens
            if self._messages[-1]["role"] == "user":  # stopped before the model could reply
                self._say("assistant", "(stopped)")
            note = feedback.VARIABLES_GONE if fresh_state else ""
            self._say("user", prompts.question_message(self.question, note))
            return
        for message in prompts.opening_messages():
            self._say(message["role"], message["content"])
        room = self.limits.context_tokens - self._tokens - self.limits.reply_tokens
        budget = max(min(self.limits.card_tokens, room // 2), 100)
        card = prompts.table_card(self.tables, self.question, budget, self._count)
        if self._asked:
            card += "\n\n" + prompts.clip(prompts.earlier_message(self._asked[-6:]), budget, self._count)
        self._say("user", prompts.question_message(self.question, card))

    def _recap(self) -> tuple[str, str]:
        return self.question, f"Answer: {self._answer}" if self._answer else "(not answered)"

    # Replies

    def _receive_code(self, turn: Turn, reply: RunCode, code: str) -> RunCode | Retry | Done:
        if self.steps >= self.limits.max_steps:
            return self._refuse(turn, feedback.NO_STEPS_LEFT)
        if again := self._run_before(code):
            if not again.error and self.steps in self._mere_looks():
                return self._refuse(turn, f"{feedback.ONLY_LOOKED} {feedback.reminder(self.question)}")
            return self._refuse(turn, feedback.same_code(again, self.question, self.tables))
        self._pending = turn
        return reply

    def _run_before(self, code: str) -> Execution | None:
        """The execution of this very code, if to run it again would most likely come to the same."""
        for number, step in enumerate(reversed(self._steps)):
            execution = step.execution
            if execution.error and execution.error.kind in STATE_LOST:
                return None
            # Other code has run since: what went well may come to something else now.
            if execution.code.strip() == code.strip() and (execution.error or not number):
                return execution
        return None

    def _receive_answer(self, turn: Turn, reply: FinalAnswer) -> Retry | Done:
        self._answer, self._summary = reply.answer, reply.summary
        wrong_shape = self._wrong_shape(reply.answer)
        self._evidence = None
        if not wrong_shape:
            self._evidence = self._find_evidence(reply.answer) or self._find_absence(reply.answer)
        if self._evidence:
            self._turns.append(turn)
            self.outcome = "not_answerable" if self._evidence.missing else "verified"
            return Done(self.outcome)
        return self._refuse(turn, wrong_shape or self._what_is_missing(reply.answer))

    def _wrong_shape(self, answer: str) -> str:
        """What to tell a model that answers "which" with True, or "is it" with a name; "" if all is well."""
        yes_no, boolean = prompts.is_yes_no(self.question), answers.parse(answer, "boolean") is not None
        if not self._steps or self._steps[-1].execution.error:
            return ""
        if yes_no and not boolean:
            return feedback.YES_OR_NO
        # Yes and No can be values of a column.
        literal = answer.strip("'\"`. ").casefold() in ("true", "false")
        if yes_no is False and literal:
            return feedback.NOT_YES_OR_NO
        asked = 0 if absence.says_so(answer) else prompts.items_asked(self.question)
        if asked > 1 and not re.search(r"[,\n\[]", answer):
            return feedback.too_few(asked, self._steps[-1].execution)
        return ""

    def _find_evidence(self, answer: str) -> Evidence | None:
        """The newest step since the last failure whose computed output holds the answer."""
        looks = self._mere_looks()
        for number in range(len(self._steps), 0, -1):
            step = self._steps[number - 1]
            if step.execution.error:
                return None
            if number in looks:
                continue
            if matches := step.output.find(answer, self.question):
                numbers = tuple(sorted({match.line for match in matches}))
                lines = step.execution.stdout.split("\n")
                return Evidence(number, numbers, tuple(lines[i] for i in numbers))
        return None

    def _find_absence(self, answer: str) -> Evidence | None:
        """The newest step that looked in vain for what was asked, if the answer says that there is none."""
        if not absence.says_so(answer):
            return None
        earlier = len(self._codes) - len(self._steps)
        for number in range(len(self._steps), 0, -1):
            execution, before = self._steps[number - 1].execution, self._codes[: earlier + number - 1]
            if word := absence.missing_word(execution, before, self.question, self.tables):
                return Evidence(number, (0,), (execution.stdout.split("\n")[0],), word)
        return None

    def _mere_looks(self) -> frozenset[int]:
        return mere_looks(self._turns, (table.name for table in self.tables))

    def _what_is_missing(self, answer: str) -> str:
        if not self._steps:
            return feedback.NOTHING_RAN
        last = self._steps[-1].execution
        if last.error:
            return feedback.LAST_STEP_FAILED
        if absence.says_so(answer):
            return f"{feedback.NOT_SHOWN_TO_LACK} {feedback.reminder(self.question)}"
        if not last.stdout.strip():
            return f"{feedback.NOTHING_PRINTED} {feedback.reminder(self.question)}"
        if self.steps in self._mere_looks():
            return f"{feedback.ONLY_LOOKED} {feedback.reminder(self.question)}"
        stated = bool(answers.find(answer, last.stdout))
        return feedback.not_in_output(answer, stated, last.stdout)

    def _refuse(self, turn: Turn, told: str) -> Retry | Done:
        """Tells the model what is missing, or ends the episode: it repeats itself, or no turns are left."""
        before = [earlier.text for earlier in self._turns[-_MOST_REPEATS:] if not earlier.step]
        repeated = before == [turn.text] * _MOST_REPEATS
        if repeated or len(self._turns) + 1 >= self.limits.max_turns or self._room() < 0:
            self._turns.append(turn)
            self.outcome = "unverified" if self._answer else "no_answer"
            return Done(self.outcome)
        self._record(turn, told)
        return Retry(told)

    def _record(self, turn: Turn, told: str, **changes) -> None:
        self._turns.append(Turn(**{**turn.__dict__, "feedback": told, **changes}))
        self._say("user", told)

    # Budgets

    def _say(self, role: str, content: str) -> None:
        self._messages.append({"role": role, "content": content})
        self._tokens += self._count(content) + 8  # a chat template adds about this for each message

    def _room(self) -> int:
        """Tokens left for observations once the next reply has been reserved."""
        return self.limits.context_tokens - self._tokens - self.limits.reply_tokens

    def _observation_budget(self) -> int:
        """An even share of what is left, so that the outputs of the steps to come still fit."""
        turns_left = min(max(self.limits.max_steps - self.steps, 0), _FORESEEN_STEPS) + 1
        share = (self._room() - self.limits.reply_tokens * (turns_left - 1)) // turns_left
        return max(min(self.limits.observation_tokens, share), 40)
