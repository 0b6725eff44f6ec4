"""The page with the real coder-0.5b: what a first visitor does."""

import pytest

from tests.e2e.conftest import PATIENCE, connect, given, served


@pytest.fixture(scope="module")
def real(small_weights, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "real.txt"
    with served("app", log, DATASENSE_MODEL="coder-0.5b") as server:
        yield server


@pytest.fixture
def page(chromium, real):
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(real.url)
    yield page
    page.close()


def test_an_example_run_live_streams_and_is_answered_from_real_output(page):
    example = page.locator(".ds-example", has_text="Which payment method is used most often?")
    example.get_by_role("button", name="Run it live").click()
    page.locator(".ds-live").wait_for()
    page.locator("#result .ds-card").wait_for()
    assert "Credit Card" in page.locator("#result .ds-verified").inner_text()
    assert "payment_method" in page.locator("#steps").inner_text()
    assert "Recorded" not in page.locator("#result").inner_text()


def test_the_page_says_when_the_model_is_ready(page):
    page.get_by_text("coder-0.5b+sft-v1 is ready").wait_for()


def test_a_program_gets_a_verified_answer_of_the_real_model(real, tmp_path):
    path = tmp_path / "pets.csv"
    path.write_text("name,weight\nRex,31\nMia,3\nBo,12\n")
    question = "What is the highest weight?"
    result = connect(real).predict([given(path)], question, 5, api_name="/ask")
    assert (result["answer"], result["verified"]) == ("31", True)
