"""Pictures: those that code made, drawn anew, and tiny ones of how a column's values are spread."""

from __future__ import annotations

import io
import logging
from collections.abc import Sequence
from functools import lru_cache
from html import escape

FIGURE_PIXELS = 40_000_000  # more is no figure but an attempt to fill the memory
FIGURE_EDGE = 1600


@lru_cache(maxsize=64)
def drawn_anew(png: bytes) -> bytes:
    """The same picture as a PNG of our own, b"" where the bytes are no PNG of a sane size."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if image.width * image.height > FIGURE_PIXELS:
                return b""
            image.thumbnail((FIGURE_EDGE, FIGURE_EDGE))
            drawn = io.BytesIO()
            image.convert("RGB").save(drawn, "PNG", optimize=True)
    except Exception as error:  # bytes that model code made: Pillow raises many kinds
        logging.info("a figure was left out: %s", error)
        return b""
    return drawn.getvalue()


def bars(counts: Sequence[int], words: str) -> str:
    """Counts as a row of bars, the highest as high as the picture; "" for none.

    Args:
        words: What it shows, for those who cannot see it.
    """
    if not counts or max(counts) <= 0:
        return ""
    width = 5
    shapes = "".join(
        f'<rect x="{place * width}" y="{20 - height:g}" width="{width - 1}" height="{height:g}"/>'
        for place, count in enumerate(counts)
        if (height := round(max(20 * count / max(counts), 1), 1)) and count
    )
    return (
        f'<svg class="ds-spread" viewBox="0 0 {len(counts) * width} 20" width="{len(counts) * width}" '
        f'height="20" role="img" aria-label="{escape(words)}">{shapes}</svg>'
    )
