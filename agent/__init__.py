"""The agent core: an episode of question, code, real output and answer, and the models that drive it."""

from agent.episode import Done, Episode, EpisodeLimits, Retry, mere_looks
from agent.protocol import FinalAnswer, Malformed, RunCode
from agent.trajectory import Evidence, Trajectory, Turn

__all__ = [
    "Done",
    "Episode",
    "EpisodeLimits",
    "Evidence",
    "FinalAnswer",
    "Malformed",
    "Retry",
    "RunCode",
    "Trajectory",
    "Turn",
    "mere_looks",
]
