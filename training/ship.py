"""Puts an adapter where the page and the benchmarks load it from: `python -m training ship`.

    python -m training ship build/runs/coder-0.5b/two-passes --file build/coder-0.5b.gguf

Copies the exported file to assets/adapters/MODEL/sft-v1.gguf and writes card.json beside it: the run's card,
the file's digest, and what was measured with and without it, by the same agent. It is loaded by default only
if on no benchmark that is published with it fewer answers were right, fewer were right and verified, or more
were wrong though verified, and on one at least more were right and more were right and verified; that is
measured before, with `bench --adapter FILE --publish`. The share of verified answers alone does not decide:
with as many right and verified ones, a model that has fewer verified is the better, since what the other has
more is wrong and looks proven. A tie is no fault: where no table holds the answer, none counts as verified.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from agent.models import registry, weights
from training import records, results
from training.sft import CARD

NAME = "sft-v1.gguf"
SEED = 0  # of the runs that are compared
_SAME = ("benchmark", "problems", "data_sha256", "agent_sha256")  # in two results that compare
_RIGHT = ("official", "right_and_verified")
_KEPT = ("exec_ok", "verified", "right_and_verified", "official", "strict")


def add_command(commands: argparse._SubParsersAction) -> None:
    """Adds `ship` to the command line of `python -m training`."""
    command = commands.add_parser(
        "ship", help="make an adapter the default", description="Puts an adapter into assets/adapters."
    )
    command.set_defaults(function=run_ship)
    command.add_argument("run", type=Path, metavar="RUN", help="the folder that sft wrote")
    command.add_argument("--file", type=Path, required=True, help="the adapter as export wrote it")


def run_ship(options: argparse.Namespace) -> None:
    """Ships it and says whether it will be loaded by default."""
    card = ship(options.run, options.file, registry.ADAPTERS, results.PUBLISHED)
    for benchmark, figures in card["measured"].items():
        pairs = (f"{key} {figures['without'][key]:.1%} → {figures['with'][key]:.1%}" for key in _KEPT)
        print(f"{benchmark}: {', '.join(pairs)}")
    better = (
        "is loaded by default" if card["measured_better"] else "was not measured better, and is not loaded"
    )
    print(f"{registry.ADAPTERS / card['model'] / NAME} {better}.")


def ship(run: Path, file: Path, adapters: Path, published: Path) -> dict:
    """Copies the file and writes its card, which it returns.

    Args:
        published: Where the results lie that `bench --publish` wrote.

    Raises:
        ValueError: there is no run or no file, or nothing was measured with the file.
    """
    for path in (run / CARD, file):
        if not path.is_file():
            raise ValueError(f"{path} is not there: train with sft, then export.")
    card = json.loads((run / CARD).read_text(encoding="utf-8"))
    digest = weights.sha256(file)
    measured = _measured(card["model"], digest, published)
    if not measured:
        raise ValueError(
            f"Nothing is published of {card['model']} with {file.name} and without: run bench --publish "
            f"on the same problems with --adapter {file} and with --adapter none."
        )
    pairs = [(one["with"], one["without"]) for one in measured.values()]
    better = all(_no_worse(*pair) for pair in pairs) and any(_better(*pair) for pair in pairs)
    about = {"file": NAME, "sha256": digest, "bytes": file.stat().st_size, "run": run.resolve().name}
    whole = card | about | {"measured": measured, "measured_better": better}
    folder = adapters / card["model"]
    folder.mkdir(parents=True, exist_ok=True)
    if file.resolve() != (folder / NAME).resolve():
        shutil.copyfile(file, folder / NAME)
    records.write_json(folder / "card.json", whole)
    return whole


def _no_worse(own: dict[str, float], other: dict[str, float]) -> bool:
    """No fewer right answers, no fewer that are proven too, and no more that are wrong and look proven."""
    no_fewer = all(own[key] >= other[key] for key in _RIGHT)
    return no_fewer and _misleading(own) <= _misleading(other)


def _better(own: dict[str, float], other: dict[str, float]) -> bool:
    """More right answers, and more that are proven too."""
    return all(own[key] > other[key] for key in _RIGHT)


def _misleading(shares: dict[str, float]) -> float:
    return round(shares["verified"] - shares["right_and_verified"], 6)


def _measured(model: str, digest: str, published: Path) -> dict[str, dict[str, dict[str, float]]]:
    """The shares by benchmark, "with" the adapter of this digest and "without" any.

    Raises:
        ValueError: it was measured with the adapter, and not without on the same data by the same agent.
    """
    found: dict[tuple, dict[str, dict[str, float]]] = {}
    for path in sorted(published.glob("bench-*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if result["mode"] != "loop" or result["seed"] != SEED:
            continue
        shares = {key: result[key]["rate"] for key in _KEPT}
        asked = tuple(result[key] for key in _SAME)
        if result["model_digest"].endswith(f"+{digest}"):
            found.setdefault(asked, {})["with"] = shares
        elif result["model"] == model:
            found.setdefault(asked, {})["without"] = shares
    for (benchmark, *_), pair in found.items():
        if "with" in pair and "without" not in pair:
            raise ValueError(
                f"{benchmark} is published with the adapter, and not without it on the same data by the same "
                "agent: run bench --adapter none --publish."
            )
    return {benchmark: pair for (benchmark, *_), pair in found.items() if len(pair) == 2}
