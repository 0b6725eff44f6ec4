"""The embedded kind of model: the real 0.5B, in this process."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from agent.models import ModelError, load

ROOT = Path(__file__).parents[3]
SUM = [{"role": "user", "content": "What is 2 + 3? Answer with one number."}]
COUNT = [{"role": "user", "content": "Count from 1 to 9, in digits, separated by one blank."}]
POEM = [{"role": "user", "content": "Write a poem about the sea."}]


def test_it_answers(small_model):
    assert "5" in small_model.generate([SUM], max_new_tokens=20)[0]


def test_several_conversations_get_their_own_replies(small_model):
    replies = small_model.generate([SUM, COUNT, SUM], max_new_tokens=24)
    assert "5" in replies[0] and "1 2 3 4 5" in replies[1] and replies[2] == replies[0]


def test_a_streamed_reply_is_the_generated_one(small_model):
    pieces = list(small_model.stream(COUNT, max_new_tokens=24))
    assert "".join(pieces) == small_model.generate([COUNT], max_new_tokens=24)[0]
    assert sum(map(bool, pieces)) > 3


def test_streams_of_several_threads_run_side_by_side(small_model):
    def reply(talk):
        return "".join(small_model.stream(talk, max_new_tokens=24))

    with ThreadPoolExecutor(3) as pool:
        replies = list(pool.map(reply, [COUNT, SUM, COUNT]))
    assert replies == small_model.generate([COUNT, SUM, COUNT], max_new_tokens=24)


def test_a_reply_ends_before_a_stop_string_and_so_does_the_work(small_model):
    before = small_model.usage
    assert small_model.generate([COUNT], max_new_tokens=24, stop=[" 4 5"])[0].endswith("1 2 3")
    assert 0 < (small_model.usage - before).output_tokens < 14


def test_a_reply_cut_inside_a_stop_string_holds_no_half_of_it(small_model):
    whole = small_model.generate([COUNT], max_new_tokens=8)[0]
    assert small_model.generate([COUNT], max_new_tokens=8, stop=[whole[-1] + "?"]) == [whole[:-1]]


def test_sampling_is_repeated_by_its_seed(small_model):
    def poem(seed):
        return small_model.generate([POEM], seed=seed, max_new_tokens=24, temperature=1.0)[0]

    assert [poem(7), poem(8), poem(9)] == [poem(7), poem(8), poem(9)]
    assert len({poem(7), poem(8), poem(9)}) == 3


def test_equal_conversations_get_different_samples(small_model):
    assert len(set(small_model.generate([POEM] * 3, max_new_tokens=24, temperature=1.0))) == 3


def test_a_conversation_that_grew_is_read_from_its_new_part_on(small_model):
    talk = [{"role": "system", "content": "You are brief. " * 30}, *COUNT]
    reply = small_model.generate([talk], max_new_tokens=24)[0]
    before = small_model.usage
    small_model.generate([[*talk, {"role": "assistant", "content": reply}, *SUM]], max_new_tokens=4)
    spent = small_model.usage - before
    assert spent.cached_tokens > 120 and spent.prompt_tokens < 60


def test_what_the_cache_holds_does_not_change_a_reply(small_model, tables):
    """Each is computed thrice: with nothing cached, after another one on the same table, and once more."""
    asked = ["How many columns are there?", "Name a place in the table.", "Write a poem about it."]
    for table in tables:
        talks = [[{"role": "user", "content": f"{table[:900]}\n\n{question}"}] for question in asked]
        rounds = []
        for order in (talks, talks[::-1], talks):
            replies = {}
            for talk in order:
                first = small_model.generate([talk], temperature=1.0, max_new_tokens=24)[0]
                more = [*talk, {"role": "assistant", "content": first}, *SUM]
                replies[talk[0]["content"]] = [first, *small_model.generate([more], max_new_tokens=24)]
            rounds.append(replies)
        assert rounds[0] == rounds[1] == rounds[2]


def test_questions_on_one_table_read_it_once(small_model, tables):
    talks = [[{"role": "user", "content": f"{tables[0]}\n\nWrite {word}."}] for word in ("yes", "no")]
    small_model.generate(talks[:1], max_new_tokens=4)
    before = small_model.usage
    small_model.generate(talks[1:], max_new_tokens=4)
    spent = small_model.usage - before
    assert spent.cached_tokens > 1000 and spent.prompt_tokens < 40


def test_tokens_are_counted_as_the_model_reads_them(small_model, tables):
    def read(text):
        before = small_model.usage
        small_model.generate([[{"role": "user", "content": text}]], max_new_tokens=1)
        spent = small_model.usage - before
        return spent.prompt_tokens + spent.cached_tokens

    for table in tables:
        text = table[:400]
        assert read(f"x\n{text}") - read("x\n") == small_model.count_tokens(text)
    assert small_model.count_tokens("") == 0


def test_a_conversation_that_does_not_fit_is_refused_with_both_numbers(small_model):
    long = [{"role": "user", "content": "one two three " * 4000}]
    with pytest.raises(ModelError, match=r"takes 12,0\d\d tokens and coder-0.5b holds 8,192: start"):
        small_model.generate([long])


@pytest.mark.parametrize("long", ["one two three " * 2000, "one two three " * 2000 + "\n\nAnd then?"])
def test_closing_a_stream_ends_the_reading_of_a_long_prompt(small_model, long):
    before = small_model.usage
    stream = small_model.stream([{"role": "user", "content": long}])
    assert next(stream) == ""  # a heartbeat: the prompt takes much longer
    stream.close()
    deadline = time.monotonic() + 10  # the whole prompt takes half a minute
    while any("_complete" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (small_model.usage - before).prompt_tokens < 10  # what was cancelled is not counted


def test_no_port_is_open(small_model):
    links = psutil.Process().net_connections("inet")
    assert not [link for link in links if link.status == psutil.CONN_LISTEN]


@pytest.fixture
def lora(tmp_path):
    """A random LoRA adapter of rank 2 for one matrix of the 0.5B."""
    gguf = pytest.importorskip("gguf", reason="gguf is not installed: adapters of llama.cpp are not tested")
    writer = gguf.GGUFWriter(tmp_path / "noise.gguf", "qwen2")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 2.0)
    random = np.random.default_rng(0)
    for end, shape in {"lora_a": (2, 896), "lora_b": (896, 2)}.items():
        values = random.normal(size=shape).astype(np.float32)
        writer.add_tensor(f"blk.10.attn_q.weight.{end}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tmp_path / "noise.gguf"


def test_an_adapter_changes_the_reply_and_is_part_of_name_and_digest(small_model, lora):
    adapted = load("coder-0.5b", adapter=str(lora))
    assert adapted.generate([POEM], max_new_tokens=24) != small_model.generate([POEM], max_new_tokens=24)
    assert adapted.name == "coder-0.5b+noise"
    assert adapted.digest.startswith(f"{small_model.digest}+") and len(adapted.digest) == 64 + 1 + 64
    adapted.close()
    adapted.close()
    for ask in (lambda: adapted.generate([SUM]), lambda: adapted.count_tokens("x")):
        with pytest.raises(ModelError, match="closed.*: load it again"):
            ask()


def test_an_adapter_that_does_not_exist_is_named(small_model):
    with pytest.raises(ModelError, match="nowhere.gguf does not exist"):
        load("coder-0.5b", adapter="nowhere.gguf")


LOADED = """
from agent.models import load
model = load("coder-0.5b", adapter="none")
print(model.count_tokens("one"), flush=True)
input()
model.close()
"""


def test_the_socket_of_a_killed_process_is_removed_by_the_next_and_none_stays_of_one_that_ends():
    with tempfile.TemporaryDirectory() as folder:  # a socket's path is short
        _kill_one_and_start_another(Path(folder))


def _kill_one_and_start_another(folder):
    def start():
        environment = os.environ | {"TMPDIR": str(folder)}
        words = [sys.executable, "-c", LOADED]
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        )
        assert process.stdout.readline().strip() == "1"
        return process

    killed = start()
    (left,) = folder.rglob("llama.sock")
    killed.kill()
    killed.communicate()
    last = start()
    assert not left.exists() and len(list(folder.rglob("llama.sock"))) == 1
    last.communicate("\n")
    assert last.returncode == 0 and not list(folder.glob("datasense-*"))
