"""Records as HTML. Whatever a model, a file or a person wrote is escaped here, and figures are re-encoded.

Every function returns a piece of HTML for `gr.HTML`, which cleans nothing itself.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from agent import absence, answers, protocol
from agent.models import Model, ModelError, Progress
from agent.models.progress import TITLES
from agent.trajectory import Trajectory, Turn
from page import pictures
from page.gallery import Example
from page.visit import View
from sandbox import ColumnLook, ColumnProfile, Execution, Preview, TableLook, TableProfile

PREVIEW_COLUMNS = 40
LISTED_COLUMNS = 60
DRAFT_CHARS = 6_000

_PHASES = {
    "waiting": "Waiting for the model",
    "reading": "Reading the files again",
    "thinking": "Thinking",
    "writing": "Writing",
    "running": "Running the code",
}
_ENDINGS = {
    "no_answer": ("No answer was found.", "Try a narrower question, or name the column that you mean."),
    "stopped": ("Stopped.", "Ask again whenever you like."),
    "failed": ("This did not work.", ""),
}

OPENING = (
    '<div class="ds-opening"><h1>Ask a question of your data.</h1>'
    "<p>DataSense writes Python, runs it for real, reads what came back, "
    "and claims only what that output confirms.</p></div>"
)
GALLERY_TITLE = '<h3 class="ds-gallery-title">Or open an example</h3>'
FOOT = (
    '<p class="ds-quiet">Code runs in a process of your own, which ends with your visit. '
    "Models make mistakes: read the steps.</p>"
)


def view(shown: View, note: str = "") -> tuple[str, str, str]:
    """The question with its answer card or state, the steps that are over, and the one that is being made.

    Args:
        note: one line under the answer, as where it was recorded.
    """
    record = shown.trajectory
    turns = record.turns if record else ()
    if shown.phase == "done":
        return _question(shown.question) + answer_card(record, note), steps(record), ""
    state = f"{_PHASES[shown.phase]}"
    if shown.phase in ("writing", "running"):
        state = f"Step {sum(bool(turn.execution) for turn in turns) + 1} · {state.lower()}"
    status = f'<p class="ds-state" role="status"><i></i>{state}<span>{shown.seconds:.0f} s</span></p>'
    return _question(shown.question) + status, steps(record) if record else "", _draft(shown)


def answer_card(record: Trajectory, note: str = "") -> str:
    """The answer, what it rests on, and where that was found."""
    foot = f'<p class="ds-note">{escape(note)}</p>' if note else ""
    if record.outcome in _ENDINGS:
        title, advice = _ENDINGS[record.outcome]
        why = record.summary if record.outcome == "failed" else advice
        return (
            f'<article class="ds-card ds-none"><p class="ds-ending">{title}</p>'
            f"<p>{escape(why)}</p>{foot}</article>"
        )
    summary = f'<p class="ds-summary">{escape(record.summary)}</p>' if record.summary else ""
    kind, proof = _proof(record)
    return f'<article class="ds-card ds-{kind}">{_value(record.answer)}{summary}{proof}{foot}</article>'


def _proof(record: Trajectory) -> tuple[str, str]:
    """The kind of the card, and what the answer rests on."""
    match record.outcome:
        case "verified":
            return "verified", _evidence(record)
        case "not_answerable":
            return "unverified", _absence(record)
    return "unverified", _UNVERIFIED


_UNVERIFIED = (
    '<p class="ds-badge">Unverified</p>'
    '<p class="ds-why">This value was not found in any real output. Do not rely on it.</p>'
)


def _evidence(record: Trajectory) -> str:
    found = record.evidence
    lines = "\n".join(found.lines)
    marked = _marked(lines, record.answer)
    return (
        f'<p class="ds-badge">Verified: found in step {found.step}’s output</p>'
        f'<pre class="ds-evidence">{marked}</pre>'
    )


def _absence(record: Trajectory) -> str:
    return (
        '<p class="ds-badge">Not verified: looked for in vain</p>'
        f'<p class="ds-why">{escape(absence.said(record.evidence))} '
        "It may still be there under another name.</p>"
    )


def _marked(text: str, answer: str) -> str:
    """The text escaped, with the places where the answer stands in <mark>."""
    shown = []
    matches = answers.find(answer, text)
    for number, line in enumerate(text.split("\n")):
        parts, after = [], 0
        for match in sorted((m for m in matches if m.line == number), key=lambda m: m.start):
            found = line[match.start : match.end]
            parts.append(f"{escape(line[after : match.start])}<mark>{escape(found)}</mark>")
            after = match.end
        shown.append("".join(parts) + escape(line[after:]))
    return "\n".join(shown)


def _value(answer: str) -> str:
    value = answers.parse(answer)
    if isinstance(value, tuple) and value and all(isinstance(item, str) for item in value):
        items = "".join(f"<li>{escape(item)}</li>" for item in value)
        return f'<ol class="ds-value ds-list">{items}</ol>'
    size = " ds-long" if len(answer) > 60 else ""
    return f'<p class="ds-value{size}">{escape(answer)}</p>'


def _question(question: str) -> str:
    return f'<h2 class="ds-question">{escape(question)}</h2>'


# Steps


def steps(record: Trajectory) -> str:
    """Every reply that is over, in order: code with its real output, or an answer that was sent back."""
    turns = record.turns
    if record.outcome in ("verified", "unverified", "not_answerable") and turns[-1].action == "answer":
        turns = turns[:-1]  # it stands in the card
    parts = [_turn(turn, record) for turn in turns]
    return f'<div class="ds-steps">{"".join(parts)}</div>' if parts else ""


def _turn(turn: Turn, record: Trajectory) -> str:
    if turn.execution:
        found = record.evidence.line_numbers if _holds_evidence(turn, record) else ()
        return _step(turn.step, turn.execution, found)
    if turn.action == "code":
        return _fold("Not run", turn.code, open_=False)
    what = f"Proposed answer “{turn.answer}”" if turn.answer else "A reply without code or answer"
    return f'<p class="ds-sent-back"><b>{escape(what)} was sent back.</b> {escape(turn.feedback)}</p>'


def _holds_evidence(turn: Turn, record: Trajectory) -> bool:
    return record.evidence is not None and record.evidence.step == turn.step


def _step(number: int, execution: Execution, found: Sequence[int]) -> str:
    failed = " ds-failed" if execution.error else ""
    title = f"Step {number}<span>{'failed after ' if failed else ''}{_time(execution.seconds)}</span>"
    parts = [_fold(title, execution.code, open_=True)]
    if execution.stdout.strip():
        parts.append(f'<pre class="ds-output">{_output(execution.stdout, found)}</pre>')
    if execution.error:
        error = execution.error
        parts.append(f'<p class="ds-fault"><b>{escape(error.kind)}</b> {escape(error.message)}</p>')
    for place, png in enumerate(execution.figures, 1):
        if source := _figure(png):
            parts.append(f'<img class="ds-figure" alt="Figure {place} of step {number}" src="{source}">')
    if not (execution.stdout.strip() or execution.error or execution.figures):
        parts.append('<p class="ds-quiet">No output.</p>')
    return f'<section class="ds-step{failed}">{"".join(parts)}</section>'


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"


def _fold(title: str, code: str, *, open_: bool) -> str:
    state = " open" if open_ else ""
    return f"<details{state}><summary>{title}</summary><pre>{_python(code)}</pre></details>"


def _output(stdout: str, found: Sequence[int]) -> str:
    lines = [escape(line) for line in stdout.rstrip().split("\n")]
    for number in found:
        if number < len(lines):
            lines[number] = f"<mark>{lines[number]}</mark>"
    return "\n".join(lines)


def _draft(shown: View) -> str:
    code = shown.draft if shown.phase == "running" else protocol.draft(shown.draft)
    if code.strip():
        body = f"<pre>{_python(code[-DRAFT_CHARS:])}</pre>"
    elif shown.draft.strip():
        body = f'<p class="ds-prose">{escape(shown.draft[-DRAFT_CHARS:])}</p>'
    else:
        return ""
    return f'<div class="ds-steps"><section class="ds-step ds-live">{body}</section></div>'


def _python(code: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(code, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).rstrip("\n")


def _figure(png: bytes) -> str:
    """A data address of the picture, "" where it is none."""
    drawn = pictures.drawn_anew(png)
    return f"data:image/png;base64,{base64.b64encode(drawn).decode()}" if drawn else ""


def past(records: Sequence[Trajectory]) -> str:
    """What was asked before, the newest first, folded."""
    if not records:
        return ""
    parts = [
        f"<details><summary>{escape(record.question)}<span>{escape(_in_short(record))}</span></summary>"
        f"{answer_card(record)}{steps(record)}</details>"
        for record in reversed(records)
    ]
    return f'<section class="ds-past"><h3>Asked before</h3>{"".join(parts)}</section>'


def _in_short(record: Trajectory) -> str:
    if record.outcome in _ENDINGS:
        return _ENDINGS[record.outcome][0]
    text = record.answer if len(record.answer) <= 60 else record.answer[:59] + "…"
    return text if record.verified else f"{text} · unverified"


# Tables


def tables(
    profiles: Sequence[TableProfile], previews: Sequence[Preview], looks: Sequence[TableLook] = ()
) -> str:
    """Each table: name, shape, what reading decided, what to beware of, its columns, its first rows."""
    by_name = {look.name: look for look in looks}
    return "".join(
        _table(profile, preview, by_name.get(profile.name, TableLook(profile.name, ())))
        for profile, preview in zip(profiles, previews, strict=True)
    )


def _table(profile: TableProfile, preview: Preview, look: TableLook) -> str:
    missing = sum(column.missing for column in profile.columns)
    about = [
        f"{profile.rows:,} {'row' if profile.rows == 1 else 'rows'}",
        f"{len(profile.columns):,} {'column' if len(profile.columns) == 1 else 'columns'}",
        f"{missing:,} {'cell' if missing == 1 else 'cells'} missing" if missing else "nothing missing",
        *([profile.note] if profile.note else []),
    ]
    return (
        f'<section class="ds-table"><h3>{escape(profile.source)}<span>{escape(" · ".join(about))}</span></h3>'
        f"{_beware(look)}{_joined(profile)}"
        f"<details><summary>Columns</summary>{_columns(profile, look)}</details>"
        f"<details><summary>{_extent(profile, preview)}</summary>{_rows(preview)}</details></section>"
    )


def _beware(look: TableLook) -> str:
    items = "".join(f"<li>{escape(warning)}</li>" for warning in look.warnings)
    return f'<ul class="ds-beware">{items}</ul>' if items else ""


def _joined(profile: TableProfile) -> str:
    parts = [f"{', '.join(join.columns)} ↔ {join.table}: {', '.join(join.others)}" for join in profile.joins]
    return f'<p class="ds-quiet">Joins by {escape("; ".join(parts))}</p>' if parts else ""


def _extent(profile: TableProfile, preview: Preview) -> str:
    return f"First {len(preview.rows)} rows" if len(preview.rows) < profile.rows else "All rows"


def _columns(profile: TableProfile, look: TableLook) -> str:
    spreads = {column.name: column for column in look.columns}
    shown = profile.columns[:LISTED_COLUMNS]
    rows = "".join(_column(column, profile.rows, spreads.get(column.name)) for column in shown)
    left = len(profile.columns) - LISTED_COLUMNS
    more = f'<p class="ds-quiet">and {left:,} more columns</p>' if left > 0 else ""
    names = ("Name", "Type", "Missing", "Different", "Spread", "Values")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="ds-scroll" tabindex="0">{table}</div>{more}'


def _column(column: ColumnProfile, rows: int, spread: ColumnLook | None) -> str:
    missing = f"{column.missing:,} ({column.missing / rows:.0%})" if column.missing else "–"
    if column.minimum is not None:
        values = f"{column.minimum} to {column.maximum}"
    else:
        values = ", ".join(column.values) + (", …" if column.distinct > len(column.values) else "")
    words = f"How often values of {column.name} come"
    picture = pictures.bars(spread.bars, words) if spread else ""
    before = "".join(
        f"<td>{escape(cell)}</td>" for cell in (column.name, column.kind, missing, f"{column.distinct:,}")
    )
    return f"<tr>{before}<td>{picture}</td><td>{escape(values)}</td></tr>"


def _rows(preview: Preview) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in preview.columns[:PREVIEW_COLUMNS])
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row[:PREVIEW_COLUMNS]) + "</tr>"
        for row in preview.rows
    )
    left = len(preview.columns) - PREVIEW_COLUMNS
    more = f'<p class="ds-quiet">and {left:,} more columns</p>' if left > 0 else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="ds-scroll" tabindex="0">{table}</div>{more}'


# The gallery


def example_label(example: Example) -> str:
    """The names of the tables that an example is asked of."""
    return f'<p class="ds-eyebrow">{escape(", ".join(path.name for path in example.files))}</p>'


def example_question(example: Example) -> str:
    """The question of an example that has no recording to click on."""
    return f'<p class="ds-example-question">{escape(example.question)}</p>'


# Model and messages


def model_state(state: Progress | Model | ModelError | None) -> str:
    """The model's name when it is there; else a bar with words, or why it cannot be had."""
    match state:
        case ModelError():
            return f'<p class="ds-model ds-model-failed">{escape(str(state))}</p>'
        case Progress():
            return _progress(state)
        case None:
            return '<p class="ds-model">Starting</p>'
    return f'<p class="ds-model ds-ready">{escape(state.name)} is ready</p>'


def _progress(progress: Progress) -> str:
    text = f"{TITLES[progress.phase]} {escape(progress.what)}"
    share = progress.done_bytes / max(progress.total_bytes, 1)
    if progress.phase in ("wait", "load"):
        return f'<p class="ds-model">{text}<progress></progress></p>'
    size = f"{progress.done_bytes / 1e6:,.0f} of {progress.total_bytes / 1e6:,.0f} MB"
    bar = f'<progress value="{share:.3f}" max="1"></progress>'
    return f'<p class="ds-model">{text}<span>{size}</span>{bar}</p>'


def message(text: str) -> str:
    """One calm sentence about what went wrong."""
    return f'<p class="ds-message" role="alert">{escape(text)}</p>' if text else ""
