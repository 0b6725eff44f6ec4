"""The measured results as HTML: for each benchmark a row a model, its accuracy as a bar with its interval.

    section(load())

Drawn from the files that `python -m training bench --publish` writes into assets/results/; what stands in
them is escaped here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType

RESULTS = Path(__file__).parent.parent / "assets" / "results"

_MODES = {
    "loop": "",
    "one-shot": "one reply, run once",
    "no-data": "guessing, without the tables",
    "smolagents": "in smolagents’ CodeAgent, which verifies nothing",
}
_INTRO = (
    "How often the answer is right by DataBench’s rule, a choice by its letter; the line shows the 95&nbsp;% "
    "interval. Beside it, how often code ran without an error, and how often the answer was found in real "
    "output."
)
# Where a benchmark's figures do not mean what those of the others do.
_NOTES = {
    "examples unanswerable": (
        "No table tells any of this: right is to have looked and to say so, which never counts as verified. "
        "What is verified here answers another question than the one that was asked."
    ),
}
_TRAINED = (
    "What the runs were worth while they were trained: questions of tables that they did not learn from, "
    "answered by real episodes. A model had answered them right before, so the shares are high; they compare "
    "the runs of one set. What an adapter is worth stands above."
)


def load(folder: Path = RESULTS) -> list[dict]:
    """The results of benchmark runs in the folder; files of another form are left out."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return [result for result in read if "benchmark" in result]


def load_runs(folder: Path = RESULTS) -> dict[str, dict[str, dict]]:
    """The published training runs' cards, by name of the run, by model."""
    read = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("sft-*.json"))]
    return {one["model"]: one["runs"] for one in read}


def _trained(runs: Mapping[str, Mapping[str, dict]]) -> str:
    """The training runs, a table a model; "" where there are none."""
    if not runs:
        return ""
    title = '<h3 class="ds-gallery-title">How it was trained</h3>'
    tables = "".join(_runs(model, cards) for model, cards in runs.items())
    return f'{title}<p class="ds-quiet">{_TRAINED}</p>{tables}'


def _runs(model: str, cards: Mapping[str, dict]) -> str:
    rows = "".join(_run(name, card) for name, card in cards.items())
    commands = "".join(
        f"<li>{escape(_facts(name, card))}<br><code>{escape(card['command'])}</code></li>"
        for name, card in cards.items()
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Run", "Right", "Samples", "Tokens/s"))
    return (
        f"<table><caption>{escape(model)} <span>LoRA adapters</span></caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
        f"<details><summary>How this was trained</summary><ul>{commands}</ul></details>"
    )


def _facts(name: str, card: dict) -> str:
    digest = card["data_sha256"][:12]
    return f"{name}: {card['hardware']}, {card['date']}, seed {card['seed']}; SHA-256 of the set: {digest}"


def _run(name: str, card: dict) -> str:
    epochs, share = card["settings"]["epochs"], card["accuracy"]
    passes = f"{epochs} {'pass' if epochs == 1 else 'passes'}"
    note = f"{passes}, rank {card['settings']['rank']}, {card['problems']} questions"
    right = f'<td class="ds-accuracy">{_bar(share)}<b>{_percent(share)}</b></td>' if share else "<td></td>"
    return (
        f'<tr><th scope="row">{escape(name.replace("-", " "))}<small>{note}</small></th>{right}'
        f'<td data-label="samples">{card["samples"]["train"]:,}</td>'
        f'<td data-label="tokens/s">{card["tokens_per_second"] or 0:,}</td></tr>'
    )


def section(results: Sequence[dict], runs: Mapping[str, Mapping[str, dict]] = MappingProxyType({})) -> str:
    """The whole section, "" where there is nothing to show.

    The benchmark with the most questions comes first, and in it the best run.

    Args:
        runs: As `load_runs` gives them.
    """
    by_benchmark: dict[str, list[dict]] = defaultdict(list)
    for result in results:
        by_benchmark[result["benchmark"]].append(result)
    if not by_benchmark:
        return ""
    most = {name: max(result["problems"] for result in of_it) for name, of_it in by_benchmark.items()}
    names = sorted(by_benchmark, key=lambda name: (-most[name], name.casefold()))
    parts = [_benchmark(name, by_benchmark[name]) for name in names]
    title = '<h3 class="ds-gallery-title">How well it does</h3>'
    shown = f'{title}<p class="ds-quiet">{_INTRO}</p>{"".join(parts)}{_trained(runs)}'
    return f'<section class="ds-results">{shown}</section>'


def _benchmark(name: str, results: list[dict]) -> str:
    ordered = sorted(results, key=lambda result: -result["official"]["rate"])
    counts = sorted({result["problems"] for result in results})
    asked = " or ".join(f"{count:,}" for count in counts)
    rows = "".join(map(_row, ordered))
    measured = "".join(f"<li>{_measured(result)}</li>" for result in ordered)
    note = f'<p class="ds-quiet">{_NOTES[name]}</p>' if name in _NOTES else ""
    return (
        f"<table><caption>{escape(name)} <span>{asked} questions</span></caption><thead><tr>"
        '<th scope="col">Model</th><th scope="col">Right</th><th scope="col">Ran</th>'
        f'<th scope="col">Verified</th></tr></thead><tbody>{rows}</tbody></table>{note}'
        f"<details><summary>How this was measured</summary><ul>{measured}</ul></details>"
    )


def _row(result: dict) -> str:
    mode = _MODES.get(result["mode"], result["mode"])
    note = f"<small>{escape(mode)}</small>" if mode else ""
    return (
        f'<tr><th scope="row">{escape(result["model"])}{note}</th>'
        f'<td class="ds-accuracy">{_bar(result["official"])}<b>{_percent(result["official"])}</b></td>'
        f'<td data-label="ran">{_percent(result["exec_ok"])}</td>'
        f'<td data-label="verified">{_percent(result["verified"])}</td></tr>'
    )


def _bar(share: dict) -> str:
    """A bar from 0 to 100 %, with the interval as a line across its end."""
    rate, low, high = (100 * share[key] for key in ("rate", "low", "high"))
    words = f"{rate:.1f} %, between {low:.1f} and {high:.1f} %"
    return (
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{words}">'
        f"<title>{words}</title>"
        '<rect class="ds-track" width="100" height="10"/>'
        f'<rect class="ds-bar" width="{rate:.2f}" height="10"/>'
        f'<rect class="ds-interval" x="{low:.2f}" y="4" width="{high - low:.2f}" height="2"/></svg>'
    )


def _measured(result: dict) -> str:
    mode = f", {result['mode']}" if result["mode"] != "loop" else ""
    digests = " · ".join(
        f"{name} {digest[:12]}"
        for name, digest in (
            ("weights", result["model_digest"]),
            ("data", result["data_sha256"]),
            ("prompts", result["prompt_sha256"]),
        )
        if digest
    )
    facts = f"seed {result['seed']}, {result['hardware']}, {result['date']}; SHA-256: {digests}"
    name = escape(f"{result['model']}{mode}")
    return f"{name}: {escape(facts)}<br><code>{escape(result['command'])}</code>"


def _percent(share: dict) -> str:
    return f"{100 * share['rate']:.1f}&nbsp;%"
