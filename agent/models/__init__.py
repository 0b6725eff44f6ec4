"""Language models behind one protocol, loaded by name.

    model = load("coder-0.5b")
    model.generate([[{"role": "user", "content": "Hello"}]])

Importing this costs nothing: a model's library is imported when the model is loaded.
"""

from agent.models.base import Message, Model, ModelError, Usage
from agent.models.registry import available, check_name, load
from agent.models.weights import Progress

__all__ = ["Message", "Model", "ModelError", "Progress", "Usage", "available", "check_name", "load"]
