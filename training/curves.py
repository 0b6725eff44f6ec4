"""The curves of a training run as a picture: draw(card, run.out / "curves.svg")."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOSSES = {"loss": "training loss", "eval_loss": "validation loss"}
SHARES = {"eval_accuracy": "accuracy", "eval_exec_ok": "a step ran without error"}


def draw(card: dict, path: Path) -> None:
    """Draws the losses and, where problems were answered, their shares over the steps.

    Args:
        card: A run card of `training.sft`.
        path: For the picture; its ending says the format, such as .svg or .png.
    """
    import matplotlib
    from matplotlib.figure import Figure

    entries = [*card["loss"], *card["validation"]]
    drawn = {name for entry in entries for name in entry}
    panels = [names for names in (LOSSES, SHARES) if drawn & names.keys()]
    figure = Figure(figsize=(5 * len(panels), 3.2), layout="constrained")
    figure.suptitle(f"{card['model']}, {card['steps']} steps", fontsize="medium")
    for axes, names in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _lines(axes, entries, names)
        axes.axvline(card["best_step"], color="0.6", linestyle=":", label="kept")
        axes.set_xlabel("step")
        axes.legend(frameon=False, fontsize="small")
        if names is SHARES:
            axes.set_ylim(0, 1)
    # Without these, the same card would give another file each time.
    with matplotlib.rc_context({"svg.hashsalt": "curves"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _lines(axes: Axes, entries: list[dict], names: Mapping[str, str]) -> None:
    for name, label in names.items():
        points = {entry["step"]: entry[name] for entry in entries if name in entry}
        marker = "o" if name.startswith("eval_") else ""
        axes.plot(points.keys(), points.values(), label=label, marker=marker, markersize=4)
