"""Records the gallery's trajectories, once again for real:

    python -m page.record [--model coder-1.5b] [--seed 0]

Writes assets/examples/recorded/ID.json and says what came of each.
"""

from __future__ import annotations

import argparse
import datetime
import json

import sandbox
from agent import models
from agent.models import Model
from agent.run import new_episode, run
from agent.trajectory import Trajectory
from page.gallery import RECORDED, Example, examples, recording_path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m page.record", description="Records the gallery.")
    parser.add_argument("--model", help="default: $DATASENSE_MODEL, or by what this machine has")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    RECORDED.mkdir(exist_ok=True)
    model = models.load(options.model)
    for example in examples():
        trajectory = record(example, model, options.seed)
        print(f"{example.id:<14} {trajectory.outcome:<11} {trajectory.answer}", flush=True)
    model.close()


def record(example: Example, model: Model, seed: int) -> Trajectory:
    """Asks one example and writes its recording, dated today."""
    with sandbox.open(example.files) as session:
        trajectory = run(new_episode(example.question, session.profile(), model), model, session, seed=seed)
    stored = {"recorded": datetime.date.today().isoformat(), "trajectory": trajectory.to_json()}
    text = json.dumps(stored, ensure_ascii=False, indent=1)
    recording_path(example.id).write_text(text + "\n", encoding="utf-8")
    return trajectory


if __name__ == "__main__":
    main()
