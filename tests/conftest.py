"""What tests of several packages need: the weights of the small real model."""

import os

import pytest

from agent.models import ModelError, registry, weights
from agent.models.progress import on_stderr

# llama.cpp sets this for itself, but here torch may be the first to load OpenMP, which reads it once.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def give_up(reason):
    """Skips the test, or fails it where nothing may be skipped."""
    required = os.environ.get("CI") or os.environ.get("DATASENSE_REQUIRE_ALL") == "1"
    (pytest.fail if required else pytest.skip)(reason)


@pytest.fixture(scope="session")
def small_weights():
    """The file of coder-0.5b, fetched where it is not here yet."""
    try:
        return weights.fetch(registry.MODELS["coder-0.5b"].weights, on_stderr())
    except ModelError as error:
        give_up(f"coder-0.5b cannot be had: {error}")
