"""A PEFT LoRA adapter as a GGUF file for llama.cpp, which loads it beside the model's own file:

    python -m training export build/sft-coder-0.5b/adapter --model coder-0.5b --out coder-0.5b.gguf
    python -m training export … --rank 16 --format q8_0 --check build/sft

A lower rank keeps the strongest directions of the adapter's change. What rank and format cost is told as the
relative error of that change; --check has PyTorch and llama.cpp answer the same prompts and compares.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agent import models
from agent.models import Message, Model, registry, weights
from agent.models.progress import on_stderr
from agent.models.registry import Embedded
from training import samples

FORMATS = ("f32", "f16", "q8_0", "q5_0", "q4_0")
LARGEST_BYTES = 10_000_000
PROMPTS, TOKENS = 50, 64
# Of these, llama.cpp keeps the rows of every matrix in transformers' order; of Llama's queries and keys not.
ARCHITECTURES = ("qwen2",)
_KEY = re.compile(r"base_model\.model\.(.+)\.lora_(A|B)\.weight")
# What changes the model otherwise than by adding scale · B · A to some of its matrices.
_UNSUPPORTED = (
    "use_dora",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
    "lora_bias",
    "layer_replication",
)


@dataclass(frozen=True)
class Matrix:
    """An adapter's change to one matrix of the model: b · a.

    Attributes:
        name: In the GGUF file: blk.0.attn_q.weight.
        a: rank × columns.
        b: rows × rank, the scale included.
    """

    name: str
    a: np.ndarray
    b: np.ndarray


@dataclass(frozen=True)
class Exported:
    """What was written: the file, its bytes, the matrices and the largest rank, and the relative error."""

    path: Path
    bytes: int
    matrices: int
    rank: int
    error: float


def add_command(commands: argparse._SubParsersAction) -> None:
    """Adds `export` to the command line of `python -m training`."""
    command = commands.add_parser(
        "export", help="write an adapter for llama.cpp", description="Writes a PEFT adapter as a GGUF file."
    )
    command.set_defaults(function=run_export)
    embedded = [name for name, model in registry.MODELS.items() if isinstance(model, Embedded)]
    command.add_argument("adapter", type=Path, metavar="ADAPTER", help="a folder in PEFT's form")
    command.add_argument("--model", required=True, choices=embedded, metavar="NAME")
    command.add_argument("--out", type=Path, required=True, metavar="FILE")
    command.add_argument("--format", choices=FORMATS, default="q8_0", help="of the numbers; default q8_0")
    command.add_argument("--rank", type=int, metavar="R", help="a lower one than the adapter's")
    command.add_argument(
        "--check", type=Path, metavar="DIR", help=f"compare on {PROMPTS} validation prompts of an SFT set"
    )


def run_export(options: argparse.Namespace) -> None:
    """Exports, and prints the size, the error, and the agreement where it is asked for."""
    base = weights.fetch(registry.MODELS[options.model].weights, on_stderr())
    done = export(options.adapter, base, options.out, options.format, options.rank)
    print(
        f"{done.path}: {done.bytes:,} bytes, rank {done.rank}, {done.matrices} matrices, "
        f"relative error {done.error:.4f}"
    )
    if done.bytes >= LARGEST_BYTES:
        print(f"This is more than {LARGEST_BYTES:,} bytes: give a lower --rank or another --format.")
    if options.check:
        prompts = [_asked(sample) for sample in samples.read(options.check, "validation")[:PROMPTS]]
        for case, share in check(options.model, options.adapter, done.path, prompts).items():
            print(
                f"PyTorch and llama.cpp agree {case} the adapter on {share:.1%} of {len(prompts)} replies' "
                f"first {TOKENS} tokens."
            )


def export(
    adapter: Path, base: Path, out: Path, number_format: str = "q8_0", rank: int | None = None
) -> Exported:
    """Writes the adapter for the model in the GGUF file `base`.

    Rows that a quantised format's blocks of 32 do not fill are written as f16.

    Raises:
        ValueError: the adapter is no plain LoRA, or not for this model.
    """
    import gguf

    reader = gguf.GGUFReader(base)
    architecture = reader.fields["general.architecture"].contents()
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"Adapters for {architecture} cannot be written: only for {', '.join(ARCHITECTURES)}."
        )
    shapes = {tensor.name: tuple(map(int, tensor.shape)) for tensor in reader.tensors}
    whole = _matrices(adapter, shapes)
    kept = [_truncated(matrix, rank) for matrix in whole] if rank else whole
    out.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(out, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, len(kept[0].a))  # llama.cpp divides it by the rank
    errors = []
    for matrix, original in zip(kept, whole, strict=True):
        a, b = (
            _add(writer, f"{matrix.name}.lora_{end}", getattr(matrix, end), number_format) for end in "ab"
        )
        errors.append(_difference(original, Matrix(matrix.name, a, b)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    wrong, size = (sum(parts) for parts in zip(*errors, strict=True))
    error = math.sqrt(wrong / size) if size else 0.0
    return Exported(out, out.stat().st_size, len(kept), len(kept[0].a), error)


def _matrices(adapter: Path, shapes: dict[str, tuple[int, ...]]) -> list[Matrix]:
    """The adapter's changes under the names of the GGUF file, whose tensors have these shapes."""
    import gguf
    from safetensors.torch import load_file

    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    if other := [name for name in _UNSUPPORTED if config.get(name)]:
        raise ValueError(f"{adapter} uses {', '.join(other)}, which llama.cpp does not know: train without.")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, len(shapes))
    scale = config["lora_alpha"] / (math.sqrt(config["r"]) if config.get("use_rslora") else config["r"])
    parts: dict[str, dict[str, np.ndarray]] = {}
    for key, tensor in load_file(adapter / "adapter_model.safetensors").items():
        match = _KEY.fullmatch(key)
        name = match and names.get_name(match[1])
        if f"{name}.weight" not in shapes:
            raise ValueError(f"{adapter} changes {key}, of which the model's file knows nothing.")
        parts.setdefault(f"{name}.weight", {})[match[2]] = tensor.float().numpy()
    made = [Matrix(name, pair["A"], pair["B"] * scale) for name, pair in parts.items()]
    for matrix in made:
        fits = (matrix.a.shape[1], matrix.b.shape[0]) == shapes[matrix.name]
        if not fits or len(matrix.a) != matrix.b.shape[1]:
            raise ValueError(f"{adapter} is for another model: {matrix.name} has another shape in this one.")
    return made


def _truncated(matrix: Matrix, rank: int) -> Matrix:
    """The closest change of a lower rank, by the singular values of b · a."""
    if not 0 < rank <= len(matrix.a):
        raise ValueError(f"The adapter has rank {len(matrix.a)}: give a --rank from 1 to it, not {rank}.")
    left, inner_left = np.linalg.qr(matrix.b)
    right, inner_right = np.linalg.qr(matrix.a.T)
    u, values, v = np.linalg.svd(inner_left @ inner_right.T)
    root = np.sqrt(values[:rank])
    return Matrix(matrix.name, root[:, None] * (v[:rank] @ right.T), left @ u[:, :rank] * root)


def _add(writer, name: str, values: np.ndarray, number_format: str) -> np.ndarray:
    """Adds a tensor; returns its values as llama.cpp will read them."""
    import gguf

    kind = gguf.GGMLQuantizationType[number_format.upper()]
    if values.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
        kind = gguf.GGMLQuantizationType.F16
    data = gguf.quantize(np.ascontiguousarray(values, dtype=np.float32), kind)
    writer.add_tensor(name, data, raw_dtype=kind)
    return gguf.dequantize(data, kind)


def _difference(one: Matrix, other: Matrix) -> tuple[float, float]:
    """The squared Frobenius norms of the difference of two changes, and of the first."""

    def squared(b: np.ndarray, a: np.ndarray) -> float:
        return float(np.sum((b.T @ b) * (a @ a.T)))

    b, a = np.hstack([one.b, -other.b]), np.vstack([one.a, other.a])
    return max(squared(b.astype(np.float64), a.astype(np.float64)), 0.0), squared(one.b, one.a)


# Do both runtimes say the same?


def agreement(
    one: Model, other: Model, prompts: Sequence[Sequence[Message]], tokenize: Callable[[str], list[int]]
) -> float:
    """The share of tokens, of each prompt's first TOKENS, on which two models agree, both greedy.

    A reply counts up to its first difference: what follows answers another text.
    """
    replies = [model.generate(prompts, max_new_tokens=TOKENS, temperature=0.0) for model in (one, other)]
    same = total = 0
    for left, right in zip(*replies, strict=True):
        left, right = tokenize(left)[:TOKENS], tokenize(right)[:TOKENS]
        pairs = zip(left, right, strict=False)
        same += next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
        total += max(len(left), len(right))
    return same / total if total else 1.0


def check(name: str, adapter: Path, file: Path, prompts: Sequence[Sequence[Message]]) -> dict[str, float]:
    """The agreement of PyTorch, in 32 bits, with llama.cpp: "without" and "with" the adapter.

    Args:
        adapter, file: The same adapter for the one and for the other.
    """
    import peft
    import torch

    from training import student

    base = student.load(name, dtype=torch.float32)

    def measured(trained, lora: str) -> float:
        other = models.load(name, adapter=lora)
        try:
            return agreement(student.running(base, trained), other, prompts, _tokens(base.tokenizer))
        finally:
            other.close()

    without = measured(None, "none")
    return {
        "without": without,
        "with": measured(peft.PeftModel.from_pretrained(base.model, adapter), str(file)),
    }


def _tokens(tokenizer) -> Callable[[str], list[int]]:
    return lambda text: tokenizer.encode(text, add_special_tokens=False)


def _asked(sample: samples.Sample) -> list[Message]:
    """A sample's conversation up to the first reply that it teaches."""
    return list(sample.messages[: min(sample.trained)])
