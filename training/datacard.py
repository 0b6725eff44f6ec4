"""The README.md beside an SFT set: what is in it, from where, under which licences, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import quantiles

from training.samples import Sample

LICENCES = {
    "databench": "DataBench (cardiffnlp/databench), train questions; its tables have licences of their own, "
    "named in its card",
    "wtq": "WikiTableQuestions, CC BY-SA 4.0",
    "own": "questions of this project, Apache-2.0; its tables under the licences of your own sample tables",
    "recovery": "made from the samples of the other sources, under their licences",
    "shape": "made from the samples of the other sources, under their licences",
    "jupyter-agent": "jupyter-agent/jupyter-agent-dataset, Apache-2.0; its tables are Kaggle's, under the "
    "licence of each",
    "code-feedback": "m-a-p/Code-Feedback, Apache-2.0",
    "dialogs": "your own copy, under its licence",
    "dashboards": "your own copy, under its licence",
}


def card(
    splits: dict[str, Sequence[Sample]],
    dropped: Counter[tuple[str, str]],
    about: dict[str, object],
    count_tokens: Callable[[str], int],
) -> str:
    """The card as Markdown.

    Args:
        splits: The samples of each split.
        dropped: How many candidates of a source were left out, by source and reason.
        about: What the set rests on, by name: command, models, settings, digests.
        count_tokens: The student's count of a text; a chat template's own tokens are not in it.
    """
    whole = [sample for of_split in splits.values() for sample in of_split]
    tokens = [_tokens(sample, count_tokens) for sample in whole]
    learned = [sum(count_tokens(sample.messages[i]["content"]) for i in sample.trained) for sample in whole]
    sizes = ", ".join(f"{len(of_split)} {name}" for name, of_split in splits.items())
    parts = [
        "# SFT set",
        f"{len(whole)} conversations ({sizes}; no table is in both). Each was made by the agent core: its "
        "code was run for real, and its answer found right in real output. Only the replies that `trained` "
        "names are to be learned.",
        _counts("Source", splits, lambda sample: sample.source),
        _counts("Answer type", splits, lambda sample: sample.answer_type),
        _counts("Family", splits, lambda sample: f"{sample.source}: {sample.family}"),
        _counts("Steps", splits, lambda sample: str(sample.steps)),
        _counts("Written by", splits, lambda sample: sample.model),
        "## Tokens\n\n" + _spread("of a conversation", tokens) + "\n" + _spread("to be learned", learned),
        "## Left out\n\n" + _dropped(dropped),
        "## Licences\n\n" + "\n".join(f"- {name}: {_licence(name)}" for name in _sources(whole)),
        "## Made by\n\n" + "\n".join(f"- {name}: {value}" for name, value in about.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _counts(title: str, splits: dict[str, Sequence[Sample]], key: Callable[[Sample], str]) -> str:
    """A table of how many samples of each split have which key, the most frequent first."""
    by_split = {name: Counter(map(key, of_split)) for name, of_split in splits.items()}
    total = sum(by_split.values(), Counter())
    lines = [f"| {title} | {' | '.join(splits)} | all |", "|---|" + "---:|" * (len(splits) + 1)]
    for name, count in sorted(total.items(), key=lambda item: (-item[1], item[0])):
        cells = " | ".join(str(counts[name]) for counts in by_split.values())
        lines.append(f"| {name} | {cells} | {count} |")
    return "\n".join(lines)


def _tokens(sample: Sample, count_tokens: Callable[[str], int]) -> int:
    return sum(count_tokens(message["content"]) for message in sample.messages)


def _spread(what: str, numbers: Sequence[int]) -> str:
    if len(numbers) < 2:
        return f"- {what}: {sum(numbers):,}"
    cuts = quantiles(numbers, n=20, method="inclusive")
    return (
        f"- {what}: median {cuts[9]:,.0f}, 95 % below {cuts[18]:,.0f}, at most {max(numbers):,}; "
        f"{sum(numbers):,} in all"
    )


def _dropped(dropped: Counter[tuple[str, str]]) -> str:
    rows = [f"| {source} | {why} | {count} |" for (source, why), count in sorted(dropped.items()) if count]
    return "\n".join(["| Source | why | candidates |", "|---|---|---:|", *rows])


def _sources(samples: Sequence[Sample]) -> list[str]:
    return sorted({sample.source for sample in samples})


def _licence(source: str) -> str:
    return LICENCES.get(source, "not known")
