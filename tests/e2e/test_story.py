"""The story: up to date, asking nobody for anything, and readable in a tab, on its own, and on a phone."""

import re

import pytest

from page import story
from tests.e2e.conftest import PATIENCE, question_box

PICTURES = sorted(path.stem for path in story._PICTURES.glob("*.svg"))


def test_the_file_is_the_story_as_it_is_now():
    assert story.FILE.read_text() == story.page(), "run python -m page.story"


def test_every_picture_is_in_it_once_and_has_words_for_who_does_not_see_it():
    text = story.page()
    for name in PICTURES:
        assert text.count(f'aria-labelledby="{name}-title {name}-desc"') == 1
        assert re.search(
            rf'<title id="{name}-title">[^<]+</title>\s*<desc id="{name}-desc">[^<]+</desc>', text
        )
    assert "{" not in re.sub(r"<style>.*?</style>", "", text, flags=re.S)


def test_the_published_figures_are_told_from_ours():
    theirs, _, ours = story.body().partition("Ours so far")
    assert "they were not measured here" in theirs
    assert re.findall(r"[\d.]+ %", theirs[theirs.index("<table>") :]) == [
        "60.0 %", "86.7 %", "80.0 %", "0.0 %", "0.0 %", "0.0 %",
        "20.0 %", "60.0 %", "100.0 %", "26.7 %", "48.9 %", "60.0 %",
    ]  # fmt: skip
    assert "<table>" in ours


def test_only_runs_of_the_loop_on_many_questions_are_shown_as_ours_and_as_text():
    share = {"rate": 0.5, "low": 0.4, "high": 0.6, "hits": 5}
    run = {"mode": "loop", "problems": 100, "official": share, "exec_ok": share, "verified": share}
    runs = [
        run | {"model": "<b>m</b>", "benchmark": "x"},
        run | {"model": "n", "benchmark": "x", "mode": "no-data"},
        run | {"model": "few", "benchmark": "x", "problems": 99},
    ]
    text = story.body(runs).partition("Ours so far")[2]
    assert "&lt;b&gt;m&lt;/b&gt; on x" in text and "<b>" not in text and "n on x" not in text
    assert "few on x" not in text
    assert "Nothing has been published yet" in story.body([])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_on_its_own_it_asks_for_nothing_and_fits(chromium, scheme, width):
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    )
    page = context.new_page()
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(story.FILE.as_uri())
    assert requested == [story.FILE.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for text in page.locator("svg text").all():
        inside, around = text.bounding_box(), text.locator("xpath=ancestor::*[name()='svg']").bounding_box()
        assert inside["x"] + inside["width"] <= around["x"] + around["width"] + 1, text.text_content()
    paper, ink = (page.evaluate(f"getComputedStyle(document.querySelector('{what}')).{how}")
                  for what, how in (("body", "backgroundColor"), ("h1", "color")))  # fmt: skip
    assert (paper, ink) == {
        "light": ("rgb(250, 249, 246)", "rgb(31, 30, 27)"),
        "dark": ("rgb(22, 22, 20)", "rgb(236, 235, 230)"),
    }[scheme]
    context.close()


def test_it_is_a_tab_of_the_page_that_the_keyboard_reaches(visitor):
    page = visitor(viewport={"width": 390, "height": 800})
    page.set_default_timeout(PATIENCE)
    tab = page.get_by_role("tab", name="Story")
    tab.focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="An analyst that shows its work").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("tab", name="Ask").click()
    assert question_box(page).is_visible()
