"""Models of the Hugging Face Hub on a GPU, by PyTorch and transformers, with a LoRA adapter of PEFT.

    model = load("unsloth/gemma-4-E2B-it", name="gemma", adapter="sanjaymalladi/DataSense-Modal-E2B-SFT")

Runs on a CPU as well, slowly. One generation runs at a time; `generate` computes its conversations as one
batch. torch, transformers and peft are imported when a model is loaded.
"""

from __future__ import annotations

import gc
import hashlib
import queue
import re
import threading
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.models import weights
from agent.models.base import HEARTBEAT_SECONDS, Message, ModelError, Usage, until_stop

if TYPE_CHECKING:
    import torch

NEEDED_FILES = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"]


def load(
    repo: str,
    *,
    name: str,
    adapter: str | None = None,
    context_tokens: int = 8192,
    top_k: int = 0,
    top_p: float = 1.0,
    four_bit: bool = False,
) -> Transformers:
    """Loads a causal language model onto the GPU, or the CPU where there is none.

    Args:
        repo: a repository of the Hub, or a folder in its form.
        name: what the model is called in records.
        adapter: a PEFT adapter, likewise a repository or a folder.
        context_tokens: tokens of one conversation, prompt and reply together.
        top_k, top_p: what sampling is confined to; without effect at temperature 0.
        four_bit: quantises the linear layers with bitsandbytes (NF4); needs a GPU.

    Raises:
        ModelError: a library, a file or memory is missing.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ModelError(f"{name} needs {error.name}: run pip install -r requirements.txt.") from error
    folders = [_folder(place, name) for place in (repo, adapter) if place]
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folders[0], padding_side="left")
        model = _load_model(folders[0], four_bit)
        if adapter:
            model = _with_adapter(model, folders[1], merge=not four_bit)
    except torch.cuda.OutOfMemoryError as error:
        raise ModelError(f"{name} does not fit into the GPU's memory: choose a smaller model.") from error
    except (ImportError, OSError, RuntimeError, ValueError, KeyError) as error:
        places = " and ".join(folders)
        raise ModelError(f"{name} cannot be loaded from {places}: {_first_line(error)}.") from error
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    held = model.config.get_text_config().max_position_embeddings
    return Transformers(
        model.eval(),
        tokenizer,
        name=f"{name}+{Path(adapter).name}" if adapter else name,
        digest="+".join(_digest(Path(folder)) for folder in folders),
        context_tokens=min(context_tokens, held),
        top_k=top_k,
        top_p=top_p,
    )


class Transformers:
    """A Model in this process; see the protocol for what its methods take and give."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        digest: str,
        context_tokens: int,
        top_k: int = 0,
        top_p: float = 1.0,
    ):
        self.name = name
        self.digest = digest
        self.context_tokens = context_tokens
        self.usage = Usage()
        self._model = model
        self._tokenizer = tokenizer
        self._top_k = top_k
        self._top_p = top_p
        self._closed = threading.Event()
        self._one_at_a_time = threading.Lock()

    def count_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int = 512,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        seed: int = 0,
    ) -> list[str]:
        if not conversations:
            return []
        cancelled = threading.Event()
        texts = self._run(conversations, max_new_tokens, temperature, stop, seed, cancelled)
        return ["".join(until_stop([text], stop)) for text in texts]

    def stream(
        self,
        conversation: Sequence[Message],
        *,
        max_new_tokens: int = 512,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        seed: int = 0,
    ) -> Generator[str]:
        from transformers import TextIteratorStreamer

        cancelled, failures = threading.Event(), []
        streamer = TextIteratorStreamer(
            self._tokenizer, skip_prompt=True, timeout=HEARTBEAT_SECONDS, skip_special_tokens=True
        )

        def work() -> None:
            try:
                self._run([conversation], max_new_tokens, temperature, stop, seed, cancelled, streamer)
            except Exception as error:  # of whatever kind: it must reach the reader's thread
                failures.append(error)
                streamer.on_finalized_text("", stream_end=True)

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        try:
            yield from until_stop(_with_heartbeats(streamer), stop)
        finally:
            cancelled.set()
        worker.join()  # at the end of a reply, not when closed: the usage must be complete
        if failures:
            raise failures[0]

    def close(self) -> None:
        self._closed.set()
        with self._one_at_a_time:
            self._model = None
        gc.collect()
        import torch

        torch.cuda.empty_cache()

    def _run(
        self,
        conversations: Sequence[Sequence[Message]],
        max_new_tokens: int,
        temperature: float,
        stop: Sequence[str],
        seed: int,
        cancelled: threading.Event,
        streamer: Any = None,
    ) -> list[str]:
        """The replies, each with the stop string that ended it and perhaps text behind it."""
        import torch

        with self._one_at_a_time, torch.inference_mode():
            if cancelled.is_set():
                return [""] * len(conversations)
            if self._model is None:
                raise ModelError(f"{self.name} was closed: load it again.")
            inputs = self._encode(conversations).to(self._model.device)
            lengths = inputs["attention_mask"].sum(dim=1)
            longest = inputs["input_ids"].shape[1]
            self._check_fits(longest)
            halt = _Halt(
                ended=lambda: cancelled.is_set() or self._closed.is_set(),
                decode=self._tokenizer.batch_decode,
                stop=stop,
                prompt_tokens=longest,
                room=self.context_tokens - lengths,
            )
            try:
                ids = self._model.generate(
                    **inputs,
                    generation_config=self._config(max_new_tokens),
                    logits_processor=self._sampler(temperature, seed, len(conversations)),
                    stopping_criteria=[halt],
                    streamer=streamer,
                )
            except torch.cuda.OutOfMemoryError as error:
                raise ModelError(
                    f"The GPU's memory is too small for {len(conversations)} conversations of up to "
                    f"{longest:,} tokens at once: ask fewer together."
                ) from error
            except RuntimeError as error:
                raise ModelError(f"{self.name} failed: {_first_line(error)}.") from error
            written = ids[:, longest:]
            if not halt.cancelled:
                self._count(halt, int(lengths.sum()), int((written != self._tokenizer.pad_token_id).sum()))
            return self._tokenizer.batch_decode(written, skip_special_tokens=True)

    def _encode(self, conversations: Sequence[Sequence[Message]]) -> Any:
        """`input_ids` and `attention_mask`, both rows × longest prompt, padded on the left."""
        return self._tokenizer.apply_chat_template(
            [list(conversation) for conversation in conversations],
            add_generation_prompt=True,
            padding=True,
            return_dict=True,
            return_tensors="pt",
        )

    def _check_fits(self, prompt_tokens: int) -> None:
        if prompt_tokens >= self.context_tokens:
            raise ModelError(
                f"The conversation takes {prompt_tokens:,} tokens and {self.name} holds "
                f"{self.context_tokens:,}: start a new one, or ask about fewer columns."
            )

    def _config(self, max_new_tokens: int) -> Any:
        """Plain greedy choice: sampling is done by our own processors, which know each row's seed."""
        from transformers import GenerationConfig

        return GenerationConfig(
            max_new_tokens=max_new_tokens,
            do_sample=False,
            repetition_penalty=1.0,
            eos_token_id=self._model.generation_config.eos_token_id or self._tokenizer.eos_token_id,
            pad_token_id=self._tokenizer.pad_token_id,
        )

    def _sampler(self, temperature: float, seed: int, rows: int) -> list:
        from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

        if temperature <= 0:
            return []
        warpers: list = [TemperatureLogitsWarper(float(temperature))]
        if self._top_k:
            warpers.append(TopKLogitsWarper(self._top_k))
        if self._top_p < 1:
            warpers.append(TopPLogitsWarper(self._top_p))
        return [*warpers, _gumbel_noise([seed + row for row in range(rows)], self._model.device)]

    def _count(self, halt: _Halt, prompt_tokens: int, output_tokens: int) -> None:
        first = halt.first_token or time.perf_counter()
        rows = len(halt.room)
        self.usage += Usage(
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
            prompt_seconds=first - halt.started,
            output_seconds=(time.perf_counter() - first) * rows,
        )


class _Halt:
    """Stopping criteria, row by row: cancelled, a stop string written, or the context full."""

    def __init__(
        self,
        *,
        ended: Callable[[], bool],
        decode: Callable[[torch.Tensor], list[str]],
        stop: Sequence[str],
        prompt_tokens: int,
        room: torch.Tensor,
    ):
        self.room = room
        self.started = time.perf_counter()
        self.first_token = 0.0
        self.cancelled = False
        self._ended = ended
        self._decode = decode
        self._stop = stop
        self._prompt_tokens = prompt_tokens
        # A token is one byte or more, so a stop string that has just ended lies in the last tokens.
        self._tail = max((len(word.encode()) for word in stop), default=0)

    def __call__(self, ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        import torch

        self.first_token = self.first_token or time.perf_counter()
        written = ids[:, self._prompt_tokens :]
        done = written.shape[1] >= self.room
        if self._stop:
            texts = self._decode(written[:, -self._tail :])
            hit = [any(word in text for word in self._stop) for text in texts]
            done = done | torch.tensor(hit, device=ids.device)
        if self._ended() and not done.all():
            self.cancelled = True
            return torch.ones_like(done)
        return done


def _gumbel_noise(seeds: Sequence[int], device: Any) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A logits processor after which the greatest logit is a sample, drawn for each row from its own seed.

    The Gumbel-max trick; so a row's reply depends neither on its neighbours nor on torch's global state.
    """
    import torch

    generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def add_noise(ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        waits = torch.empty_like(logits, dtype=torch.float32)
        for row, generator in zip(waits, generators, strict=True):
            row.exponential_(generator=generator)
        return logits.float() - waits.log()

    return add_noise


def _with_heartbeats(streamer: Any) -> Generator[str]:
    while True:
        try:
            yield next(streamer)
        except queue.Empty:
            yield ""
        except StopIteration:
            return


def _folder(place: str, name: str) -> str:
    """A folder as it is, or a repository's, downloaded first where it is not here yet."""
    if Path(place).is_dir():
        return place
    from huggingface_hub import snapshot_download

    try:
        return snapshot_download(place, allow_patterns=NEEDED_FILES)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{name} cannot be fetched: {place} is neither a folder nor to be had from the Hugging Face Hub "
            f"({_first_line(error)}); connect to the network, or choose another model."
        ) from error


def _load_model(folder: str, four_bit: bool) -> Any:
    import torch
    import transformers

    on_gpu = torch.cuda.is_available()
    if four_bit and not on_gpu:
        raise ValueError("4-bit weights need a GPU")
    dtype = torch.float32
    if on_gpu:  # a T4 only emulates bfloat16
        real = torch.cuda.is_bf16_supported(including_emulation=False)
        dtype = torch.bfloat16 if real else torch.float16
    options = {"dtype": dtype, "device_map": {"": 0 if on_gpu else "cpu"}}
    if four_bit:
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    return transformers.AutoModelForCausalLM.from_pretrained(folder, **options)


def _with_adapter(model: Any, folder: str, merge: bool) -> Any:
    """The model with the adapter, for speed merged into its weights where they are not quantised."""
    import peft

    with warnings.catch_warnings():
        # An adapter made for other layer names would otherwise be loaded without effect.
        warnings.filterwarnings("error", message="Found missing adapter keys")
        try:
            adapted = peft.PeftModel.from_pretrained(model, folder)
        except UserWarning as warning:
            raise ValueError(f"the adapter does not belong to this model ({str(warning)[:80]})") from warning
    return adapted.merge_and_unload() if merge else adapted


def _digest(folder: Path) -> str:
    """SHA-256 of a folder's weights; of their digests in the order of their names where there are several.

    In the Hub's cache a file is a link to one that is named by its digest; others are read.
    """
    files = sorted(folder.glob("*.safetensors"))
    targets = [file.resolve() for file in files]
    digests = [
        target.name if re.fullmatch(r"[0-9a-f]{64}", target.name) else weights.sha256(target)
        for target in targets
    ]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
