"""Tiny random models in the forms that training starts from: Qwen2 as a GGUF file, Gemma 4 as a folder."""

import hashlib
import json
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import gguf
import numpy as np
import torch
import transformers
import trl
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from agent import prompts
from agent.models import registry
from agent.models.registry import Embedded, OnHub
from agent.models.weights import Weights
from training import settings

TEMPLATES = Path(trl.__file__).parent / "chat_templates"
SPECIAL = {
    "qwen2": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "gemma4": ["<pad>", "<eos>", "<bos>", "<|turn>", "<turn|>", "<|channel>", "<channel|>"],
}
TEMPLATE = {"qwen2": "qwen2_5.jinja", "gemma4": "gemma4.jinja"}
# The regular expression by which Qwen2's tokenizer, and llama.cpp for it, splits text.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
# Learned by the tokenizers: of the kind that prompts are, but no part of them, so that new words in a prompt
# make no other model.
TEXT = """\
You are a data analyst. You answer questions about tables by running Python code on them, for real.
```python
print((df[df['Species'] == 'dog']['Weight (kg)'] > 10).any())
print(df.nlargest(2, 'Weight (kg)')['Owner Name'].tolist())
```
Answer: the value alone, as printed (True or False; a number; a name; a list such as ['a', 'b'])
Summary: one sentence that says what was found in the real output. The tables are loaded: do not read files.
Table `df` from pets.csv, 6 rows: - 'Name': text, e.g. 'Rex', 'Mia' - 'Weight (kg)': number, 3.1 to 31.5
[EXEC:real] Output of step 1: Step 1 failed. KeyError: 'Weight' Failing line 1: There is no column 'Weight'.
Copy column names exactly as they stand. Reply with the whole corrected code. Perhaps: print(df['Weight'])
Question: Who owns the heaviest pets? Which species is heavier on average? Draw the averages as a bar chart.
means = df.groupby('Species')['Weight (kg)'].mean() means.plot(kind='bar') print(means.idxmax())
After an error, change the line that failed. Never write output yourself. Variables are kept.
pandas is pd, numpy is np, plt draws charts, sql("select ...") queries the tables. Print the value.
"""
WORDS = 800
NAMES = {"qwen2": "tiny-qwen2", "gemma4": "tiny-gemma4"}


@contextmanager
def installed(folder):
    """Makes both models known by NAMES, with training settings, and `folder` the cache of weights.

    Meanwhile PyTorch has one thread: several would wait for each other longer than they compute.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder.mkdir(exist_ok=True)
    gemma, file = folder / "gemma4", folder / "tiny.gguf"
    if not file.exists():
        write_folder(gemma, "gemma4")
        write_gguf(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    known = {
        NAMES["qwen2"]: Embedded("", Weights(file.name, file.stat().st_size, digest, "owner/tiny", "", None)),
        NAMES["gemma4"]: OnHub("", str(gemma), "", top_k=0, top_p=1.0),
    }
    quick = {"epochs": 2, "evaluations": 2, "batch_tokens": 2048, "micro_tokens": 1024, "rank": 4, "alpha": 8}
    learned = {name: settings.SftSettings(**quick, learning_rate=1e-2) for name in known}
    with (
        mock.patch.dict(registry.MODELS, known),
        mock.patch.dict(settings.SFT, learned),
        mock.patch.dict("os.environ", {"DATASENSE_CACHE": str(folder)}),
    ):
        yield
    torch.set_num_threads(threads)


def tokenizer(kind):
    """Byte-level BPE that has read TEXT, with the architecture's own chat template."""
    raw = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(pattern=Regex(SPLIT), behavior="isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    raw.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_])
    raw.decoder = decoders.ByteLevel()
    special = SPECIAL[kind]
    learner = trainers.BpeTrainer(
        vocab_size=WORDS,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(TEXT.splitlines(keepends=True), learner)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=special[0],
        eos_token=special[1] if kind == "gemma4" else special[2],
        bos_token=special[2] if kind == "gemma4" else None,
        chat_template=(TEMPLATES / TEMPLATE[kind]).read_text(),
    )


def model(kind, words):
    """Random weights, the same each time, and far from ties, so that rounding changes hardly a choice.

    The context has room for a question and a short reply, so that its endless replies end an episode soon.
    """
    opening = words.apply_chat_template(prompts.opening_messages(), return_dict=True)["input_ids"]
    small = {
        "vocab_size": len(words),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2 if kind == "qwen2" else 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": len(opening) + 260,
        "tie_word_embeddings": False,
    }
    if kind == "qwen2":
        config = transformers.Qwen2Config(**small, rms_norm_eps=1e-6)
    else:
        text = transformers.Gemma4TextConfig(
            **small,
            head_dim=16,
            global_head_dim=16,
            hidden_size_per_layer_input=8,
            vocab_size_per_layer_input=len(words),
            num_kv_shared_layers=2,
            layer_types=["sliding_attention", "full_attention"] * 2,
            sliding_window=64,
            final_logit_softcapping=30.0,
        )
        config = transformers.Gemma4Config(text_config=text, vision_config=None, audio_config=None)
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(config)
    for name, parameter in made.named_parameters():
        if "norm" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return made


def write_folder(folder, kind):
    """As a repository of the Hub holds it."""
    words = tokenizer(kind)
    model(kind, words).save_pretrained(folder)
    words.save_pretrained(folder)


def write_gguf(path):
    """A Qwen2 of 32-bit floats that llama.cpp and transformers both load."""
    words = tokenizer("qwen2")
    made = model("qwen2", words)
    config = made.config
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("tiny")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    _add_tokenizer(writer, words)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config.num_hidden_layers)
    for name, tensor in made.state_dict().items():
        writer.add_tensor(
            names.get_name(name, try_suffixes=(".weight", ".bias")), tensor.numpy().astype(np.float32)
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer, words):
    state = json.loads(words.backend_tokenizer.to_str())["model"]
    tokens = sorted(state["vocab"], key=state["vocab"].get)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([control if token in SPECIAL["qwen2"] else normal for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in state["merges"]])
    writer.add_eos_token_id(words.eos_token_id)
    writer.add_pad_token_id(words.pad_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(words.chat_template)
