"""Everything that judges or makes a model, on the same core that answers in the demo.

    from training.problems import load
    from training.verify import verify
    from training.reward import compute_trajectory_reward

`problems` loads questions with known answers, `verify` judges a trajectory against one, `reward` turns
that into a number for training. Importing any of them is cheap: pandas comes in only where dates compare.
"""
