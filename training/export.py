"""A PEFT LoRA adapter as a GGUF file for llama.cpp, which loads it beside the model's own file:

    python -m training export build/sft-coder-0.5b/adapter --model coder-0.5b --out coder-0.5b.gguf
    python -m training export … --format q5_0 --bytes 10000000 --check build/sft
    python -m training export coder-0.5b.gguf --model coder-0.5b --check build/sft

--bytes gives each matrix the rank with which, over all of them, the strongest directions of the adapter's
change fit into a file of that size. What this and the format cost is told as the relative error of the
change; --check has PyTorch and llama.cpp answer the same prompts and compares. Where they disagree by the
file's own numbers, that is an error. An exported file can be checked alone, without what it was made from.
llama.cpp rounds to 8 bits what it multiplies with quantised weights; --exact has it compute in 32 bits too.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from agent import models
from agent.models import Message, Model, registry, weights
from agent.models.progress import on_stderr
from agent.models.registry import Embedded
from training import encode, samples

FORMATS = ("f32", "f16", "q8_0", "q5_0", "q4_0")
FORMAT = "q8_0"  # where none is asked for
LARGEST_BYTES = 10_000_000
PROMPTS, TOKENS = 50, 64
BY_FILE = "with the file's numbers"
# By the file's numbers, where only the runtimes' rounding differs; else the cut and the format cost some, or
# a bare model's choices are closer.
LEAST_AGREEMENT = 0.95
_AT_ONCE = 10  # prompts
# Of these, llama.cpp keeps the rows of every matrix in transformers' order; of Llama's queries and keys not.
ARCHITECTURES = ("qwen2",)
_KEY = re.compile(r"base_model\.model\.(.+)\.lora_(A|B)\.weight")
_ABOUT, _ABOUT_MATRIX = 1024, 320  # bytes of a file, and of a matrix's two names, shapes and gaps, at most
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
    """What was written: the file, its bytes, each matrix's rank, and the relative error of the change."""

    path: Path
    bytes: int
    ranks: tuple[int, ...]
    error: float


def add_command(commands: argparse._SubParsersAction) -> None:
    """Adds `export` to the command line of `python -m training`."""
    command = commands.add_parser(
        "export", help="write an adapter for llama.cpp", description="Writes a PEFT adapter as a GGUF file."
    )
    command.set_defaults(function=run_export)
    embedded = [name for name, model in registry.MODELS.items() if isinstance(model, Embedded)]
    known = "a folder in PEFT's form; or an exported file, for --check"
    command.add_argument("adapter", type=Path, metavar="ADAPTER", help=known)
    command.add_argument("--model", required=True, choices=embedded, metavar="NAME")
    command.add_argument("--out", type=Path, metavar="FILE")
    command.add_argument("--format", choices=FORMATS, help=f"of the numbers; default {FORMAT}")
    command.add_argument(
        "--bytes", type=int, metavar="N", help="cut the adapter to a file of at most so many"
    )
    command.add_argument(
        "--check", type=Path, metavar="DIR", help=f"compare on {PROMPTS} validation prompts of an SFT set"
    )
    command.add_argument(
        "--exact", action="store_true", help="with --check: in llama.cpp too, the model's numbers in 32 bits"
    )


def run_export(options: argparse.Namespace) -> None:
    """Exports, or takes what was exported; prints size and error, and the agreement where it is asked for.

    Raises:
        ValueError: as `export`, the options do not go together, or llama.cpp does not say what the file's
            numbers say.
    """
    exported = options.adapter.is_file()
    if exported and (options.out or options.format or options.bytes or not options.check):
        raise ValueError(
            f"{options.adapter} is a file. To write one, give a folder in PEFT's form; to compare one that "
            "is written, give --check DIR and nothing else."
        )
    if options.exact and not options.check:
        raise ValueError("--exact says how to compare: give --check DIR too.")
    if not exported and not options.out:
        raise ValueError("Give --out FILE: where the adapter is to be written.")
    base = weights.fetch(registry.MODELS[options.model].weights, on_stderr())
    file = options.adapter
    if not exported:
        done = export(options.adapter, base, options.out, options.format or FORMAT, options.bytes)
        _tell(done)
        file = done.path
    if options.check:
        _compare(
            options.model, None if exported else options.adapter, file, options.check, exact=options.exact
        )


def _tell(done: Exported) -> None:
    low, high = min(done.ranks), max(done.ranks)
    print(
        f"{done.path}: {done.bytes:,} bytes, {len(done.ranks)} matrices, "
        f"{f'rank {low}' if low == high else f'ranks {low} to {high}'}, relative error {done.error:.4f}"
    )
    if done.bytes > LARGEST_BYTES:
        print(f"This is more than {LARGEST_BYTES:,} bytes: give --bytes {LARGEST_BYTES} or another --format.")


def _compare(name: str, adapter: Path | None, file: Path, folder: Path, *, exact: bool) -> None:
    """Prints what `check` finds on the set's validation prompts."""
    prompts = [_asked(sample) for sample in samples.read(folder, "validation")[:PROMPTS]]
    if not prompts:
        raise ValueError(f"{folder} has no validation samples to compare on: give --check another set.")
    shares = {}
    for case, share in check(name, adapter, file, prompts, exact=exact):
        shares[case] = share
        print(
            f"PyTorch and llama.cpp agree {case} on {share:.1%} of {len(prompts)} replies' first "
            f"{TOKENS} tokens.",
            flush=True,
        )
    if shares[BY_FILE] < LEAST_AGREEMENT:
        raise ValueError(
            f"llama.cpp does not compute by {file} as PyTorch does: they agree on "
            f"{shares[BY_FILE]:.1%}, less than {LEAST_AGREEMENT:.0%}. Do not use the file."
        )


def export(
    adapter: Path, base: Path, out: Path, number_format: str = FORMAT, most_bytes: int | None = None
) -> Exported:
    """Writes the adapter for the model in the GGUF file `base`.

    Rows that a quantised format's blocks of 32 do not fill are written as f16.

    Args:
        most_bytes: Of the file; where the adapter is larger, its weakest directions are left out.

    Raises:
        ValueError: the adapter is no plain LoRA, not for this model, or fits in no way.
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
    kept = _fitted(whole, number_format, most_bytes) if most_bytes else whole
    out.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(out, architecture)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 1.0)  # llama.cpp divides it by each matrix's own rank
    errors = []
    for matrix, original in zip(kept, whole, strict=True):
        rank = len(matrix.a)
        if not rank:
            errors.append(_difference(original, matrix))
            continue
        a = _add(writer, f"{matrix.name}.lora_a", matrix.a, number_format)
        b = _add(writer, f"{matrix.name}.lora_b", matrix.b * rank, number_format)
        errors.append(_difference(original, Matrix(matrix.name, a, b / rank)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    wrong, size = (sum(parts) for parts in zip(*errors, strict=True))
    error = math.sqrt(wrong / size) if size else 0.0
    return Exported(out, out.stat().st_size, tuple(len(matrix.a) for matrix in kept), error)


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


def _fitted(matrices: Sequence[Matrix], number_format: str, most_bytes: int) -> list[Matrix]:
    """The matrices at the ranks that keep the most of the change in a file of this size.

    Directions are taken by the share of the squared change that a byte of them holds. Those of one matrix
    cost the same, so that each matrix keeps its strongest ones.
    """
    room = most_bytes - _ABOUT - _ABOUT_MATRIX * len(matrices)
    parts = [_directions(matrix) for matrix in matrices]
    costs = [_bytes(matrix, number_format) for matrix in matrices]
    by_worth = sorted(
        (
            (value * value / cost, place)
            for place, ((_, values, _), cost) in enumerate(zip(parts, costs, strict=True))
            for value in values
        ),
        reverse=True,
    )
    ranks = [0] * len(matrices)
    for _, place in by_worth:
        if costs[place] <= room:
            room -= costs[place]
            ranks[place] += 1
    if not any(ranks):
        raise ValueError(
            f"Nothing of the adapter fits into {most_bytes:,} bytes: give --bytes a higher number."
        )
    return [
        Matrix(matrix.name, a[:rank] * np.sqrt(values[:rank, None]), b[:, :rank] * np.sqrt(values[:rank]))
        for matrix, (b, values, a), rank in zip(matrices, parts, ranks, strict=True)
    ]


def _directions(matrix: Matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The singular value decomposition of b · a: rows × rank, rank, rank × columns."""
    left, inner_left = np.linalg.qr(matrix.b)
    right, inner_right = np.linalg.qr(matrix.a.T)
    u, values, v = np.linalg.svd(inner_left @ inner_right.T)
    return left @ u, values, v @ right.T


def _bytes(matrix: Matrix, number_format: str) -> float:
    """What one direction costs at most; a rank seldom fills the blocks of a quantised format."""
    import gguf

    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[number_format.upper()]]
    rows, columns = len(matrix.b), matrix.a.shape[1]
    of_b = max(size / block, 2.0)
    return rows * of_b + columns * (of_b if columns % block else size / block)


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


def agreement(one: Sequence[str], other: Sequence[str], tokenize: Callable[[str], list[int]]) -> float:
    """The share of tokens, of each reply's first TOKENS, on which two models agree.

    A reply counts up to its first difference: what follows answers another text.
    """
    same = total = 0
    for left, right in zip(one, other, strict=True):
        left, right = tokenize(left)[:TOKENS], tokenize(right)[:TOKENS]
        pairs = zip(left, right, strict=False)
        same += next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
        total += max(len(left), len(right))
    return same / total if total else 1.0


def check(
    name: str,
    adapter: Path | None,
    file: Path,
    prompts: Sequence[Sequence[Message]],
    *,
    exact: bool = False,
) -> Iterator[tuple[str, float]]:
    """Yields the agreement of PyTorch, in 32 bits, with llama.cpp, both greedy: each case and its share.

    "without the adapter" the two runtimes are compared; "with the adapter" as it was trained, also what
    cutting and the number format cost; "with the file's numbers" in both, whether they were written right.

    Args:
        adapter, file: The same adapter for the one and for the other. Without the first there is no case
            "with the adapter".
        exact: llama.cpp gets the model's numbers in 32 bits as well, which it multiplies without rounding.
    """
    import peft
    import torch

    from training import student

    def replies(model: Model, title: str) -> list[str]:
        with tqdm(desc=title, total=len(prompts), unit="prompt", file=sys.stderr) as bar:
            texts = []
            for first in range(0, len(prompts), _AT_ONCE):
                some = prompts[first : first + _AT_ONCE]
                texts += model.generate(some, max_new_tokens=TOKENS, temperature=0.0)
                bar.update(len(some))
        return texts

    def said(source: str, lora: str, case: str) -> list[str]:
        model = models.load(source, adapter=lora)
        try:
            return replies(model, f"llama.cpp {case}")
        finally:
            model.close()

    def torch_said(changed: torch.nn.Module | None, case: str) -> list[str]:
        # The sampler, since it reads the prompts' common beginning once, which is most of them.
        model, _ = student.answering(base, _AT_ONCE, changed, context_tokens=longest + TOKENS)
        try:
            return replies(model, f"PyTorch {case}")
        finally:
            model.close()

    bare, adapted = "without the adapter", "with the adapter"
    # llama.cpp first: a file that it cannot load is told of before the slower PyTorch has begun.
    with tempfile.TemporaryDirectory() as folder:
        source = str(in_32_bits(name, Path(folder))) if exact else name
        with_file, plain = said(source, str(file), adapted), said(source, "none", bare)
    base = student.load(name, dtype=torch.float32)
    tokenize = _tokens(base.tokenizer)
    longest = max(len(encode.prompt_ids(base.tokenizer, prompt)) for prompt in prompts)
    yield bare, agreement(torch_said(None, bare), plain, tokenize)
    model = base.model
    if adapter:
        trained = peft.PeftModel.from_pretrained(model, adapter)
        yield adapted, agreement(torch_said(trained, adapted), with_file, tokenize)
        model = trained.unload()
    by_file = torch_said(_add_to(model, read(file)), BY_FILE)
    yield BY_FILE, agreement(by_file, with_file, tokenize)


def in_32_bits(name: str, folder: Path) -> Path:
    """Writes an embedded model's GGUF file anew, every number in 32 bits; returns the path."""
    import gguf

    source = gguf.GGUFReader(weights.fetch(registry.MODELS[name].weights, on_stderr()))
    path = folder / f"{name}-32-bits.gguf"
    writer = gguf.GGUFWriter(path, source.fields["general.architecture"].contents())
    for key, field in source.fields.items():
        if not key.startswith(("GGUF.", "general.architecture")):  # the writer's own
            kind = field.types[0]
            element = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(key, field.contents(), kind, sub_type=element)
    for tensor in source.tensors:
        numbers = gguf.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, numbers.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def read(file: Path) -> list[Matrix]:
    """The changes that an exported file holds, as llama.cpp reads them."""
    import gguf

    parts: dict[str, dict[str, np.ndarray]] = {}
    for tensor in gguf.GGUFReader(file).tensors:
        name, _, part = tensor.name.rpartition(".")
        parts.setdefault(name, {})[part] = gguf.dequantize(tensor.data, tensor.tensor_type)
    return [
        Matrix(name, pair["lora_a"], pair["lora_b"] / len(pair["lora_a"])) for name, pair in parts.items()
    ]


def _add_to(model, changes: Sequence[Matrix]):
    """The PyTorch model, its weights changed in place."""
    import gguf
    import torch

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, model.config.num_hidden_layers)
    by_name = {change.name: change for change in changes}
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if change := by_name.pop(f"{names.get_name(key.removesuffix('.weight'))}.weight", None):
                weight += torch.from_numpy(change.b @ change.a).to(weight.device)
    if by_name:
        raise ValueError(f"The model has no {', '.join(by_name)}: the file is for another.")
    return model


def _tokens(tokenizer) -> Callable[[str], list[int]]:
    return lambda text: tokenizer.encode(text, add_special_tokens=False)


def _asked(sample: samples.Sample) -> list[Message]:
    """A sample's conversation up to the first reply that it teaches."""
    return list(sample.messages[: min(sample.trained)])
