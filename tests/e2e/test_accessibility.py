"""Everybody can use the page: axe finds nothing serious, the keyboard does everything, nothing overflows."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.e2e.conftest import answered, question_box, upload

SALES = "place,sold,when\nOslo,1,2024-01-01\nLima,2,2024-02-01\nCairo,4,2024-03-01\nTotal,7,\n"
PHONE = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture
def sales(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text(SALES)
    return path


def serious(page):
    """What axe calls serious or critical, with the elements."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["html"][:160] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def overflow(page):
    """By how many pixels the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing_serious_on_any_screen(visitor, sales, scheme, options):
    page = visitor(f"/?__theme={scheme}", color_scheme=scheme, **options)
    seen = {"start": serious(page)}
    upload(page, sales)
    page.locator(".ds-chips button").first.wait_for()
    page.get_by_text("Columns", exact=True).click()
    page.get_by_text("Read it differently").click()
    seen["tables"] = serious(page)
    answered(page, "df.plot.bar(x='place', y='sold')\nprint(df['sold'].max())")
    seen["answer"] = serious(page)
    assert overflow(page) <= 0
    for tab in ("Results", "Story"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(300)
        seen[tab] = serious(page)
        assert overflow(page) <= 0, tab
    assert {screen: found for screen, found in seen.items() if found} == {}


def test_the_keyboard_alone_asks_and_takes_home(visitor, sales):
    page = visitor()
    upload(page, sales)
    question_box(page).focus()
    page.keyboard.type("print(df['sold'].max())")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip() == "Ask"
    page.keyboard.press("Enter")
    page.locator("#result .ds-card").wait_for()
    page.get_by_role("button", name="Ask", exact=True).wait_for()
    reached = []
    question_box(page).focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent").strip())
    for name in ("Download notebook", "Markdown", "Columns", "Run it live"):
        if name != "Columns":
            assert name in reached, name
    assert any("Step 1" in text for text in reached)
