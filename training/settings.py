"""How each model is fine-tuned: one place for numbers, by the model's name in `agent.models`.

of("coder-0.5b").rank
changed(of("coder-0.5b"), ["rank=16", "targets=attention"])
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

# In front of the names: Gemma 4 has layers of the same names in its vision and audio towers.
_GEMMA_LAYERS = r".*language_model\.layers\.\d+\."
_LAYERS = r".*layers\.\d+\."
_MATRICES = {
    "all": r"(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)",
    "attention": r"self_attn\.(q|k|v|o)_proj",
}


@dataclass(frozen=True)
class SftSettings:
    """Supervised fine-tuning of a LoRA adapter.

    Attributes:
        layers: Regular expression for what stands before a matrix's name in the model.
        targets: Which matrices of these layers get an adapter: "all" linear ones, or of "attention" alone.
        rank: Of the adapter.
        alpha: Its scale is alpha / rank.
        learning_rate: The highest; it rises at the beginning and then falls along a cosine.
        sft_warmup: Share of the steps during which it rises.
        epochs: Passes over the set.
        max_tokens: Longer conversations are left out.
        batch_tokens: Of one step of the optimizer, padding included.
        micro_tokens: Computed at once; bounds the memory.
        checkpointing: Whether activations are computed twice instead of kept, which saves memory.
        evaluations: How often the model is evaluated during training.
        baseline: Whether it is so before the first step as well. Untrained, it may write for long.
        patience: Evaluations without a better result after which training stops.
    """

    layers: str = _LAYERS
    targets: str = "all"
    rank: int = 32
    alpha: int = 32
    learning_rate: float = 2e-4
    sft_warmup: float = 0.05
    epochs: int = 2
    max_tokens: int = 2048
    batch_tokens: int = 32_768
    micro_tokens: int = 16_384
    checkpointing: bool = True
    evaluations: int = 5
    baseline: bool = True
    patience: int = 2

    @property
    def lora_target_modules(self) -> str:
        """The regular expression that PEFT matches against the names of the model's modules."""
        return self.layers + _MATRICES[self.targets]

    def __post_init__(self) -> None:
        if self.targets not in _MATRICES:
            raise ValueError(f"targets is {self.targets!r}: it must be one of {', '.join(_MATRICES)}.")


SFT: dict[str, SftSettings] = {
    # The rank is as high as a file of 10 MB holds without being cut much (`training.export`). Of the learning
    # rates that were tried these were better on questions held out (README.md); there two passes gave the
    # 1.5B no more than one.
    "coder-0.5b": SftSettings(rank=16, alpha=32, learning_rate=8e-4),
    "coder-1.5b": SftSettings(rank=8, alpha=16, learning_rate=1e-3, epochs=1, micro_tokens=8192),
    "gemma-4-e2b": SftSettings(layers=_GEMMA_LAYERS, learning_rate=1e-4, micro_tokens=8192),
}


def of(name: str) -> SftSettings:
    """The settings of a model; raises ValueError, with the names that are known, where it has none."""
    if name not in SFT:
        raise ValueError(f"There are no training settings for {name!r}: take one of {', '.join(SFT)}.")
    return SFT[name]


def changed(settings: SftSettings, assignments: Sequence[str]) -> SftSettings:
    """The settings with some replaced, each given as NAME=VALUE.

    Raises:
        ValueError: there is no such setting, or the value is not of its type.
    """
    kinds = {field.name: type(getattr(settings, field.name)) for field in dataclasses.fields(settings)}
    values = {}
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        if name not in kinds:
            raise ValueError(f"There is no setting {name!r}: take one of {', '.join(kinds)}.")
        values[name] = _read(text, kinds[name], assignment)
    return dataclasses.replace(settings, **values)


def _read(text: str, kind: type, assignment: str):
    if kind is str:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{assignment}: the value must be {_FORMS[kind]}.")
    return value


_FORMS = {int: "a whole number", float: "a number", bool: "true or false"}
