"""Training and benchmarks from a terminal:

    python -m training bench --problems databench-lite-validation --model coder-1.5b
    python -m training bench --problems databench-lite-validation --model coder-1.5b --control no-data
    python -m training bench --suite hackathon --data DATA --model coder-1.5b@none --model coder-1.5b
    python -m training bench report build/bench/databench-lite-validation-coder-1.5b+sft-v1
    python -m training data --data DATA --out build/sft --student coder-1.5b --own 4000 --wtq 4000
    python -m training sft --model coder-0.5b --data build/sft --out build/sft-coder-0.5b
    python -m training runs build/sft-coder-0.5b --publish
    python -m training export build/sft-coder-0.5b/adapter --model coder-0.5b --out coder-0.5b.gguf
    python -m training ship build/sft-coder-0.5b --file coder-0.5b.gguf
    python -m training push assets/adapters/coder-0.5b --repo OWNER/NAME --dry-run

`coder-0.5b` and `coder-1.5b` are loaded with this project's adapter, `--adapter none` and, in a suite,
`@none` without: so the suite above compares the weights alone ("Base") with the trained model ("SFT").

Exit status: 0 when all was asked, 1 when it was stopped, 2 for bad input (be it one part of a
suite, after the others were asked) or a model that failed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import sandbox
from agent import models
from training import (
    bench,
    data,
    export,
    leaks,
    problems,
    push,
    records,
    report,
    results,
    runs,
    sft,
    ship,
    suite,
)
from training.bench import Settings

TORCH_SLOTS = 128  # problems side by side, on a GPU
TROUBLE = (models.ModelError, sandbox.SandboxError, ValueError, OSError)


def main(argv: list[str] | None = None) -> int:
    """Parses the command line and returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        options.function(options)
    except TROUBLE as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped: the same command goes on from here.", file=sys.stderr)
        return 1
    return 0


# bench


def run_bench(options: argparse.Namespace) -> None:
    """One model on one set of problems in one mode, or a suite."""
    if bool(options.problems) == bool(options.suite):
        raise ValueError("Give either --problems or --suite, to say what is asked.")
    if options.suite:
        return run_suite(options)
    if len(options.model) > 1:
        raise ValueError("--problems asks one model at a time: give one --model, or a --suite.")
    asked = suite.sample(problems.load(options.problems, options.tables)[: options.limit], options.sample)
    name = next(iter(options.model), models.registry.default_name())
    benchmark = results.title(options.problems, options.sample, options.limit, options.temperature)
    model, settings = _model(name, options)
    try:
        folder = options.out or results.default_folder(benchmark, model.name)
        runs = [replace(settings, seed=settings.seed + more) for more in range(options.repeat)]
        measured = [
            results.measure(benchmark, asked, model, folder, once, earlier_run=options.earlier)
            for once in runs
        ]
    finally:
        model.close()
    print(results.compared(folder))
    print(f"\nPredictions, trajectories and figures are in {folder}.")
    if options.publish and (refused := _publish(measured)):
        raise records.RunError(" ".join(refused))


def _publish(measured: Iterable[dict]) -> list[str]:
    """Publishes the results; returns why some were refused."""
    refused = []
    for result in measured:
        try:
            results.publish(result)
        except records.RunError as error:
            refused.append(str(error))
    return refused


def _model(name: str, options: argparse.Namespace) -> tuple[models.Model, Settings]:
    """The model that the options mean, and how it is driven."""
    settings = bench.suited(_settings(options), name)
    if not options.torch:
        return models.load(name, adapter=options.adapter, slots=settings.slots), settings
    from training import student

    loaded, title = student.load_with(name, options.adapter or "none")
    slots = options.slots or (TORCH_SLOTS if student.device() == "cuda" else settings.slots)
    model, batched = student.answering(loaded, slots, name=f"{title} in PyTorch")
    return model, replace(settings, slots=slots, batched=batched)


def run_suite(options: argparse.Namespace) -> None:
    """Every part of the suite that is there, for every model.

    Raises:
        RunError: a part is there but broken, or a result was not published; the rest was asked, printed and
            published before.
    """
    if not options.model:
        raise ValueError("A suite compares models: give --model, once for each.")
    single = (options.adapter, options.limit, options.sample, options.torch, options.earlier)
    if any(single) or options.repeat > 1:
        raise ValueError(
            "--adapter, --limit, --sample, --repeat, --earlier and --torch go with --problems; a suite takes "
            "NAME@ADAPTER."
        )
    asked, missing, broken = suite.gather(options.suite, options.data)
    if not asked:
        raise ValueError(f"No part of the suite can be had: {' '.join((missing | broken).values())}")
    settings = _settings(options)
    folder = options.out or results.BUILD / options.suite
    cards = [] if options.ray else suite.gpus()
    work = suite.shards(options.model, asked, folder, settings, options.workers, cards)
    if options.ray:
        outcomes = suite.on_ray(work, options.workers, options.ray)
    else:
        outcomes = suite.on_processes(work, options.workers)
    summaries: dict[str, dict[str, dict]] = {}
    for outcome in suite.joined(outcomes):
        model = outcome.model
        for name, predictions in outcome.predictions.items():
            part = suite.PARTS[name]
            config = bench.config(asked[name], model, outcome.digest, settings)
            title = results.title(f"{part.title}, {options.suite}", temperature=settings.temperature)
            result = results.of(title, config, predictions, rules=part.rules)
            summaries.setdefault(model, {})[name] = result
            records.write_json(folder / records.slug(model) / f"{name}.json", result)
    print(suite.table(summaries, missing | broken))
    measured = itertools.chain.from_iterable(of_model.values() for of_model in summaries.values())
    refused = _publish(measured) if options.publish else []
    if broken:
        refused.insert(0, f"Not all of the suite was asked: {' '.join(broken.values())}")
    if refused:
        raise records.RunError(" ".join(refused))


def run_report(options: argparse.Namespace) -> None:
    """What went wrong in the run, or in each of the runs, below a folder."""
    runs = sorted(path.parent for path in options.folder.rglob(records.PREDICTIONS))
    for folder in runs or [options.folder]:
        print(f"## {folder}\n\n{report.report(*records.read_run(folder))}\n")


def _settings(options: argparse.Namespace) -> Settings:
    mode = options.control or ("one-shot" if options.one_shot else "loop")
    return Settings(mode, options.seed, options.temperature, options.slots)


# The command line


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description="Makes and judges models.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_bench(commands)
    data.add_command(commands)
    leaks.add_command(commands)
    sft.add_command(commands)
    runs.add_command(commands)
    export.add_command(commands)
    ship.add_command(commands)
    push.add_command(commands)
    return parser


def _add_bench(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "bench",
        help="ask problems with known answers",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Asks problems with known answers; a run that was stopped goes on by the same command.",
        epilog=f"Benchmarks by name: {', '.join(problems.loaders())}.\n\n{models.available()}",
    )
    command.set_defaults(function=run_bench)
    command.add_argument("--problems", metavar="FILE|NAME", help="a JSONL file, or a benchmark by name")
    command.add_argument("--tables", type=Path, metavar="DIR", help="a benchmark's copy, a file's tables")
    command.add_argument("--suite", choices=suite.SUITES, help="several benchmarks for several models")
    command.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="the suite's data")
    command.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="in a suite: several times, NAME@ADAPTER or NAME@none",
    )
    command.add_argument(
        "--adapter", metavar="PATH|none", help="a LoRA adapter instead of the model's own, or none"
    )
    command.add_argument(
        "--torch",
        action="store_true",
        help="compute in PyTorch, on a GPU many at once; PATH is a PEFT folder",
    )
    command.add_argument("--limit", type=_positive, metavar="N", help="the first N problems only")
    command.add_argument("--sample", type=_positive, metavar="N", help="N problems drawn, the same each time")
    command.add_argument("--seed", type=int, default=0, metavar="S")
    command.add_argument("--repeat", type=_positive, default=1, metavar="K", help="seeds S to S+K-1")
    command.add_argument("--temperature", type=float, default=0.0, metavar="T", help="0 (default) is greedy")
    slots = f"problems side by side; default {bench.SLOTS}, on a GPU {bench.BATCH}"
    command.add_argument("--slots", type=_positive, default=0, metavar="N", help=slots)
    mode = command.add_mutually_exclusive_group()
    mode.add_argument("--control", choices=["no-data"], help="withhold the tables: what guessing scores")
    mode.add_argument("--one-shot", action="store_true", help="one reply, run once; its output is the answer")
    command.add_argument("--workers", type=_positive, default=1, metavar="N", help="a suite's processes")
    command.add_argument("--ray", metavar="ADDRESS|local", help="run a suite's shards on Ray")
    command.add_argument("--out", type=Path, metavar="DIR", help=f"default: a folder in {results.BUILD}")
    command.add_argument(
        "--earlier",
        type=Path,
        metavar="RUN",
        help="an earlier run's folder: ask only what the present agent would not answer as then",
    )
    command.add_argument("--publish", action="store_true", help="also write the result to assets/results")
    actions = command.add_subparsers(metavar="report")
    action = actions.add_parser("report", help="what went wrong in a run, in classes with examples")
    action.add_argument("folder", type=Path, metavar="DIR")
    action.set_defaults(function=run_report)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
