"""The results section in a real browser: what it draws, that a file is shown as text, small screens."""

import json

import pytest

from page import results
from tests.e2e.conftest import PATIENCE, question_box, served

HOSTILE = "<img src=x onerror=alert(1)>"


def share(rate):
    return {"rate": rate, "low": max(0, rate - 0.08), "high": min(1, rate + 0.08), "hits": round(160 * rate)}


def result(model, rate, benchmark="DataBench lite", mode="loop", **changes):
    return {
        "benchmark": benchmark,
        "model": model,
        "mode": mode,
        "problems": 160,
        "official": share(rate),
        "exec_ok": share(0.9),
        "verified": share(0.8),
        "seed": 0,
        "model_digest": "ab" * 32,
        "data_sha256": "cd" * 32,
        "prompt_sha256": "ef" * 32,
        "hardware": "2 cores",
        "date": "2026-11-25",
        "command": "python -m training bench --problems databench-lite-dev",
    } | changes


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    files = [
        result("coder-0.5b", 0.45),
        result("coder-1.5b", 0.62),
        result("coder-1.5b", 0.21, mode="no-data", exec_ok=share(0), verified=share(0)),
        result("coder-1.5b", 0.31, mode="smolagents"),
        result(HOSTILE, 0.4, benchmark=f"DSBench {HOSTILE}", command=HOSTILE, hardware=HOSTILE),
    ]
    for number, content in enumerate(files):
        (folder / f"bench-{number}.json").write_text(json.dumps(content))
    (folder / "examples.json").write_text('{"questions": 60}')
    log = tmp_path_factory.mktemp("log") / "results.txt"
    with served("tests.e2e.results_app", log, RESULTS=str(folder)) as running:
        yield running


@pytest.fixture
def page(chromium, server, request):
    context = chromium.new_context(**getattr(request, "param", {}))
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(server.url)
    question_box(page).wait_for()
    page.get_by_role("tab", name="Results").click()
    page.locator(".ds-results").wait_for()
    yield page
    context.close()


def test_each_benchmark_is_a_table_with_the_best_run_first(page):
    table = page.locator(".ds-results table").first
    assert "DataBench lite" in table.locator("caption").inner_text()
    assert [row.split("\n")[0].split("\t")[0] for row in table.locator("tbody th").all_inner_texts()] == [
        "coder-1.5b", "coder-0.5b", "coder-1.5b", "coder-1.5b",
    ]  # fmt: skip
    first = table.locator("tbody tr").first.inner_text()
    assert all(figure in first.replace("\xa0", " ") for figure in ("62.0 %", "90.0 %", "80.0 %"))
    assert "guessing, without the tables" in table.inner_text()


def test_a_bar_is_as_long_as_the_accuracy_and_says_its_interval(page):
    picture = page.locator(".ds-results svg").first
    whole, bar = picture.bounding_box(), picture.locator(".ds-bar").bounding_box()
    assert bar["width"] / whole["width"] == pytest.approx(0.62, abs=0.01)
    assert picture.get_attribute("aria-label") == "62.0 %, between 54.0 and 70.0 %"


def test_what_a_file_says_is_shown_as_text(page):
    page.locator(".ds-results summary").last.click()
    assert HOSTILE in page.locator(".ds-results").inner_text()
    assert page.locator(".ds-results img").count() == 0


def test_how_it_was_measured_is_one_click_away(page):
    page.locator(".ds-results summary").first.click()
    told = page.locator(".ds-results details").first.inner_text()
    assert "--problems databench-lite-dev" in told and "weights abababababab" in told and "seed 0" in told


@pytest.mark.parametrize("page", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
def test_on_a_phone_nothing_runs_over_the_edge(page):
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.locator(".ds-results table").first.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 360
    assert page.locator(".ds-results svg").first.bounding_box()["width"] > 100


def test_without_results_there_is_no_section():
    assert results.section([]) == ""


def test_the_benchmark_with_most_questions_comes_first():
    few, many = result("m", 0.9, "A, 5 drawn", problems=5), result("m", 0.1, "B", problems=160)
    shown = results.section([few, many])
    assert shown.index("<caption>B ") < shown.index("<caption>A, 5 drawn ")


def test_where_nothing_can_be_verified_the_figures_are_explained():
    shown = results.section([result("m", 0.4, "A"), result("m", 0.2, "examples unanswerable")])
    usual, none = shown.split("<table>")[1:]
    assert "never counts as verified" in none and "never counts as verified" not in usual
