"""What a visitor or a program is told of an error, whatever it is."""

from __future__ import annotations

import logging

from agent.models import ModelError
from sandbox import InputError, SandboxError


def told(error: Exception) -> str:
    """The sentence for whoever asked; what nobody foresaw goes to the log as well."""
    if isinstance(error, InputError | SandboxError | ModelError):
        return str(error)
    logging.error("an unforeseen error", exc_info=error)
    return f"Something went wrong inside DataSense ({type(error).__name__}): try again."
