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

from agent.episode import EpisodeLimits
from agent.models import ModelError
from page import gallery, render, results, story, visit
from page.gallery import Example
from page.loading import Loader
from page.theme import CSS, HEAD, THEME
from page.visit import View, Visit
from sandbox import InputError, Limits, SandboxError

SLOTS = 2  # conversations that an embedded model computes side by side; the others wait for a slot
VISITORS = 32
VISIT_SECONDS = 4 * 60 * 60
MOST_STEPS = 20
UP = "(...i) => { document.getElementById('asking').scrollIntoView({behavior: 'smooth'}); return i; }"

loader = Loader(slots=SLOTS)


# What happens; each returns the components that change. Whatever goes wrong is told in one sentence, and
# leaves the page usable.


def told(error: Exception) -> str:
    """The sentence for the visitor; what nobody foresaw goes to the log as well."""
    if isinstance(error, InputError | SandboxError | ModelError):
        return str(error)
    logging.error("an unforeseen error", exc_info=error)
    return f"Something went wrong inside DataSense ({type(error).__name__}): try again."


def choose(state: Visit, chosen: list[str]) -> dict:
    """Reads the chosen files and shows them; where they can't be read, says why and leaves all as it was."""
    try:
        return opened(state) if visit.open_files(state, chosen) else {files: None}
    except Exception as error:
        return {files: None, notice: render.message(told(error))}


def opened(state: Visit) -> dict:
    """The visit's tables, and a page that is empty below them."""
    profiles = state.session.profile()
    previews = [state.session.preview(profile.name) for profile in profiles]
    return {
        state_box: state,
        files: None,  # an empty place for the next ones; what is open stands in `tables`
        notice: "",
        tables: render.tables(profiles, previews),
        **dict.fromkeys((result, steps, live, past), ""),
        notebook: gr.update(visible=False),
        question: gr.update(placeholder="Ask a question about these tables"),
    }


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
        notebook: gr.update(visible=False),
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
    """What an answer leaves: a notebook to take home, and a box for the next question."""
    alive = state.session and state.session.alive  # not after Stop in the middle of a step
    hint = f"Ask a follow-up: {'variables and conversation are' if alive else 'the conversation is'} kept"
    return notebook_of(state, shown) | {question: gr.update(placeholder=hint, interactive=True)}


def notebook_of(state: Visit, shown: View) -> dict:
    if not shown.trajectory.executions:
        return {}
    return {notebook: gr.update(value=str(visit.write_notebook(state, shown.trajectory)), visible=True)}


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
            yield opened(state) | picture | notebook_of(state, shown)
    except Exception as error:
        yield {notice: render.message(told(error))}


def look_at_model() -> tuple:
    return render.model_state(loader.state), gr.Timer(active=not loader.ready)


def ask(files: list[str] | None, question: str, max_steps: float) -> Iterator[dict]:
    """Answers one question about data files; `max_steps` is from 1 to 20.

    Yields {"phase", "steps", "seconds"} while it goes on, and at last {"answer", "summary", "verified",
    "evidence", "outcome", "steps", ...}, the whole trajectory.
    """
    own = Visit()
    try:
        check(files, question, max_steps)
        with visit.asking(own, files):
            for shown in visit.answer(own, question, loader, max_steps=int(max_steps)):
                record = shown.trajectory
                count = len(record.executions) if record else 0
                yield {"phase": shown.phase, "steps": count, "seconds": round(shown.seconds, 1)}
        yield record.to_json()
    except Exception as error:
        raise gr.Error(told(error), print_exception=False) from error
    finally:
        visit.close(own)


def check(files: list[str] | None, question: str | None, max_steps: float | None) -> None:
    """Raises InputError where a program asked for what can't be done."""
    if not files:
        raise InputError("There is no file: give at least one.")
    if not (question or "").strip():
        raise InputError("The question is empty: ask something about the tables.")
    if max_steps is None or not 1 <= max_steps <= MOST_STEPS or max_steps != int(max_steps):
        raise InputError(f"max_steps must be a whole number from 1 to {MOST_STEPS}.")


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
                tables = gr.HTML(apply_default_css=False)
                with gr.Row(elem_classes="ds-ask"):
                    question = gr.Textbox(
                        show_label=False,
                        label="Question",
                        placeholder="Ask a question about your tables",
                        lines=1,
                        max_lines=6,
                        max_length=2000,
                        scale=1,
                        container=False,
                    )
                    ask_button = gr.Button("Ask", variant="primary", scale=0, min_width=96)
                    stop_button = gr.Button("Stop", variant="secondary", scale=0, min_width=96, visible=False)
                notice = gr.HTML(apply_default_css=False)

            result = gr.HTML(apply_default_css=False, elem_id="result")
            notebook = gr.DownloadButton(
                "Download notebook", visible=False, size="sm", elem_classes="ds-take"
            )
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
            gr.HTML(results.section(results.load()), apply_default_css=False)

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

    # What leads to what

    everything = [state_box, files, tables, question, ask_button, stop_button, notice]
    everything += [result, notebook, steps, live, past]
    private = {"api_visibility": "private", "show_progress": "hidden"}

    files.upload(choose, [state_box, files], everything, **private)
    gr.on([ask_button.click, question.submit], ask_here, [state_box, question], everything, **private)
    stop_button.click(stop, state_box, None, queue=False, **private)
    for example, replay_button, live_button in cards:
        replay_button.click(partial(replay, example), state_box, everything, js=UP, **private)
        live_button.click(partial(run_live, example), state_box, everything, js=UP, **private)
    ticks = gr.Timer(0.5)
    ticks.tick(look_at_model, None, [model, ticks], queue=False, **private)
    client_button.click(
        ask,
        [client_files, client_question, client_steps],
        client_answer,
        api_name="ask",
        api_description="Answers one question about data files, in steps.",
    )

demo.queue(default_concurrency_limit=VISITORS)


def serve() -> None:
    """Starts the model's loading and the server; returns when it is ended."""
    loader.start()
    demo.launch(
        theme=THEME,
        css=CSS + story.CSS,
        head=HEAD,
        footer_links=[],
        run_history=False,
        max_file_size=Limits.input_bytes,
        ssr_mode=False,
    )


if __name__ == "__main__":
    serve()
