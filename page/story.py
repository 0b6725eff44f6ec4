"""The project's story: a tab of the page, and story.html, which needs nothing but itself.

    python -m page.story        # writes story.html again, after its text, a picture or a result has changed

The text is in `story.body.html`, the pictures are in assets/illustrations, our figures in assets/results.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from page import results
from page.theme import CSS as PAGE_CSS
from page.theme import SANS

FILE = Path(__file__).parents[1] / "story.html"
CSS = (Path(__file__).parent / "story.css").read_text(encoding="utf-8")
_BODY = Path(__file__).parent / "story.body.html"
_PICTURES = Path(__file__).parents[1] / "assets" / "illustrations"

# Published by the original project; in per cent, for Base, SFT v1 and Micro-1.
_PUBLISHED = {
    "DataBench lite, 15 problems": (60.0, 86.7, 80.0),
    "DSBench, 10 problems": (0.0, 0.0, 0.0),
    "Mentor-hard, 5 problems": (20.0, 60.0, 100.0),
    "Macro average": (26.7, 48.9, 60.0),
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>DataSense: an analyst that shows its work</title>
<style>
{colours}
body {{ margin: 0; padding: 0 20px; background: var(--ds-paper); font-family: {font}; }}
{css}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def body(measured: Sequence[dict] | None = None) -> str:
    """The story as HTML, its pictures in it, with these results, or with the published ones."""
    measured = results.load() if measured is None else measured
    text = _BODY.read_text(encoding="utf-8")
    text = re.sub(r"\{illustration:(\w+):(.+?)\}", lambda match: _figure(*match.groups()), text)
    text = re.sub(r"\{glyph:(\w+)\}", lambda match: _picture(match[1]), text)
    return text.replace("{published}", _published()).replace("{ours}", _ours(measured))


def page() -> str:
    """A whole document that asks no other host or file for anything, in light and dark."""
    light, dark = re.findall(r"\{([^}]*--ds-paper[^}]*)\}", PAGE_CSS)
    colours = f":root {{{light}}}\n@media (prefers-color-scheme: dark) {{ :root {{{dark}}} }}"
    font = ", ".join(name if "-" in name else f"'{name}'" for name in SANS)
    return _PAGE.format(colours=colours, font=font, css=CSS, body=body())


def _figure(name: str, caption: str) -> str:
    return f"<figure>{_picture(name)}<figcaption>{caption}</figcaption></figure>"


def _picture(name: str) -> str:
    return (_PICTURES / f"{name}.svg").read_text(encoding="utf-8").strip()


def _published() -> str:
    *rows, last = (_row(name, [f"{share:.1f} %" for share in shares]) for name, shares in _PUBLISHED.items())
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "Base", "SFT v1", "Micro-1"))
    last = last.replace("<tr>", '<tr class="st-sum">', 1)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}{last}</tbody></table>"


_FEWEST_QUESTIONS = 100


def _ours(measured: Sequence[dict]) -> str:
    """What the loop scores on each benchmark, a row a model; small samples tell little and are left out."""
    loops = [one for one in measured if one["mode"] == "loop" and one["problems"] >= _FEWEST_QUESTIONS]
    if not loops:
        return "<p>Nothing has been published yet.</p>"
    loops.sort(key=lambda result: (result["benchmark"].casefold(), -result["official"]["rate"]))
    rows = [
        _row(
            f"{result['model']} on {result['benchmark']}",
            [f"{result['problems']:,}"]
            + [f"{100 * result[name]['rate']:.1f} %" for name in ("official", "exec_ok", "verified")],
        )
        for result in loops
    ]
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "Questions", "Right", "Ran", "Verified"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(name: str, cells: Sequence[str]) -> str:
    return (
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
    )


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
