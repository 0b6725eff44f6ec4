"""The real 0.5B, loaded once, and text as the models are given it."""

import os
from pathlib import Path

import pytest

from agent.models import ModelError, load

# llama.cpp sets this for itself, but here torch may be the first to load OpenMP, which reads it once.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
EXAMPLES = Path(__file__).parents[3] / "assets" / "examples"


@pytest.fixture(scope="session")
def small_model():
    try:
        model = load("coder-0.5b", slots=2)
    except ModelError as error:
        required = os.environ.get("CI") or os.environ.get("DATASENSE_REQUIRE_ALL") == "1"
        (pytest.fail if required else pytest.skip)(f"coder-0.5b cannot be loaded: {error}")
    yield model
    model.close()


@pytest.fixture(scope="session")
def tables():
    """The first 4,000 characters of each example table."""
    return [path.read_text()[:4000] for path in sorted(EXAMPLES.glob("*.csv"))]
