"""Builds the SFT set: `python -m training data`.

    python -m training data --data DATA --out build/sft --student coder-1.5b --own 4000 --wtq 4000

Models answer questions whose answers are known: DataBench train, WikiTableQuestions train, and questions of
our own over clean tables. What was verified is cleaned and played anew; recoveries from real faults, answers
in form, charts and looks are made from it, and supplements go through the same door (`rollouts.play`). The
same command goes on where it was stopped: rollouts are kept in OUT/rollouts, and questions in OUT/tables.
Every GPU has processes that take one rollout of a source after the other.

DATA holds databench/, wtq/ and samples/ (any CSV and parquet tables below it); a DataBench that is not there
comes from the Hub. OUT gets train.jsonl, validation.jsonl, a data card, and problems to measure models on: in
validation_problems.jsonl those of the validation samples, recoveries, shapes and supplements left out; in
mentor-hard.jsonl, or where `--pool` says, those that the mentor (without one, the student) was asked at least
twice and never got right and verified, if their question is in no sample; other questions on their tables may
be.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import sandbox
from agent import models
from agent.models import Model, registry
from agent.models.registry import Embedded
from sandbox import Pool
from training import bench, datacard, problems, records, rollouts, samples, sources, suite
from training.bench import Settings
from training.builder import Builder, Made, split, successes
from training.gather import TRAIN, Asked, Dropped, gather
from training.problems import Problem
from training.rollouts import Rollout

SHAPE_SHARE = 0.1
ABSENT_SHARE = 0.04  # and as many whose look finds something, or a model gives up too easily
VALIDATION_SHARE = 0.05
MENTOR_HARD = suite.PARTS["mentor-hard"].file
# Episodes at once on a GPU, and what each may hold; longer conversations are not learned from.
ON_GPU, ROLLOUT_TOKENS = 256, 3072
# On each GPU: Python drives the episodes of a process one at a time, and alone it leaves the GPU idle half of
# the time. One, two and three on an H200: 6, 13 and 14 verified and right answers a second.
PROCESSES = 2


def add_command(commands: argparse._SubParsersAction) -> None:
    """Adds `data` to the commands of `python -m training`."""
    command = commands.add_parser(
        "data",
        help="build the SFT set",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Builds the SFT set; a run that was stopped goes on by the same command.",
        epilog=f"Supplements: {', '.join(sources.SOURCES)}. On the Hub: {', '.join(sources.ON_HUB)}.\n\n"
        f"{models.available()}",
    )
    command.set_defaults(function=run_data)
    command.add_argument("--data", type=Path, required=True, metavar="DIR", help="databench/, wtq/, samples/")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.add_argument("--student", required=True, metavar="NAME", help="or NAME@ADAPTER, as --mentor")
    command.add_argument("--mentor", metavar="NAME", help="a better model, whose answers are taken as well")
    command.add_argument("--own", type=int, default=0, metavar="N", help="questions of our own")
    command.add_argument("--wtq", type=int, default=0, metavar="N", help="questions of WikiTableQuestions")
    command.add_argument(
        "--temperatures", type=_numbers, default=(0.0, 0.7), metavar="T,T,…", help="a rollout at each"
    )
    command.add_argument(
        "--pool",
        type=Path,
        metavar="FILE",
        help="where to write what the mentor (without one, the student) never got right and verified in two "
        f"rollouts or more, and no sample teaches; default OUT/{MENTOR_HARD}. A suite looks for it as "
        f"DATA/{MENTOR_HARD}",
    )
    command.add_argument("--recovery", type=float, default=0.2, metavar="SHARE", help="of all; default 0.2")
    command.add_argument("--supplement", action="append", default=[], metavar="NAME=DIR")
    command.add_argument("--fetch", type=int, default=0, metavar="ROWS", help="get supplements from the Hub")
    command.add_argument("--kept", action="store_true", help="use the rollouts that OUT holds, ask no more")
    command.add_argument("--seed", type=int, default=0, metavar="S")
    command.add_argument("--slots", type=int, default=0, metavar="N", help="episodes at once")


def run_data(options: argparse.Namespace) -> None:
    """Builds the set in options.out.

    Raises:
        ModelError, ProblemError, RunError, SandboxError: as `gather` and `rollouts.roll`.
    """
    if not 0 <= options.recovery < 1:
        raise ValueError(f"--recovery is a share below 1, not {options.recovery}.")
    started, dropped = time.perf_counter(), Counter()
    supplements = [_supplement(text) for text in options.supplement]
    counts = {"own": options.own, "wtq": options.wtq, "seed": options.seed}
    asked, absent = gather(options.data, options.out / "tables", **counts, dropped=dropped)
    names = [name for name in (options.student, options.mentor) if name]
    if not options.kept:
        _roll_on_gpus(asked, names, options)
    voices = [_load(name, options.slots) for name in names]
    student, _ = voices[0]
    try:
        rolled = list(_rolled(asked, voices, options))
        hard = unsolved((rollout for _, _, rollout in rolled), voices[-1][0].name)
        candidates, mended = successes(rolled, dropped)
        with Pool(os.cpu_count() or 1) as pool:
            builder = Builder(student, pool, options.seed, dropped)
            made = builder.clean(candidates)
            print(f"{len(made)} verified samples from {len(candidates)} questions.", file=sys.stderr)
            # A share of all of them, the shapes not counted.
            recoveries = round(len(made) * options.recovery / (1 - options.recovery))
            recovered = builder.recoveries(made, mended, recoveries)
            shaped = builder.shaped(made, round(SHAPE_SHARE * len(made)))
            looks = builder.looked_for(absent, made, round(ABSENT_SHARE * len(made)))
            made += [*recovered, *shaped, *looks]
            for name, folder in supplements:
                if options.fetch:
                    sources.fetch(name, folder, options.fetch)
                found = sources.drafts(name, folder, options.out / "tables")
                made += builder.supplements(found, name)
        # By its words, since DataBench has one question for the whole table and for its first rows.
        learned = {one.draft.problem.question for one in made}
        hard = [problem for problem in hard if problem.question not in learned]
        about = _about(options, [model for model, _ in voices], asked, started)
        about[f"questions in {MENTOR_HARD}"] = len(hard)
        pool = options.pool or options.out / MENTOR_HARD
        pool.parent.mkdir(parents=True, exist_ok=True)
        problems.save(hard, pool)
        save(options.out, split(made, VALIDATION_SHARE, options.seed), dropped, about, student)
    finally:
        for model, _ in voices:
            model.close()


def save(
    out: Path,
    by_split: dict[str, list[Made]],
    dropped: Dropped,
    about: dict[str, object],
    student: Model,
) -> None:
    """Writes the set, its card, and the problems of its validation samples (see above for which)."""
    for name, of_split in by_split.items():
        samples.write(out, name, [one.sample for one in of_split])
    asked = [one.draft.problem for one in by_split["validation"] if one.draft.source in (*TRAIN, "own")]
    problems.save(
        list({problem.id: problem for problem in asked}.values()), out / "validation_problems.jsonl"
    )
    of_split = {name: [one.sample for one in made] for name, made in by_split.items()}
    (out / "README.md").write_text(datacard.card(of_split, dropped, about, student.count_tokens), "utf-8")
    print(f"{sum(map(len, of_split.values()))} samples are in {out}; README.md there says which.")


def unsolved(rolled: Iterable[Rollout], model: str) -> list[Problem]:
    """The problems that the model was asked at least twice and never got right and verified."""
    asked: dict[str, Problem] = {}
    verdicts: dict[str, list[bool]] = defaultdict(list)
    for problem, trajectory, prediction in rolled:
        if trajectory.run.get("model") == model:  # none where a table could not be read
            asked[problem.id] = problem
            verdicts[problem.id].append(prediction.official and prediction.verified)
    return [asked[id] for id, right in verdicts.items() if len(right) > 1 and not any(right)]


def _rolled(
    asked: dict[str, list[Asked]], voices: Sequence[tuple[Model, Settings]], options: argparse.Namespace
) -> Iterator[tuple[str, str, Rollout]]:
    for (model, settings), (source, of_source) in itertools.product(voices, asked.items()):
        families = {one.problem.id: one.family for one in of_source}
        for rollout in rollouts.roll(
            [one.problem for one in of_source],
            model,
            options.temperatures,
            options.seed,
            options.out / "rollouts" / source,
            slots=settings.slots,
            batched=settings.batched,
            kept=options.kept,
        ):
            yield source, families[rollout.problem.id], rollout


@dataclass(frozen=True)
class _Part:
    """One rollout of a source; it can be sent to another process."""

    name: str
    slots: int
    problems: tuple[Problem, ...]
    temperature: float
    number: int
    seed: int
    folder: Path


def _roll_on_gpus(asked: dict[str, list[Asked]], names: Sequence[str], options: argparse.Namespace) -> None:
    """Rolls out on all GPUs, if there are any, into the journals from which `_rolled` then goes on."""
    if not (cards := suite.gpus()):
        return
    parts = [
        _Part(
            name,
            options.slots,
            tuple(one.problem for one in asked[source]),
            temperature,
            number,
            options.seed,
            options.out / "rollouts" / source,
        )
        for name in names  # outermost: a process then changes its model once
        if not name.startswith(("endpoint:", "hf:"))  # they compute elsewhere
        for number, temperature in enumerate(options.temperatures)
        for source in sorted(asked, key=lambda source: -len(asked[source]))
    ]
    with _processes(cards * PROCESSES) as pool:
        list(pool.map(_roll_part, parts))


def _processes(cards: Sequence[str]) -> Executor:
    """A process on each of these GPUs."""
    context = multiprocessing.get_context("spawn")  # a fork would copy threads and CUDA's state
    free = context.SimpleQueue()
    for card in cards:
        free.put(card)
    return ProcessPoolExecutor(len(cards), context, initializer=_take_card, initargs=(free,))


def _take_card(free) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = free.get()


def _roll_part(part: _Part) -> None:
    model, settings = _held(part.name, part.slots)
    how = {"slots": settings.slots, "batched": settings.batched}
    try:
        rollouts.roll_once(part.problems, model, part.temperature, part.number, part.seed, part.folder, **how)
    finally:
        sandbox.shutdown()


_voices: dict[str, tuple[Model, Settings]] = {}  # of this process: one at most, for a GPU has no room for two


def _held(name: str, slots: int) -> tuple[Model, Settings]:
    """As `_load`, kept until another is asked for."""
    if name not in _voices:
        while _voices:
            _voices.popitem()[1][0].close()
        _voices[name] = _load(name, slots)
    return _voices[name]


def _load(name: str, slots: int) -> tuple[Model, Settings]:
    """The model that a NAME or NAME@ADAPTER means, and how it is driven.

    An embedded model is without an adapter where none is named, so that a set does not depend on what is
    shipped. A GPU computes its own weights, de-quantised, in batches, with an adapter in PEFT's form if that
    is named; one in a GGUF file is left to llama.cpp.
    """
    name, _, adapter = name.partition("@")
    models.check_name(name)
    if isinstance(registry.MODELS.get(name), Embedded):
        adapter = adapter or "none"
        if suite.gpus() and (adapter == "none" or Path(adapter).is_dir()):
            from training import student

            slots = slots or ON_GPU
            loaded, title = student.load_with(name, adapter)
            limits = {"name": title, "context_tokens": ROLLOUT_TOKENS}
            model, batched = student.answering(loaded, slots, **limits)
            return model, Settings(slots=slots, batched=batched)
    settings = bench.suited(Settings(slots=slots), name)
    return models.load(name, adapter=adapter or None, slots=settings.slots), settings


def _about(
    options: argparse.Namespace, voices: Sequence[Model], asked: dict[str, list[Asked]], started: float
) -> dict[str, object]:
    environment = records.environment()
    command = re.sub(r"=/\S*/", "=", environment["command"])  # of a supplement's folder, too, only the name
    return {
        "command": f"`{command}`",
        "questions asked": ", ".join(f"{len(of_it)} {source}" for source, of_it in asked.items()),
        "models": ", ".join(f"{model.name} ({_short(model.digest)})" for model in voices),
        "temperatures": ", ".join(map(str, options.temperatures)),
        "share of recoveries": options.recovery,
        "seed": options.seed,
        "SHA-256 of the prompts": records.prompt_digest(),
        "SHA-256 of the agent": records.agent_digest(),
        "hardware": environment["hardware"],
        "date": environment["date"],
        "seconds": round(time.perf_counter() - started),
    }


def _short(digest: str) -> str:
    """The beginning of each part: an adapter's stands behind its model's."""
    return "+".join(part[:16] for part in digest.split("+"))


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not numbers with commas between: 0,0.7") from None


def _supplement(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if name not in sources.SOURCES or not folder:
        raise ValueError(f"--supplement {text}: write NAME=DIR, NAME one of {', '.join(sources.SOURCES)}.")
    return name, Path(folder)
