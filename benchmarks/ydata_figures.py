"""What ydata-profiling says of tables: `python ydata_figures.py FOLDER`, in a Python that has it.

For each parquet file in the folder one line of JSON, {"table", "seconds", "columns"} with {"type", "missing",
"distinct", "smallest", "largest"} for each column by its name, or {"table", "error"}. Imports nothing of this
project, whose pandas is another; see peer_ydata.py.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd

warnings.simplefilter("ignore")

from ydata_profiling import ProfileReport  # noqa: E402 (it warns of its new name)

FIGURES = {"missing": "n_missing", "distinct": "n_distinct", "smallest": "min", "largest": "max"}


def main() -> None:
    for path in sorted(Path(sys.argv[1]).glob("*.parquet")):
        try:
            said = figures(pd.read_parquet(path))
        except Exception as error:  # of any of its parts; the other tables are still to be compared
            said = {"error": f"{type(error).__name__}: {error}"[:200]}
        print(json.dumps({"table": path.stem, **said}), flush=True)


def figures(frame: pd.DataFrame) -> dict:
    began = time.perf_counter()
    described = ProfileReport(frame, minimal=True, progress_bar=False).get_description()
    seconds = time.perf_counter() - began
    columns = {
        str(name): {"type": str(one["type"]), **{ours: plain(one.get(key)) for ours, key in FIGURES.items()}}
        for name, one in described.variables.items()
    }
    return {"seconds": seconds, "columns": columns}


def plain(value: object) -> object:
    """A number as one of JSON's, anything else as text."""
    if value is None or isinstance(value, str):
        return value
    return value.item() if hasattr(value, "item") else value if isinstance(value, int | float) else str(value)


if __name__ == "__main__":
    main()
