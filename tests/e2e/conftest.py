"""A real browser, and the page served by a process of its own."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from gradio_client import Client, handle_file
from playwright import sync_api

from tests.conftest import give_up

ROOT = Path(__file__).parents[2]
PATIENCE = 60_000  # ms; generous, for a machine that does other things as well


@pytest.fixture(scope="session")
def chromium():
    with sync_api.sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        try:
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except sync_api.Error as error:
            give_up(f"No browser: run playwright install chromium ({error.message[:80]})")
        yield browser
        browser.close()


@contextmanager
def served(module, log, **environment):
    """The address and process of the page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | environment | {"GRADIO_SERVER_PORT": str(port)}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(url, process, log)
        yield SimpleNamespace(url=url, process=process)
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_up(url, process, log):
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            return urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"The page did not come up: {log.read_text()}")


@pytest.fixture(scope="session")
def echo(tmp_path_factory):
    """The page with the model of echo_app."""
    with served("tests.e2e.echo_app", tmp_path_factory.mktemp("log") / "echo.txt") as server:
        yield server


@pytest.fixture
def visitor(chromium, echo):
    """Opens the page as somebody who was never here; also notes every request that leaves this machine."""
    contexts = []

    def arrive(where="", **options):
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.requested = []
        page.on("request", lambda request: page.requested.append(request.url))
        page.goto(echo.url + where)
        question_box(page).wait_for()
        return page

    yield arrive
    for context in contexts:
        context.close()


def question_box(page):
    return page.get_by_label("Question", exact=True)


def upload(page, *files):
    """Chooses files; waits until the page shows their tables."""
    page.locator("input[type=file]").first.set_input_files([str(file) for file in files])
    page.locator(".ds-table h3", has_text=Path(files[0]).name).first.wait_for()


def ask(page, question):
    box = question_box(page)
    box.fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()


def answered(page, question):
    """Asks, waits for the card, returns its text."""
    ask(page, question)
    heading = page.locator("#result h2", has_text=re.compile(re.escape(question.splitlines()[0])))
    heading.wait_for()
    page.get_by_role("button", name="Ask", exact=True).wait_for()
    return page.locator("#result .ds-card").inner_text()


def connect(server):
    """A program's way in."""
    return Client(server.url, verbose=False)


def given(path):
    return handle_file(str(path))
