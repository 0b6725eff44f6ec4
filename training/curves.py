"""The curves of training runs as pictures.

draw(card, run.out / "curves.svg")
compare({"with": card, "without": other}, Path("compared.svg"))
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSSES = {"loss": "training loss", "eval_loss": "validation loss"}
SMOOTHED = 10
# What tells runs apart whose colour is the same: matplotlib has so many.
_COLOURS, _DASHES = 10, ("-", "--", ":")
SHARES = {"eval_accuracy": "accuracy", "eval_exec_ok": "a step ran without error"}


def draw(card: dict, path: Path) -> None:
    """Draws the losses and, where problems were answered, their shares over the steps.

    Args:
        card: A run card of `training.sft`.
        path: For the picture; its ending says the format, such as .svg or .png.
    """
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
    _save(figure, path)


def compare(cards: Mapping[str, dict], path: Path) -> None:
    """Draws the curves of several runs, each with a colour or dashes of its own, over the share of its steps.

    Args:
        cards: By what the runs are called; all of one model.
    """
    from matplotlib.figure import Figure

    panels = {"loss": f"training loss, mean of {SMOOTHED} steps", "eval_loss": "validation loss"}
    if any("eval_accuracy" in entry for card in cards.values() for entry in card["validation"]):
        panels["eval_accuracy"] = "accuracy on validation questions"
    figure = Figure(figsize=(4 * len(panels), 3.6), layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (key, title) in zip(all_axes, panels.items(), strict=True):
        for number, (name, card) in enumerate(cards.items()):
            entries = card["loss" if key == "loss" else "validation"]
            points = {entry["step"] / card["steps"]: entry[key] for entry in entries if key in entry}
            values = _smoothed(list(points.values())) if key == "loss" else list(points.values())
            marker, dashes = "" if key == "loss" else "o", _DASHES[number // _COLOURS % len(_DASHES)]
            axes.plot(points.keys(), values, marker=marker, markersize=4, linestyle=dashes, label=name)
        axes.set_title(title, fontsize="medium")
        axes.set_xlabel("share of the steps")
        axes.set_xlim(0, 1.03)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    _save(figure, path)


def _smoothed(values: list[float]) -> list[float]:
    """Each value's mean with those before it, of SMOOTHED at most."""
    return [
        sum(part := values[max(0, place - SMOOTHED + 1) : place + 1]) / len(part)
        for place in range(len(values))
    ]


def _save(figure: Figure, path: Path) -> None:
    import matplotlib

    # Without these, the same card would give another file each time.
    with matplotlib.rc_context({"svg.hashsalt": "curves"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _lines(axes: Axes, entries: list[dict], names: Mapping[str, str]) -> None:
    for name, label in names.items():
        points = {entry["step"]: entry[name] for entry in entries if name in entry}
        marker = "o" if name.startswith("eval_") else ""
        axes.plot(points.keys(), points.values(), label=label, marker=marker, markersize=4)
