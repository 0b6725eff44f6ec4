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
    """Draws the curves of several runs over the share of their steps, a row for each set they learned from.

    Losses and accuracies compare the runs of one set only: each has samples and questions of its own.

    Args:
        cards: By what the runs are called; all of one model.
    """
    from matplotlib.figure import Figure

    panels = {"loss": f"training loss, mean of {SMOOTHED} steps", "eval_loss": "validation loss"}
    if any("eval_accuracy" in entry for card in cards.values() for entry in card["validation"]):
        panels["eval_accuracy"] = "accuracy on validation questions"
    sets: dict[str, dict[str, dict]] = {}
    for name, card in cards.items():
        sets.setdefault(card["data_sha256"], {})[name] = card
    figure = Figure(figsize=(3.4 * len(panels) + 2.6, 0.6 + 1.7 * len(sets)), layout="constrained")
    grid = figure.subplots(len(sets), len(panels), squeeze=False, sharex=True, sharey="col")
    for row, runs in zip(grid, sets.values(), strict=True):
        for axes, key in zip(row, panels, strict=True):
            _runs(axes, runs, key)
        # Beside its row, so that a name is found without counting colours.
        row[-1].legend(loc="center left", bbox_to_anchor=(1.03, 0.5), frameon=False, fontsize="small")
    for axes, title in zip(grid[0], panels.values(), strict=True):
        axes.set_title(title, fontsize="medium")
    for axes in grid[-1]:
        axes.set_xlabel("share of the steps")
        axes.set_xlim(0, 1.03)
    if "eval_accuracy" in panels:
        grid[0, -1].yaxis.set_major_formatter(lambda rate, _: f"{rate:.0%}")
    _save(figure, path)


def _runs(axes: Axes, runs: Mapping[str, dict], key: str) -> None:
    for name, card in runs.items():
        entries = card["loss" if key == "loss" else "validation"]
        points = {entry["step"] / card["steps"]: entry[key] for entry in entries if key in entry}
        values = _smoothed(list(points.values())) if key == "loss" else list(points.values())
        axes.plot(points.keys(), values, marker="" if key == "loss" else "o", markersize=4, label=name)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


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
