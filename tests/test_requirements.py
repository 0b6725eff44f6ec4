"""What the Space installs holds what the laptop does: its build sees requirements.txt alone."""

from pathlib import Path

ROOT = Path(__file__).parent.parent


def pins(name):
    lines = (ROOT / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_space_installs_all_that_the_laptop_does_in_the_same_versions():
    assert set(pins("requirements-cpu.txt")) <= set(pins("requirements.txt"))


def test_everything_is_pinned_and_no_other_file_is_needed():
    assert all("==" in pin for pin in pins("requirements.txt"))
