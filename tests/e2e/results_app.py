"""The page with the results of the folder $RESULTS: `python -m tests.e2e.results_app`."""

import os
from functools import partial
from pathlib import Path

from page import results

if __name__ == "__main__":
    results.load = partial(results.load, Path(os.environ["RESULTS"]))
    import app
    from tests.e2e.echo_app import Echo

    app.loader.state = Echo()
    app.serve()
