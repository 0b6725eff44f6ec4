"""What a step shows: bounded text output, values as a notebook shows them, figures as PNG."""

import base64
import io
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sandbox.records import Limits

MAX_ROWS = 60
# Of a table longer than MAX_ROWS, this many rows from its two ends.
ROWS_OF_LONG = 20
MAX_COLUMNS = 30
MAX_CELL = 100
WIDTH = 200
DPI = 110


def set_options() -> None:
    """Has pandas and NumPy print in full what is of sensible size, and numbers plainly."""
    pd.set_option("display.max_rows", MAX_ROWS, "display.min_rows", ROWS_OF_LONG)
    pd.set_option("display.max_columns", MAX_COLUMNS, "display.max_colwidth", MAX_CELL)
    pd.set_option("display.width", WIDTH, "display.float_format", number_text)
    # NumPy 1's form prints a scalar as 3.2, not as np.float64(3.2), inside containers too.
    np.set_printoptions(legacy="1.25", linewidth=WIDTH)


def number_text(value: float) -> str:
    """Returns a float without exponent, with at most 6 decimals, where that loses nothing big."""
    if not math.isfinite(value):
        return str(float(value))
    if value != 0 and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.6g}"
    text = f"{value:.6f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def value_text(value: object) -> str:
    """Returns what a notebook shows for a last expression; "" where there is nothing to see."""
    if value is None or _is_plot(value):
        return ""
    return value if isinstance(value, str) else repr(value)


def _is_plot(value: object) -> bool:
    if isinstance(value, list | tuple | np.ndarray) and len(value):
        return _is_plot(value[0])
    return type(value).__module__.partition(".")[0] in ("matplotlib", "seaborn")


def cut_middle(text: str, limit: int, mark: str = " … ") -> str:
    """Returns `text`, or its two ends around `mark` where it is longer than `limit`."""
    if len(text) <= limit:
        return text
    kept = limit - len(mark)
    return text[: kept - kept // 2] + mark + text[len(text) - kept // 2 :]


class BoundedText(io.TextIOBase):
    """Stands in for stdout and stderr; keeps the first and last half of `limit` characters."""

    encoding = "utf-8"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.clear()

    def clear(self) -> None:
        """Forgets what was written."""
        self.head = ""
        self.tail: list[str] = []
        self.tail_chars = 0
        self.dropped = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        room = self.limit - self.limit // 2 - len(self.head)
        self.head += text[:room]
        self.tail.append(text[room:])
        self.tail_chars += len(self.tail[-1])
        # Joining only when twice too long keeps many small writes linear.
        if self.tail_chars > 2 * self.limit + 1000 or len(self.tail) > 1000:
            self._trim()
        return len(text)

    def take(self) -> tuple[str, int]:
        """Returns the text and how many characters were cut from its middle (0 if none)."""
        self._trim()
        if not self.dropped:
            return self.head + self.tail[0], 0
        note = f"\n… {self.dropped:,} characters left out …\n"
        return self.head + note + self.tail[0], self.dropped

    def _trim(self) -> None:
        text = "".join(self.tail)
        extra = max(0, len(text) - self.limit // 2)
        self.dropped += extra
        self.tail = [text[extra:]]
        self.tail_chars = len(self.tail[0])


class Figures:
    """Collects the open pyplot figures of a step as PNG."""

    def __init__(self, limits: Limits, output: BoundedText) -> None:
        self.limits = limits
        self.output = output
        self.images: list[str] = []

    def capture(self) -> None:
        """Takes and closes all open figures."""
        for number in plt.get_fignums():
            if len(self.images) < self.limits.figures:
                self._add(plt.figure(number))
            else:
                self.output.write(f"(only {self.limits.figures} figures of a step are kept)\n")
                break
        plt.close("all")

    def take(self) -> list[str]:
        """Returns the images in base64 and forgets them."""
        images, self.images = self.images, []
        return images

    def _add(self, figure: plt.Figure) -> None:
        buffer = io.BytesIO()
        try:
            figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", bbox_inches="tight")
        except Exception as error:
            self.output.write(f"(a figure could not be drawn: {error})\n")
            return
        if buffer.tell() > self.limits.figure_bytes:
            self.output.write(f"(a figure of {buffer.tell():,} bytes is too large to keep)\n")
            return
        self.images.append(base64.b64encode(buffer.getvalue()).decode("ascii"))
