"""Loads the model in the background while the page is already in use; `loader` is the page's one.

loader.start()
loader.state        # Progress while it loads, the Model when it is there, the ModelError if it failed
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

import sandbox
from agent import models
from agent.models import Model, ModelError, Progress
from agent.run import warm
from sandbox import SandboxError

SLOTS = 2  # conversations that an embedded model computes side by side; the others wait for a slot


class Loader:
    """One model for all visitors; `slots` conversations are computed side by side."""

    def __init__(self, name: str | None = None, *, slots: int = 1):
        self.state: Progress | Model | ModelError | None = None
        self._name, self._slots = name, slots
        self._lock = threading.Lock()

    @property
    def ready(self) -> bool:
        return self.state is not None and not isinstance(self.state, Progress | ModelError)

    def start(self) -> None:
        """Begins to load, or tries again after a failure; else does nothing."""
        with self._lock:
            if self.state is None or isinstance(self.state, ModelError):
                self.state = Progress("the model", 0, 1, "load")
                threading.Thread(target=self._load, daemon=True).start()

    def _load(self) -> None:
        with suppress(SandboxError):  # whoever opens a file is told
            sandbox.warm()
        model = None
        try:
            self.state = model = models.load(self._name, slots=self._slots, progress=self._note)
            warm(model)  # a question that comes meanwhile goes on from where this is
        except Exception as error:  # it would end the thread, and the page would wait for ever
            known = isinstance(error, ModelError)
            self.state = error if known else ModelError(f"The model cannot be loaded: {error}")
            if not known:
                logging.exception("the model cannot be loaded")
            if model:
                model.close()

    def _note(self, progress: Progress) -> None:
        self.state = progress


loader = Loader(slots=SLOTS)
