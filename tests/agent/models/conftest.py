"""The real 0.5B, loaded once, and text as the models are given it."""

from pathlib import Path

import pytest

from agent.models import load

EXAMPLES = Path(__file__).parents[3] / "assets" / "examples"


@pytest.fixture(scope="session")
def small_model(small_weights):
    model = load("coder-0.5b", adapter="none", slots=2)
    yield model
    model.close()


@pytest.fixture(scope="session")
def tables():
    """The first 4,000 characters of each example table."""
    return [path.read_text()[:4000] for path in sorted(EXAMPLES.glob("*.csv"))]
