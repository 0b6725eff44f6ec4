"""What visitors take home lies in a folder of the page's, which goes when the page is gone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from page import visit

ROOT = Path(__file__).parents[2]
# A page that writes what a visitor takes home, once at its start and once more for each line.
PAGE = """
import sys
from page import visit
from tests.page.test_takeaway import trajectory
visit.root()
visitor = visit.Visit()
while True:
    print(visit.take_home(visitor, trajectory())["notebook"], flush=True)
    if not sys.stdin.readline():
        break
"""


@pytest.fixture
def start_page(tmp_path):
    pages = []

    def start():
        pages.append(
            subprocess.Popen(
                [sys.executable, "-c", PAGE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=os.environ | {"TMPDIR": str(tmp_path)},
            )
        )
        return pages[-1], Path(pages[-1].stdout.readline().strip())

    yield start
    for page in pages:
        page.kill()
        page.communicate()


def test_what_a_killed_page_left_is_removed_by_the_next_and_a_living_pages_is_not(start_page, tmp_path):
    (dead, left), (living, kept) = start_page(), start_page()
    assert left.exists() and kept.exists()
    dead.kill()
    dead.communicate()
    start_page()
    assert not left.exists() and kept.exists()
    assert len(list(tmp_path.glob(f"{visit.PREFIX}*"))) == 2
    kept.unlink()
    living.stdin.write("again\n")
    living.stdin.flush()
    assert living.stdout.readline().strip() == str(kept) and kept.exists()


def test_a_page_that_ends_leaves_nothing(start_page, tmp_path):
    page, kept = start_page()
    assert kept.exists()
    page.communicate()
    assert list(tmp_path.iterdir()) == []
