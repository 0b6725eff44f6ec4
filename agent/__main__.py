"""Ask from a terminal:

    python -m agent ask sales.csv -q "Which region has the highest total revenue?"

Exit status: 0 for a verified answer, 1 for an unverified one or none, 2 for bad input.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

import sandbox
from agent import absence, models, notebook
from agent.episode import EpisodeLimits
from agent.run import Event, Finished, Ran, Refused, Running, Writing, events, new_episode
from agent.trajectory import Trajectory

VERIFIED, UNVERIFIED, BAD_INPUT = 0, 1, 2


def main(argv: list[str] | None = None) -> int:
    """Parses the command line and returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        return ask(options)
    except (sandbox.InputError, sandbox.SandboxError, models.ModelError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return UNVERIFIED
    except Exception as error:  # a fault of ours: one line for the person, all of it for the log
        logging.debug("asking failed", exc_info=True)
        why = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"error: DataSense itself failed ({why}): ask again, or report it.", file=sys.stderr)
        return UNVERIFIED


def ask(options: argparse.Namespace) -> int:
    """Answers one question; files are read before the model is loaded, so that a bad one is told at once."""
    if not options.question.strip():
        raise sandbox.InputError("The question is empty: ask something about the tables.")
    _check_output(options.notebook)
    models.check_name(options.model)
    with sandbox.open(options.files) as session:
        tables = session.profile()
        model = models.load(options.model)
        try:
            episode = new_episode(options.question, tables, model, max_steps=options.max_steps)
            for event in events(episode, model, session, seed=options.seed):
                if isinstance(event, Finished):
                    trajectory = event.trajectory
                elif not options.json:
                    _show(event)
        finally:
            model.close()
    if options.json:
        print(json.dumps(trajectory.to_json(), ensure_ascii=False))
    else:
        _conclude(trajectory)
    if options.notebook:
        notebook.write(trajectory, options.notebook)
        print(f"Notebook written to {options.notebook}", file=sys.stderr)
    return VERIFIED if trajectory.verified else UNVERIFIED


def _show(event: Event) -> None:
    match event:
        case Writing(text=text):
            print(text, end="", flush=True)
        case Running(step=step):
            print(f"\n── step {step} runs", end="", flush=True)
        case Ran(execution=execution):
            print(f" ── {execution.seconds:.2f} s")
            if execution.stdout.strip():
                print(execution.stdout.rstrip())
            if execution.error:
                print(f"{execution.error.kind}: {execution.error.message}")
            if execution.figures:
                print(f"({len(execution.figures)} figures)")
            print("──")
        case Refused(feedback=feedback):
            print(f"\n── not accepted: {feedback}\n──")


def _conclude(trajectory: Trajectory) -> None:
    print("\n")
    match trajectory.outcome:
        case "verified":
            _print_answer(trajectory)
            print(f"Verified: found in step {trajectory.evidence.step}'s output:")
            for line in trajectory.evidence.lines:
                print(f"          {line.strip()}")
        case "unverified":
            _print_answer(trajectory)
            print("Unverified: this value was not found in any real output.")
        case "not_answerable":
            _print_answer(trajectory)
            print(f"Not verified. {absence.said(trajectory.evidence)}")
        case "failed":
            print(f"Failed: {trajectory.summary}")
        case _:
            print("No answer was found.")


def _print_answer(trajectory: Trajectory) -> None:
    print(f"Answer:   {trajectory.answer}")
    if trajectory.summary:
        print(f"Summary:  {trajectory.summary}")


def _check_output(path: Path | None) -> None:
    if path is None:
        return
    if path.suffix not in notebook.SUFFIXES or path.is_dir():
        forms = ", ".join(notebook.SUFFIXES)
        raise sandbox.InputError(f"{path} cannot be a notebook: name a file that ends in one of {forms}.")
    folder = path.absolute().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise sandbox.InputError(f"{path}: there is no folder {path.parent} that can be written into.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m agent", description="Answers questions about tables.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "ask",
        help="ask a question about one or more files",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Exit status: 0 verified answer, 1 unverified or none, 2 bad input.\n\n" + models.available(),
    )
    command.add_argument("files", nargs="+", metavar="FILE", help="CSV, TSV, Parquet or Excel")
    command.add_argument("-q", "--question", required=True)
    command.add_argument("--model", help="a name below; default: $DATASENSE_MODEL, or by this machine")
    command.add_argument("--max-steps", type=_positive, default=EpisodeLimits.max_steps, metavar="N")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--json", action="store_true", help="print one trajectory object and nothing else")
    command.add_argument(
        "--notebook", type=Path, metavar="OUT", help="write the steps to OUT.ipynb, OUT.py or OUT.md"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
