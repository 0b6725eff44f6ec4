"""Command line of the sandbox.

python -m sandbox check                     what this machine offers, and which rules hold
python -m sandbox bench [--json FILE]       what a session costs, against the usual ways
python -m sandbox soak [--episodes 10000]   whether anything leaks
python -m sandbox read FILE [--json]        how a data file is read: shape, columns, decisions
"""

import argparse
import json
import sys
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "assets/results/sandbox.json"


def main() -> int:
    """Runs the command that the arguments name; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="what this machine offers, and which rules hold")
    bench = commands.add_parser("bench", help="what a session costs, against the usual ways")
    bench.add_argument("--rounds", type=int, default=15)
    bench.add_argument("--json", type=Path, metavar="FILE", default=RESULTS, help="where the figures go")
    soak = commands.add_parser("soak", help="whether anything leaks")
    soak.add_argument("--episodes", type=int, default=10_000)
    soak.add_argument("--workers", type=int, default=4)
    read = commands.add_parser("read", help="how a data file is read")
    read.add_argument("file", type=Path, metavar="FILE")
    read.add_argument("--json", action="store_true", help="everything that is known of each table")
    if len(sys.argv) == 1:
        parser.print_help()
        return 0
    options = parser.parse_args()
    return {"check": _check, "bench": _bench, "soak": _soak, "read": _read}[options.command](options)


def _check(_: argparse.Namespace) -> int:
    from sandbox import check

    return check.main()


def _bench(options: argparse.Namespace) -> int:
    from sandbox import bench

    figures = bench.bench(options.rounds)
    print(bench.table(figures))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def _soak(options: argparse.Namespace) -> int:
    from sandbox import soak

    return soak.main(options.episodes, options.workers)


def _read(options: argparse.Namespace) -> int:
    import sandbox

    try:
        with sandbox.open([options.file]) as session:
            tables = session.profile()
    except (sandbox.InputError, sandbox.SandboxError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([table.to_json() for table in tables], indent=1, ensure_ascii=False))
        return 0
    for table in tables:
        print(f"{table.name}: {table.source}, {table.rows:,} rows, {len(table.columns):,} columns")
        print(f"  {table.note or 'nothing unusual'}\n  {table.load}")
        for column in table.columns:
            print(f"  {column.name}: {column.kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
