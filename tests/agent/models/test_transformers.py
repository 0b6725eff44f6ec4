"""The GPU's kind of model, on the CPU: tiny random Qwen2 and Gemma 4, each with a LoRA adapter."""

import hashlib
import shutil
import time

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: the transformers models are not tested")
peft = pytest.importorskip("peft", reason="peft is not installed: the transformers models are not tested")

import transformers as library  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402

from agent.models import ModelError  # noqa: E402
from agent.models.transformers import load  # noqa: E402

TEMPLATE = (
    "{% for m in messages %}<start>{{ m.role }}\n{{ m.content }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<start>assistant\n{% endif %}"
)
TARGETS = {
    "qwen2": r".*self_attn\.(q|v)_proj",
    "gemma4": r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)",
}
SHORT = [{"role": "user", "content": "Hi"}]
LONG = [{"role": "system", "content": "Count."}, {"role": "user", "content": "How many rows, and why?"}]


def tokenizer():
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = [chr(code) for code in range(33, 127)] + ["\u0120", "\u010a"]  # ASCII, blank, line feed
    special = ["<pad>", "<start>", "<end>"]
    raw.train_from_iterator([], trainers.BpeTrainer(special_tokens=special, initial_alphabet=alphabet))
    return library.PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", eos_token="<end>", chat_template=TEMPLATE
    )


def config(kind, words):
    small = {
        "vocab_size": words,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    if kind == "qwen2":
        return library.Qwen2Config(**small)
    text = library.Gemma4TextConfig(
        **small,
        head_dim=8,
        global_head_dim=8,
        hidden_size_per_layer_input=8,
        vocab_size_per_layer_input=words,
        num_kv_shared_layers=2,
        layer_types=["sliding_attention", "full_attention"] * 2,
        sliding_window=64,
    )
    return library.Gemma4Config(text_config=text, vision_config=None, audio_config=None)


@pytest.fixture(scope="module", params=["qwen2", "gemma4"])
def folders(request, tmp_path_factory):
    """A model's folder and an adapter's."""
    torch.manual_seed(0)
    folder, words = tmp_path_factory.mktemp(request.param), tokenizer()
    model = library.AutoModelForCausalLM.from_config(config(request.param, len(words)))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # far from ties, so that rounding changes no choice
    model.save_pretrained(folder / "model")
    words.save_pretrained(folder / "model")
    lora = peft.LoraConfig(r=4, target_modules=TARGETS[request.param], init_lora_weights=False)
    peft.get_peft_model(model, lora).save_pretrained(folder / "adapter")
    return folder / "model", folder / "adapter"


@pytest.fixture(scope="module")
def model(folders):
    return load(str(folders[0]), name="tiny", context_tokens=200)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_batch_gives_the_replies_that_each_conversation_gets_alone(model, temperature):
    options = {"max_new_tokens": 30, "temperature": temperature}
    alone = [model.generate([talk], seed=row, **options)[0] for row, talk in enumerate((SHORT, LONG))]
    assert model.generate([SHORT, LONG], **options) == alone


def test_a_reply_ends_before_a_stop_string_and_the_batch_goes_on(model):
    short, long = model.generate([SHORT, LONG], max_new_tokens=30, temperature=1.0)
    word = short[7:10]  # each character is a token of its own
    stopped = model.generate([SHORT, LONG], max_new_tokens=30, temperature=1.0, stop=[word])
    assert stopped[0] == short[: short.index(word)]
    assert stopped[1] == long or stopped[1] == long[: long.find(word)]


def test_a_streamed_reply_is_the_generated_one(model):
    for options in ({}, {"temperature": 1.0, "seed": 5}, {"temperature": 1.0, "stop": ["e", "x", "1"]}):
        (whole,) = model.generate([LONG], max_new_tokens=40, **options)
        assert "".join(model.stream(LONG, max_new_tokens=40, **options)) == whole


def test_sampling_depends_on_the_seed_alone(model):
    row = model.generate([LONG, SHORT], max_new_tokens=30, temperature=1.0, seed=7)[1]
    torch.manual_seed(99)
    assert model.generate([SHORT], max_new_tokens=30, temperature=1.0, seed=8) == [row]
    assert model.generate([SHORT], max_new_tokens=30, temperature=1.0, seed=9) != [row]


def test_samples_follow_the_models_distribution(model):
    """The first character, drawn 400 times from seeds of its own, against the model's probabilities."""
    ids = model._encode([SHORT])
    with torch.inference_mode():
        chances = torch.softmax(model._model(**ids).logits[0, -1].float() / 4, dim=-1)
    favourite = int(chances.argmax())
    drawn = model.generate([SHORT] * 400, max_new_tokens=1, temperature=4.0)
    share = drawn.count(model._tokenizer.decode([favourite])) / 400
    assert abs(share - float(chances[favourite])) < 0.1


def test_an_adapter_changes_the_reply_and_is_part_of_name_and_digest(model, folders):
    adapted = load(str(folders[0]), name="tiny", adapter=str(folders[1]), context_tokens=200)
    assert adapted.generate([LONG], max_new_tokens=30) != model.generate([LONG], max_new_tokens=30)
    own = hashlib.sha256((folders[0] / "model.safetensors").read_bytes()).hexdigest()
    added = hashlib.sha256((folders[1] / "adapter_model.safetensors").read_bytes()).hexdigest()
    assert (model.name, model.digest) == ("tiny", own)
    assert (adapted.name, adapted.digest) == ("tiny+adapter", f"{own}+{added}")


def test_an_adapter_of_another_model_is_refused(folders, tmp_path):
    shutil.copytree(folders[1], tmp_path / "other")
    file = tmp_path / "other" / "adapter_model.safetensors"
    save_file({f"other.{name}": tensor for name, tensor in load_file(file).items()}, file)
    with pytest.raises(ModelError, match="does not belong to this model"):
        load(str(folders[0]), name="tiny", adapter=str(tmp_path / "other"))


def test_a_conversation_that_does_not_fit_is_refused_with_both_numbers(model):
    with pytest.raises(ModelError, match=r"takes [23]\d\d tokens and tiny holds 200"):
        model.generate([SHORT, [{"role": "user", "content": "x" * 250}]])


def test_each_reply_ends_where_its_own_context_is_full(folders):
    narrow = load(str(folders[0]), name="tiny", context_tokens=100)
    narrow.generate([SHORT, LONG], max_new_tokens=1000)  # greedy, it repeats itself without end
    assert narrow.usage.prompt_tokens + narrow.usage.output_tokens == 2 * 100


def test_a_closed_stream_is_cancelled_and_not_counted(model):
    before = model.usage
    slow = model._model.register_forward_hook(lambda *_: time.sleep(0.02))
    stream = model.stream(SHORT, max_new_tokens=150)
    next(stream)  # comes while the model is at work, if only as a heartbeat
    stream.close()
    slow.remove()
    model.generate([SHORT], max_new_tokens=3)
    assert (model.usage - before).output_tokens == 3


def test_tokens_are_counted_as_the_model_reads_them(model):
    assert model.count_tokens("Hi, you") == 7


def test_a_closed_model_says_what_to_do(folders):
    closed = load(str(folders[0]), name="tiny")
    closed.close()
    closed.close()
    for ask in (lambda: closed.generate([SHORT]), lambda: list(closed.stream(SHORT))):
        with pytest.raises(ModelError, match="tiny was closed: load it again"):
            ask()


def test_what_cannot_be_loaded_is_named_in_one_line(tmp_path):
    with pytest.raises(ModelError, match=f"tiny cannot be loaded from {tmp_path}: .+") as failure:
        load(str(tmp_path), name="tiny")
    assert "\n" not in str(failure.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_four_bits_without_a_gpu_are_refused(folders):
    with pytest.raises(ModelError, match="4-bit weights need a GPU"):
        load(str(folders[0]), name="tiny", four_bit=True)
