"""Several training runs side by side, by their cards: `python -m training runs`.

    python -m training runs build/runs/coder-0.5b/* --publish

Prints a table of them and, with --publish, writes for each model the cards as assets/results/sft-MODEL.json
and their curves as sft-MODEL.svg. A run is called by its folder. The cards say what was measured during
training; what a finished adapter is worth, `python -m training bench` measures.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from training import curves, records, results, summary
from training.sft import CARD

_COLUMNS = (
    "run", "samples", "epochs", "rank", "learning rate", "tokens", "seconds", "tokens/s", "kept",
    "validation loss", "questions", "accuracy", "exec_ok",
)  # fmt: skip


def add_command(commands: argparse._SubParsersAction) -> None:
    """Adds `runs` to the command line of `python -m training`."""
    command = commands.add_parser(
        "runs", help="compare training runs", description="Compares finished training runs by their cards."
    )
    command.set_defaults(function=run_runs)
    command.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a folder that sft wrote")
    command.add_argument("--publish", action="store_true", help="write cards and curves to assets/results")


def run_runs(options: argparse.Namespace) -> None:
    """Prints the table of each model's runs; publishes them where that is asked for."""
    for model, cards in by_model(options.runs).items():
        print(f"## {model}\n\n{table(cards)}\n")
        if options.publish:
            publish(model, cards, results.PUBLISHED)


def by_model(folders: Sequence[Path]) -> dict[str, dict[str, dict]]:
    """The cards by the name of the run, by model.

    Raises:
        ValueError: a folder holds no finished run, or two of a model have the same name.
    """
    found: dict[str, dict[str, dict]] = defaultdict(dict)
    for folder in folders:
        path = folder / CARD
        if not path.is_file():
            raise ValueError(f"{folder} holds no finished run: there is no {CARD} in it.")
        card, name = json.loads(path.read_text(encoding="utf-8")), folder.resolve().name
        if name in found[card["model"]]:
            raise ValueError(f"Two runs of {card['model']} are called {name}: rename one's folder.")
        found[card["model"]][name] = card
    return found


def table(cards: Mapping[str, dict]) -> str:
    """A Markdown table, a row a run: "kept" is which of its steps, and validation is that step's."""
    lines = [f"| {' | '.join(_COLUMNS)} |", f"|---|{'---:|' * (len(_COLUMNS) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(_row(name, card))} |" for name, card in cards.items())])


def publish(model: str, cards: Mapping[str, dict], folder: Path) -> None:
    """Writes the cards and the picture of their curves."""
    name = f"sft-{records.slug(model)}"
    judged = {run: card | {"accuracy": _accuracy(card)} for run, card in cards.items()}
    records.write_json(folder / f"{name}.json", {"model": model, "runs": judged})
    curves.compare(cards, folder / f"{name}.svg")


def _accuracy(card: dict) -> dict[str, float] | None:
    """On the validation questions at the step that was kept, with its 95 % interval; None without any."""
    rate = _kept(card).get("eval_accuracy")
    if rate is None:
        return None
    low, high = summary.wilson(round(rate * card["problems"]), card["problems"])
    return {"rate": rate, "low": low, "high": high}


def _kept(card: dict) -> dict:
    return next(entry for entry in card["validation"] if entry["step"] == card["best_step"])


def _row(name: str, card: dict) -> list[str]:
    settings, kept = card["settings"], _kept(card)
    shares = [f"{kept[key]:.1%}" if key in kept else "" for key in ("eval_accuracy", "eval_exec_ok")]
    return [
        name,
        f"{card['samples']['train']:,}",
        str(settings["epochs"]),
        str(settings["rank"]),
        f"{settings['learning_rate']:g}",
        f"{card['tokens']:,}",
        f"{card['seconds']:,.0f}",
        f"{card['tokens_per_second'] or 0:,}",
        f"{card['best_step']} of {card['steps']}",
        f"{kept['eval_loss']:.4f}",
        f"{card['problems']:,}",
        *shares,
    ]
