"""Figures of a benchmark run: shares with their intervals, medians, and a Markdown table of several runs.

summary = summarize(predictions)
print(table({"loop": summary, "no-data": other}))
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import mean, median, stdev

from training.records import Prediction

Z95 = 1.959964  # two-sided 95 % of the normal distribution


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), from 0 to 1; (0, 1) where nothing was asked."""
    if not of:
        return 0.0, 1.0
    share, spread = hits / of, Z95**2 / of
    centre = (share + spread / 2) / (1 + spread)
    half = Z95 / (1 + spread) * math.sqrt(share * (1 - share) / of + spread / of / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def summarize(predictions: Sequence[Prediction]) -> dict:
    """Everything that the table, the results page and a comparison need; shares are from 0 to 1.

    Raises:
        ValueError: there is no prediction.
    """
    if not predictions:
        raise ValueError("There is no prediction to sum up: ask at least one problem.")
    return {
        "problems": len(predictions),
        "official": _share(predictions, lambda p: p.official),
        "strict": _share(predictions, lambda p: p.strict),
        "right_and_verified": _share(predictions, lambda p: p.official and p.verified),
        "exec_ok": _share(predictions, lambda p: p.exec_ok),
        "verified": _share(predictions, lambda p: p.verified),
        "answered": _share(predictions, lambda p: bool(p.answer.strip())),
        "by_type": _by_type(predictions),
        "decided_by": dict(Counter(p.link for p in predictions).most_common()),
        "outcomes": dict(Counter(p.outcome for p in predictions).most_common()),
        "hallucinated_results": sum(p.hallucinated_results for p in predictions),
        "steps": round(mean(p.steps for p in predictions), 2),
        "seconds": round(mean(p.seconds for p in predictions), 2),
        "median_seconds": round(median(p.seconds for p in predictions), 2),
        "prompt_tokens": round(mean(p.prompt_tokens for p in predictions)),
        "output_tokens": round(mean(p.output_tokens for p in predictions)),
    }


def spread(summaries: Sequence[dict]) -> str:
    """The official accuracy of several seeds: `mean 52.1 % ± 1.3 (3 seeds)`, ± one standard deviation."""
    rates = [summary["official"]["rate"] for summary in summaries]
    return f"mean {percent(mean(rates))} ± {100 * stdev(rates):.1f} ({len(rates)} seeds)"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def table(summaries: dict[str, dict]) -> str:
    """A Markdown table with a column for each run, by its title."""
    types = sorted({name for summary in summaries.values() for name in summary["by_type"]})
    rows: list[tuple[str, Callable[[dict], str]]] = [
        ("problems", lambda s: str(s["problems"])),
        ("accuracy, official", lambda s: _with_interval(s["official"])),
        ("accuracy, strict", lambda s: _with_interval(s["strict"])),
        ("right and verified", lambda s: _with_interval(s["right_and_verified"])),
        *((f"official, {name}", lambda s, n=name: _of_type(s, n)) for name in types),
        ("a step ran without error", lambda s: percent(s["exec_ok"]["rate"])),
        ("verified", lambda s: percent(s["verified"]["rate"])),
        ("answered", lambda s: percent(s["answered"]["rate"])),
        ("tables unreadable", lambda s: str(s["outcomes"].get("unreadable", 0))),
        ("model or sandbox failed", lambda s: str(s["outcomes"].get("failed", 0))),
        ("results made up", lambda s: str(s["hallucinated_results"])),
        ("steps (mean)", lambda s: f"{s['steps']:.2f}"),
        ("seconds (mean / median)", _seconds),
        ("tokens read / written (mean)", lambda s: f"{s['prompt_tokens']:,} / {s['output_tokens']:,}"),
    ]
    lines = [f"| | {' | '.join(summaries)} |", "|---|" + "---:|" * len(summaries)]
    lines += [f"| {name} | {' | '.join(map(cell, summaries.values()))} |" for name, cell in rows]
    return "\n".join(lines)


def _share(predictions: Sequence[Prediction], holds: Callable[[Prediction], bool]) -> dict:
    hits = sum(map(bool, map(holds, predictions)))
    low, high = wilson(hits, len(predictions))
    return {"rate": hits / len(predictions), "low": round(low, 4), "high": round(high, 4), "hits": hits}


def _by_type(predictions: Sequence[Prediction]) -> dict:
    counts: dict[str, dict[str, int]] = {}
    for prediction in sorted(predictions, key=lambda p: p.answer_type):
        row = counts.setdefault(prediction.answer_type, {"problems": 0, "official": 0, "strict": 0})
        row["problems"] += 1
        row["official"] += prediction.official
        row["strict"] += prediction.strict
    return counts


def _seconds(figures: dict) -> str:
    """A run that was shared out among unlike machines has none (null): they would compare with no other's."""
    if figures["seconds"] is None:
        return "–"
    return f"{figures['seconds']:.1f} / {figures['median_seconds']:.1f}"


def _with_interval(share: dict) -> str:
    return f"{percent(share['rate'])} ({100 * share['low']:.0f} to {100 * share['high']:.0f})"


def _of_type(summary: dict, name: str) -> str:
    row = summary["by_type"].get(name)
    return f"{row['official']}/{row['problems']}" if row else "–"
