"""Several benchmarks and several models at once:

    python -m training bench --suite hackathon --data DATA --model A --model B@ADAPTER

A model has its own adapter, where it has one, unless another is named; NAME@none has none.

The work is cut into shards, each a model with its share of every benchmark's problems. Shards run in
processes of this machine, or on Ray, by the same function `run_shard`; each loads its own model. Every shard
keeps a journal, so a suite that was killed goes on. On a cluster the data and the output folder must be at
the same path on every machine, and so must this repository.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import sandbox
from agent import models
from training import bench, problems, records, summary
from training.bench import Settings
from training.problems import Problem, ProblemError
from training.records import Prediction, RunError

SAMPLE_SEED = 0
GPUS = Path("/proc/driver/nvidia/gpus")  # a folder for each


@dataclass(frozen=True)
class Part:
    """One benchmark of a suite, and where it lies in the data folder.

    Attributes:
        file: A file in the problem format; the first place to look, though it may hold only a sample.
        published: Name for `problems.load`, "" if the benchmark is a file only.
        folder: The copy of the published files.
        on_hub: Whether it can be fetched where there is no copy.
        rules: What its official and its strict comparison are called.
        sign: What in `folder` tells that the copy is there.
    """

    title: str
    file: str
    published: str = ""
    folder: str = ""
    on_hub: bool = False
    rules: tuple[str, str] = ("official", "strict")
    sign: str = "data"


PARTS = {
    "databench-lite": Part(
        "DataBench lite",
        "databench/validation_lite.jsonl",
        "databench-lite-validation",
        "databench",
        on_hub=True,
    ),
    "databench-full": Part(
        "DataBench", "databench/validation_full.jsonl", "databench-full-validation", "databench", on_hub=True
    ),
    "dsbench": Part(
        "DSBench",
        "dsbench/sample.jsonl",
        "dsbench",
        "dsbench",
        rules=("letter", "value-aware"),
        sign="data.json",
    ),
    "dabench": Part("DABench", "dabench/problems.jsonl", "dabench", "dabench", sign="da-dev-questions.jsonl"),
    "wtq": Part("WikiTableQuestions", "wtq/dev.jsonl", "wtq-dev", "wtq"),
    "mentor-hard": Part("Mentor-hard", "mentor-hard.jsonl"),
}
# How many problems of which part; None is all.
SUITES: dict[str, dict[str, int | None]] = {
    "hackathon": {"databench-lite": 15, "dsbench": 10, "mentor-hard": 5},
    "full": dict.fromkeys(PARTS),
}


class MissingError(ProblemError):
    """A part is neither in the data folder nor to be fetched."""


@dataclass(frozen=True)
class Shard:
    """A model's share of the work; all of it can be sent to another process."""

    model: str
    adapter: str | None
    problems: dict[str, tuple[Problem, ...]]
    folder: Path
    settings: Settings
    gpu: str | None = None

    @property
    def contender(self) -> str:
        """The model as it was named: NAME or NAME@ADAPTER."""
        return f"{self.model}@{self.adapter}" if self.adapter else self.model


@dataclass(frozen=True)
class Outcome:
    """What a shard gives back: its predictions by part, and which model made them."""

    contender: str
    model: str
    digest: str
    predictions: dict[str, list[Prediction]]


def gather(suite: str, data: Path) -> tuple[dict[str, list[Problem]], dict[str, str], dict[str, str]]:
    """The suite's problems by part; of the parts that are missing, why; of those that are broken, how."""
    found, missing, broken = {}, {}, {}
    for name, limit in SUITES[suite].items():
        try:
            found[name] = sample(find(PARTS[name], data, whole=limit is None), limit)
        except MissingError as error:
            missing[name] = str(error)
        except ProblemError as error:
            broken[name] = str(error)
    return found, missing, broken


def find(part: Part, data: Path, whole: bool = False) -> list[Problem]:
    """The part's problems.

    Args:
        whole: Take the published copy, where it is there, rather than the file.

    Raises:
        MissingError: it is neither in the data folder nor to be fetched.
        ProblemError: what is in the data folder cannot be loaded.
    """
    file, folder = data / part.file, data / part.folder
    copied = bool(part.published) and (folder / part.sign).exists()
    if file.is_file() and not (whole and copied):
        return problems.load(file)
    if copied:
        return problems.load(part.published, folder)
    if not part.on_hub:
        copy = f", nor is a copy of the published files in {folder}" if part.published else ""
        raise MissingError(f"{file} is not there{copy}.")
    try:
        return problems.load(part.published)
    except ProblemError as error:
        raise MissingError(str(error)) from error


def sample(of: list[Problem], limit: int | None) -> list[Problem]:
    """The same `limit` problems each time, in their order; all where there are no more."""
    if limit is None or limit >= len(of):
        return of
    chosen = random.Random(SAMPLE_SEED).sample(range(len(of)), limit)
    return [of[place] for place in sorted(chosen)]


def shards(
    contenders: Sequence[str],
    of: dict[str, list[Problem]],
    folder: Path,
    settings: Settings,
    workers: int,
    cards: Sequence[str] = (),
) -> list[Shard]:
    """The work, cut so that `workers` are busy.

    Args:
        contenders: Models as NAME or NAME@ADAPTER ("none": without its own one).
        folder: Where each shard keeps its journal.
        cards: GPUs of this machine that the shards take in turn; none where something else assigns them.

    Raises:
        RunError: two contenders would share a folder.
    """
    for name, count in Counter(map(records.slug, contenders)).items():
        if count > 1:
            raise RunError(
                f"{count} models would be kept as {name}: give each once, under names that differ."
            )
    pieces = max(1, workers // len(contenders))
    made = []
    for contender in contenders:
        model, _, adapter = contender.partition("@")
        for piece in range(pieces):
            share = {name: tuple(cut(part, pieces)[piece]) for name, part in of.items()}
            where = folder / records.slug(contender) / f"shard-{piece + 1}-of-{pieces}"
            gpu = cards[len(made) % len(cards)] if cards else None
            made.append(Shard(model, adapter or None, share, where, bench.suited(settings, model), gpu))
    return made


def cut(of: Sequence[Problem], pieces: int) -> list[Sequence[Problem]]:
    """Contiguous pieces of nearly equal length, so that problems on one table mostly stay together."""
    ends = [len(of) * piece // pieces for piece in range(pieces + 1)]
    return [of[start:end] for start, end in itertools.pairwise(ends)]


def gpus() -> list[str]:
    """NVIDIA's cards that this process may use, as CUDA names them; found without loading anything."""
    present = len(list(GPUS.glob("*")))
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not present or allowed is None:
        return list(map(str, range(present)))
    named = [card.strip() for card in allowed.split(",")]
    return [*itertools.takewhile(lambda card: card not in ("", "-1", "NoDevFiles"), named)]


def run_shard(shard: Shard) -> Outcome:
    """Loads the shard's model and asks its problems; whatever process or machine this is.

    Raises:
        ModelError, RunError, SandboxError: as `bench.run`.
    """
    if shard.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = shard.gpu
    model = models.load(shard.model, adapter=shard.adapter, slots=shard.settings.slots)
    try:
        predictions = {}
        for name, part in shard.problems.items():
            with bench.journal_of(shard.folder / name, part, model, shard.settings) as journal:
                predictions[name] = bench.run(part, model, journal, shard.settings)
        return Outcome(shard.contender, model.name, model.digest, predictions)
    finally:
        model.close()
        sandbox.shutdown()


def on_processes(work: Sequence[Shard], workers: int) -> list[Outcome]:
    """Runs shards in fresh processes of this machine, `workers` at a time."""
    context = multiprocessing.get_context("spawn")  # a fork would copy threads and CUDA's state
    with ProcessPoolExecutor(workers, mp_context=context, max_tasks_per_child=1) as pool:
        return list(pool.map(run_shard, work))


def on_ray(work: Sequence[Shard], workers: int, address: str) -> list[Outcome]:
    """Runs shards on a Ray cluster; "local" starts one of `workers` workers on this machine.

    A shard takes one CPU, and one GPU where the cluster has any.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    environment = {"env_vars": {"PYTHONPATH": str(records.ROOT)}}
    if address == "local":
        ray.init(num_cpus=workers, include_dashboard=False, runtime_env=environment)
    else:
        ray.init(address, runtime_env=environment)
    try:
        cards = 1 if ray.cluster_resources().get("GPU") else 0
        task = ray.remote(num_cpus=1, num_gpus=cards, scheduling_strategy="SPREAD")(run_shard)
        return ray.get([task.remote(shard) for shard in work])
    finally:
        ray.shutdown()


# Results


def joined(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """An outcome for each contender, its shards put together; models of one name are numbered in their order.

    Raises:
        RunError: two contenders are the same model.
    """
    whole: dict[str, Outcome] = {}
    for shard in outcomes:
        parts = whole.setdefault(shard.contender, replace(shard, predictions={})).predictions
        for name, predictions in shard.predictions.items():
            parts.setdefault(name, []).extend(predictions)
    first: dict[tuple[str, str], str] = {}
    for one in whole.values():
        same = first.setdefault((one.model, one.digest), one.contender)
        if same != one.contender:
            raise RunError(f"{same} and {one.contender} are the same model, {one.model}: leave one out.")
    by_name = defaultdict(list)
    for one in whole.values():
        by_name[one.model].append(one)
    return [
        replace(one, model=f"{name} ({place})") if len(of_name) > 1 else one
        for name, of_name in by_name.items()
        for place, one in enumerate(of_name, 1)
    ]


def table(summaries: dict[str, dict[str, dict]], missing: dict[str, str]) -> str:
    """Parts by models: accuracy by both rules, each with the share in which a step ran; last the averages.

    Args:
        summaries: By model and part, from `summary.summarize`.
        missing: Parts that were not run, and why.
    """
    parts = list(dict.fromkeys(name for of_model in summaries.values() for name in of_model))
    lines = [f"| | {' | '.join(map(heading, summaries))} |", "|---|" + "---:|" * len(summaries)]
    for name, (kind, label) in itertools.product(parts, enumerate(("official", "strict"))):
        cells = [_cell([of_model[name]], label) for of_model in summaries.values()]
        asked = next(iter(summaries.values()))[name]["problems"]
        lines.append(f"| {PARTS[name].title} ({asked}), {PARTS[name].rules[kind]} | {' | '.join(cells)} |")
    for kind, label in enumerate(("official", "strict")):
        cells = [_cell(list(of_model.values()), label) for of_model in summaries.values()]
        rules = " or ".join(dict.fromkeys(PARTS[name].rules[kind] for name in parts))
        lines.append(f"| **macro average**, {rules} | {' | '.join(cells)} |")
    lines += ["", "In parentheses: the share of problems in which a step ran without error (exec_ok)."]
    lines += [f"Not run: {PARTS[name].title}. {why}" for name, why in missing.items()]
    return "\n".join(lines)


def heading(model: str) -> str:
    """`SFT x+sft` with an adapter, `other x` for a model that runs elsewhere, else `Base x`."""
    kind = "other" if model.startswith(("endpoint:", "hf:")) else "SFT" if "+" in model else "Base"
    return f"{kind} `{model}`"


def _cell(of: list[dict], rule: str) -> str:
    accuracy, ran = (mean(of_part[name]["rate"] for of_part in of) for name in (rule, "exec_ok"))
    return f"{summary.percent(accuracy)} ({summary.percent(ran)})"
