"""The weights that training starts from, in PyTorch: the very ones that the model's own runtime uses.

    student = load("coder-0.5b")      # its Q4_K_M file, de-quantised
    student.model, student.tokenizer
    running(student).generate([conversation])

De-quantising takes a minute or two, so its result is kept in the cache of `agent.models`.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.models import Model, registry, weights
from agent.models.progress import on_stderr
from agent.models.registry import CONTEXT_TOKENS, Embedded, OnHub
from training.encode import end_of_turn

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Student:
    """A model to be trained.

    Attributes:
        name: In `agent.models`.
        source: Its repository on the Hub, which an adapter's card names.
        digest: SHA-256 of the weights' file, or the Hub's commit.
        model: Without any adapter.
        tokenizer: Pads on the left, as generation wants it.
    """

    name: str
    source: str
    digest: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load(name: str, *, dtype: torch.dtype | None = None, four_bit: bool = False) -> Student:
    """Loads a model of `agent.models` onto the GPU, or the CPU where there is none.

    Args:
        dtype: Of the weights; None takes `native_dtype`.
        four_bit: Quantises the linear layers with bitsandbytes (NF4), for QLoRA.

    Raises:
        ModelError: the weights cannot be fetched.
        ValueError: no such model to train, or 4 bits are asked for where they cannot be had.
    """
    import transformers

    known = registry.MODELS.get(name)
    if known is None:
        raise ValueError(f"There is no model {name!r} to train: take one of {', '.join(registry.MODELS)}.")
    _check_four_bit(name, known, four_bit)
    dtype = dtype or native_dtype()
    options = {"dtype": dtype, "device_map": {"": device()}, "attn_implementation": "sdpa"}
    if four_bit:
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    place = known.repo if isinstance(known, OnHub) else str(_dequantised(known, dtype))
    model = transformers.AutoModelForCausalLM.from_pretrained(place, **options)
    tokenizer = transformers.AutoTokenizer.from_pretrained(place, padding_side="left")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model.generation_config.eos_token_id = _stops(model, tokenizer)
    source = known.repo if isinstance(known, OnHub) else known.weights.repo
    return Student(name, source, _digest(known, model), model, tokenizer)


def adapted(student: Student, adapter: Path) -> Student:
    """The student with an adapter, a folder in PEFT's form, merged into its weights.

    Raises:
        ValueError: the folder holds no adapter.
    """
    import peft

    file = adapter / "adapter_model.safetensors"
    if not file.is_file():
        raise ValueError(f"{adapter} holds no adapter in PEFT's form: give a folder with {file.name}.")
    merged_into = peft.PeftModel.from_pretrained(student.model, adapter).merge_and_unload()
    return replace(student, model=merged_into, digest=f"{student.digest}+{weights.sha256(file)}")


def load_with(name: str, adapter: str = "none") -> tuple[Student, str]:
    """The model with an adapter, or with "none", and what to call it: coder-0.5b+RUN for RUN/adapter.

    Raises:
        ModelError, ValueError: as `load` and `adapted`.
    """
    if adapter == "none":
        return load(name), name
    folder = Path(adapter)
    run = folder.resolve().parent if folder.name == "adapter" else folder
    return adapted(load(name), folder), f"{name}+{run.name}"


def running(student: Student, model: Any = None, name: str = "") -> Model:
    """The student as a model that answers, with its own weights or those of `model`, its trained form."""
    from agent.models.transformers import Transformers

    known = registry.MODELS[student.name]
    sampling = {"top_k": known.top_k, "top_p": known.top_p} if isinstance(known, OnHub) else {}
    held = student.model.config.get_text_config().max_position_embeddings
    return Transformers(
        (model or student.model).eval(),
        student.tokenizer,
        name=name or student.name,
        digest="" if model else student.digest,
        context_tokens=min(CONTEXT_TOKENS, held),
        **sampling,
    )


def answering(
    student: Student, slots: int, model: Any = None, name: str = "", context_tokens: int = CONTEXT_TOKENS
) -> tuple[Model, bool]:
    """As `running`, for many episodes at once, and whether they are to wait for each other as one batch.

    Args:
        slots: Episodes at once.
        context_tokens: Of each; on a GPU every slot takes memory for as many.
    """
    if isinstance(registry.MODELS[student.name], OnHub):
        return running(student, model, name), True
    from training.sampler import Sampler

    trained = model or student.model
    sampler = Sampler(
        getattr(trained, "get_base_model", lambda: trained)().eval(),
        student.tokenizer,
        name=name or student.name,
        digest="" if model else student.digest,
        slots=slots,
        context_tokens=min(context_tokens, student.model.config.max_position_embeddings),
    )
    return sampler, False


@contextmanager
def merged(model: PeftModel) -> Iterator[None]:
    """Meanwhile the adapter is part of the weights, so that a token takes fewer kernels.

    Afterwards they are bit for bit what they were: subtracting the adapter again would leave rounding errors.
    """
    from peft.tuners.lora import LoraLayer

    layers = [part.get_base_layer() for part in model.modules() if isinstance(part, LoraLayer)]
    kept = [layer.weight.detach().clone() for layer in layers]
    model.merge_adapter()
    try:
        yield
    finally:
        model.unmerge_adapter()
        for layer, weight in zip(layers, kept, strict=True):
            layer.weight.data.copy_(weight)


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def native_dtype() -> torch.dtype:
    """bfloat16 on a GPU that computes it, and not only emulates it as a T4 does; float32 elsewhere."""
    import torch

    real = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if real else torch.float32


def _check_four_bit(name: str, known: Embedded | OnHub, four_bit: bool) -> None:
    if four_bit and isinstance(known, Embedded):
        raise ValueError(f"{name} is small enough to be trained as it is: leave out --four-bit.")
    if four_bit and device() == "cpu":
        raise ValueError("4-bit training needs a CUDA GPU: leave out --four-bit.")


def _stops(model: Any, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids that end a reply; a GGUF file names one at most, and not the one that ends a turn."""
    named = model.generation_config.eos_token_id
    named = named if isinstance(named, list) else [named]
    ids = [*named, tokenizer.eos_token_id, end_of_turn(tokenizer)]
    return sorted({id for id in ids if id is not None})


def _digest(known: Embedded | OnHub, model: Any) -> str:
    if isinstance(known, Embedded):
        return known.weights.sha256
    if commit := getattr(model.config, "_commit_hash", None):
        return commit
    return "+".join(weights.sha256(file) for file in sorted(Path(known.repo).glob("*.safetensors")))


def _dequantised(known: Embedded, dtype: torch.dtype) -> Path:
    """A folder with the GGUF file's weights and tokenizer as transformers stores them."""
    path = weights.fetch(known.weights, on_stderr())
    folder = path.with_name(f"{path.stem}-{known.weights.sha256[:12]}-{str(dtype).removeprefix('torch.')}")
    if folder.is_dir():
        return folder
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        # Processes of several GPUs start at once; the later ones wait and take what the first one made.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _dequantise(path, dtype, folder)
    return folder


def _dequantise(path: Path, dtype: torch.dtype, folder: Path) -> None:
    import transformers

    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    file = {"gguf_file": path.name}
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, dtype=dtype, **file)
    # Otherwise it would be stored as a quantised model, which it no longer is.
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(draft)
    transformers.AutoTokenizer.from_pretrained(path.parent, **file).save_pretrained(draft)
    draft.rename(folder)
