"""The page: choose files, ask a question, watch it being answered.

    python app.py            # then open the address that it prints

The model is $DATASENSE_MODEL, else by what this machine has; host and port are Gradio's own variables,
GRADIO_SERVER_NAME and GRADIO_SERVER_PORT. What the parts do stands in `page/`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from functools import partial

import gradio as gr

from agent import suggestions
from agent.episode import EpisodeLimits
from page import api, gallery, render, results, story, takeaway, uploads, visit
from page.errors import told
from page.gallery import Example
from page.loading import loader
from page.theme import CSS, HEAD, THEME
from page.visit import View, Visit
from sandbox import InputError, Limits, Reading, SandboxError

VISITORS = 32
MOST_CHARS = 2000  # of a question
DELIMITERS = [
    ("what is found", ""), ("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("pipe", "|"), ("space", " "),
]  # fmt: skip
VISIT_SECONDS = 4 * 60 * 60
UP = "(...i) => { document.getElementById('asking').scrollIntoView({behavior: 'smooth'}); return i; }"


# What happens; each returns the components that change. Whatever goes wrong is told in one sentence, and
# leaves the page usable.


def choose(state: Visit, chosen: list[str]) -> Iterator[dict]:
    """Reads the chosen files and shows them; where they can't be read, says why and leaves all as it was."""
    try:
        if visit.open_files(state, chosen):
            yield opened(state)
            yield suggested(state)
        else:
            yield {files: None}
    except Exception as error:
        yield {files: None, notice: render.message(told(error))}


def read_again(state: Visit, delimiter: str, header_row: str, sheet: str) -> Iterator[dict]:
    """Reads the same files as the visitor says they are to be read."""
    if not state.files:
        yield {notice: render.message("Choose a file first.")}
        return
    try:
        wanted = Reading(delimiter, _row(header_row.strip()), sheet.strip())
        if visit.open_files(state, state.files, wanted):
            yield opened(state)
            yield suggested(state)
    except Exception as error:
        yield {notice: render.message(told(error))}


def _row(text: str) -> int | None:
    if text and not text.isdecimal():
        raise InputError("The row of names is a whole number: 1 for the first row, 0 if there is none.")
    return int(text) if text else None


def opened(state: Visit) -> dict:
    """The visit's tables, and a page that is empty below them."""
    profiles = state.session.profile()
    try:
        looks = state.session.look()
    except SandboxError as error:  # a table that nobody foresaw
        logging.error("no first look", exc_info=error)
        looks = []
    previews = [state.session.preview(profile.name) for profile in profiles]
    return {
        state_box: state,
        files: None,  # an empty place for the next ones; what is open stands in `tables`
        notice: "",
        tables: render.tables(profiles, previews, looks),
        reading: gr.update(visible=True),
        **dict.fromkeys((result, steps, live, past), ""),
        **dict.fromkeys((*take.values(), *chips), gr.update(visible=False)),
        question: gr.update(placeholder="Ask a question about these tables"),
    }


def suggested(state: Visit) -> dict:
    """Questions to begin with, each of which the sandbox has answered."""
    questions = visit.suggested(state)
    return {chip: gr.update(value=text, visible=True) for chip, text in zip(chips, questions, strict=False)}


def ask_here(state: Visit, text: str) -> Iterator[dict]:
    """Answers the question, step by step."""
    if state.running:
        return
    if not text.strip():
        yield {notice: render.message("Write a question first.")}
    elif not state.files:
        yield {notice: render.message("Choose a file first, or open one of the examples below.")}
    else:
        try:
            with visit.asking(state):
                yield from follow(state, text)
        except Exception as error:
            yield failed(state, text, error)


def run_live(example: Example, state: Visit) -> Iterator[dict]:
    """Asks an example's question for real, now."""
    try:
        with visit.asking(state, example.files):
            yield opened(state)
            yield from follow(state, example.question)
    except Exception as error:
        yield failed(state, example.question, error)


def follow(state: Visit, text: str) -> Iterator[dict]:
    """The course of an answer, a picture at a time."""
    yield {
        notice: "",
        past: render.past(state.past),
        **dict.fromkeys(take.values(), gr.update(visible=False)),
        **buttons(running=True),
        question: gr.update(value="", interactive=False),  # it heads the answer from now on
    }
    sent: dict = {}
    for shown in visit.answer(state, text, loader):
        picture = pictured(shown)
        if changed := {part: html for part, html in picture.items() if sent.get(part) != html}:
            yield changed
        sent = picture
    yield {state_box: state, **buttons(running=False), **finished(state, shown)}


def failed(state: Visit, text: str, error: Exception) -> dict:
    """Why there is no answer, and the question to ask again; another answer that goes on is left alone."""
    why = {notice: render.message(told(error))}
    if state.running:
        return why
    nothing = dict.fromkeys((result, steps, live), "")
    again = {question: gr.update(value=text, interactive=True)}
    return why | nothing | buttons(running=False) | again


def pictured(shown: View, note: str = "") -> dict:
    return dict(zip((result, steps, live), render.view(shown, note), strict=True))


def finished(state: Visit, shown: View) -> dict:
    """What an answer leaves: what there is to take home, and a box for the next question."""
    alive = state.session and state.session.alive  # not after Stop in the middle of a step
    hint = f"Ask a follow-up: {'variables and conversation are' if alive else 'the conversation is'} kept"
    return taken_home(state, shown) | {question: gr.update(placeholder=hint, interactive=True)}


def taken_home(state: Visit, shown: View) -> dict:
    if not shown.trajectory.executions:
        return {}
    try:
        written = visit.take_home(state, shown.trajectory)
    except Exception as error:  # whatever it is, the answer stays
        logging.error("nothing can be taken home", exc_info=error)
        return {}
    return {
        button: gr.update(value=str(written[kind]), visible=True)
        if kind in written
        else gr.update(visible=False)
        for kind, button in take.items()
    }


def buttons(*, running: bool) -> dict:
    return {
        ask_button: gr.update(visible=not running),
        stop_button: gr.update(visible=running),
    }


def stop(state: Visit) -> None:
    state.stop = True


def replay(example: Example, state: Visit) -> Iterator[dict]:
    """Shows a recorded answer, then opens its tables for questions of one's own."""
    recording = example.recording
    shown = View(example.question, recording.trajectory, "done")
    picture = pictured(shown, recording.note)
    if not state.running:
        yield {notice: "", past: "", **picture}
    try:
        if visit.open_files(state, example.files):
            yield opened(state) | picture | taken_home(state, shown)
            yield suggested(state)
    except Exception as error:
        yield {notice: render.message(told(error))}


def arrive(state: Visit, request: gr.Request) -> Iterator[dict]:
    """What the address asks for: `?example=ID` opens an example, `?q=QUESTION` writes a question."""
    wanted, text = request.query_params.get("example"), (request.query_params.get("q") or "")[:MOST_CHARS]
    known = {example.id: example for example in gallery.examples()}
    if wanted and wanted not in known:
        reason = f"There is no example {wanted!r}: take one of {', '.join(known)}."
        yield {notice: render.message(reason), question: gr.update(value=text)}
    elif wanted and not text and known[wanted].recording:
        yield from replay(known[wanted], state)
    elif wanted:
        yield from choose(state, list(known[wanted].files))
        yield {question: gr.update(value=text or known[wanted].question)}
    elif text:
        yield {question: gr.update(value=text)}
    else:
        yield {notice: ""}  # without any, Gradio would empty every component


def look_at_model() -> tuple:
    return render.model_state(loader.state), gr.Timer(active=not loader.ready)


# The page, from top to bottom


cleaning = (60 * 60, 2 * VISIT_SECONDS)  # how often, and how old an upload must be

with gr.Blocks(title="DataSense", analytics_enabled=False, delete_cache=cleaning) as demo:
    state_box = gr.State(Visit(), time_to_live=VISIT_SECONDS, delete_callback=visit.close)

    with gr.Row(elem_classes="ds-head"):
        gr.HTML('<span class="ds-name">DataSense</span>', elem_classes="ds-brand")
        model = gr.HTML(render.model_state(None), elem_classes="ds-status")
    with gr.Tabs(elem_classes="ds-tabs"):
        with gr.Tab("Ask"):
            gr.HTML(render.OPENING)

            with gr.Column(elem_id="asking", elem_classes="ds-panel"):
                files = gr.File(
                    file_count="multiple",
                    label="Data files",
                    show_label=False,
                    height=64,
                    elem_classes="ds-files",
                )
                gr.HTML(uploads.TOLD, apply_default_css=False)
                tables = gr.HTML(apply_default_css=False)
                with (
                    gr.Accordion("Read it differently", open=False, visible=False) as reading,
                    gr.Row(elem_classes="ds-reading"),
                ):
                    delimiter_box = gr.Dropdown(
                        DELIMITERS, value="", label="Cells are divided by", min_width=140
                    )
                    header_box = gr.Textbox(
                        label="Row of names (0: none)",
                        placeholder="what is found",
                        max_length=6,
                        min_width=140,
                    )
                    sheet_box = gr.Textbox(
                        label="Only this sheet", placeholder="all of them", max_length=200, min_width=140
                    )
                    again_button = gr.Button("Read again", size="sm", scale=0, min_width=110)
                with gr.Row(elem_classes="ds-ask"):
                    question = gr.Textbox(
                        show_label=False,
                        label="Question",
                        placeholder="Ask a question about your tables",
                        lines=1,
                        max_lines=6,
                        max_length=MOST_CHARS,
                        scale=1,
                        container=False,
                    )
                    ask_button = gr.Button("Ask", variant="primary", scale=0, min_width=96)
                    stop_button = gr.Button("Stop", variant="secondary", scale=0, min_width=96, visible=False)
                notice = gr.HTML(apply_default_css=False)
                with gr.Row(elem_classes="ds-chips"):
                    chips = [
                        gr.Button("", visible=False, size="sm", scale=0, min_width=0)
                        for _ in range(suggestions.MOST)
                    ]

            result = gr.HTML(apply_default_css=False, elem_id="result")
            with gr.Row(elem_classes="ds-take"):
                take = {
                    kind: gr.DownloadButton(label, visible=False, size="sm", scale=0, min_width=0)
                    for kind, label in takeaway.KINDS.items()
                }
            steps = gr.HTML(apply_default_css=False, elem_id="steps")
            live = gr.HTML(apply_default_css=False, elem_id="live")
            past = gr.HTML(apply_default_css=False)

            gr.HTML(render.GALLERY_TITLE, apply_default_css=False)
            cards = []
            with gr.Row(elem_classes="ds-gallery"):
                for example in gallery.examples():
                    with gr.Column(elem_classes="ds-example", min_width=220):
                        gr.HTML(render.example_label(example), apply_default_css=False)
                        replay_button = gr.Button(
                            example.question, visible=bool(example.recording), elem_classes="ds-replay"
                        )
                        if not example.recording:
                            gr.HTML(render.example_question(example), apply_default_css=False)
                        live_button = gr.Button("Run it live", size="sm", elem_classes="ds-live-button")
                    cards.append((example, replay_button, live_button))

        with gr.Tab("Results"):
            gr.HTML(results.section(results.load(), results.load_runs()), apply_default_css=False)

        with gr.Tab("Story"):
            gr.HTML(story.body(), apply_default_css=False)

    with gr.Row(elem_classes="ds-foot"):
        gr.HTML(render.FOOT, apply_default_css=False)
        on_a_space = "SPACE_ID" in os.environ  # it works nowhere else
        gr.DuplicateButton("Duplicate this Space", size="sm", variant="secondary", visible=on_a_space)

    with gr.Row(visible=False):
        client_files = gr.File(file_count="multiple", label="files")
        client_question = gr.Textbox(label="question")
        client_steps = gr.Number(EpisodeLimits.max_steps, label="max_steps")
        client_answer = gr.JSON(label="answer")
        client_button = gr.Button()
        tool_files = [gr.File(label=name) for name in ("file", "second_file", "third_file")]
        tool_question = gr.Textbox(label="question")
        tool_steps = gr.Number(EpisodeLimits.max_steps, label="max_steps")
        tool_answer = gr.Textbox(label="answer")
        tool_button = gr.Button()

    # What leads to what

    everything = [state_box, files, tables, question, ask_button, stop_button, notice]
    everything += [reading]
    everything += [result, *take.values(), steps, live, past, *chips]
    private = {"api_visibility": "private", "show_progress": "hidden"}

    files.upload(choose, [state_box, files], everything, **private)
    gr.on([ask_button.click, question.submit], ask_here, [state_box, question], everything, **private)
    again_button.click(read_again, [state_box, delimiter_box, header_box, sheet_box], everything, **private)
    demo.load(arrive, state_box, everything, **private)
    for chip in chips:
        chip.click(lambda text: text, chip, question, queue=False, **private)
    stop_button.click(stop, state_box, None, queue=False, **private)
    for example, replay_button, live_button in cards:
        replay_button.click(partial(replay, example), state_box, everything, js=UP, **private)
        live_button.click(partial(run_live, example), state_box, everything, js=UP, **private)
    ticks = gr.Timer(0.5)
    ticks.tick(look_at_model, None, [model, ticks], queue=False, **private)
    client_button.click(
        api.ask_files,
        [client_files, client_question, client_steps],
        client_answer,
        api_name="ask",
        api_description="Answers one question about data files, in steps.",
    )
    first_file, second_file, third_file = tool_files
    tool_button.click(
        api.ask,
        [first_file, tool_question, second_file, third_file, tool_steps],
        tool_answer,
        api_name="ask_tool",
    )

demo.queue(default_concurrency_limit=VISITORS)


def serve() -> None:
    """Starts the model's loading and the server; returns when it is ended."""
    visit.root()  # removes what killed pages have left
    loader.start()
    demo.launch(
        theme=THEME,
        css=CSS + story.CSS,
        head=HEAD + uploads.SCRIPT,
        footer_links=[],
        run_history=False,
        max_file_size=Limits.input_bytes,
        ssr_mode=False,
        mcp_server=True,
    )


if __name__ == "__main__":
    serve()
