"""Models behind a server, against a real local HTTP server that streams."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent.models import ModelError, endpoint, load

TALK = [{"role": "user", "content": "Hi"}]
KEY = "sk-very-secret"


def chunk(text, finish=None):
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


USAGE = {
    "choices": [],
    "usage": {"prompt_tokens": 30, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 20}},
}


class Server(ThreadingHTTPServer):
    """Answers each request with `status` and `events`; notes what it was asked and who hung up."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.events, self.ending, self.pause = 200, [], "data: [DONE]\n\n", 0.0
        self.requests, self.hung_up = [], threading.Event()

    @property
    def name(self):
        return f"endpoint:http://127.0.0.1:{self.server_port}/v1#small"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.requests.append((self.path, self.headers.get("Authorization"), body))
        self.send_response(server.status)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for event in server.events(body) if callable(server.events) else server.events:
                line = event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n"
                self.wfile.write(line.encode())
                self.wfile.flush()
                time.sleep(server.pause)
            self.wfile.write(server.ending.encode())
        except (BrokenPipeError, ConnectionResetError):
            server.hung_up.set()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def model(server):
    return load(server.name)


def test_the_streamed_pieces_make_the_reply(server, model):
    server.events = [": a comment\n\n", chunk("Good "), chunk("day"), chunk(None, "stop"), USAGE]
    assert [piece for piece in model.stream(TALK) if piece] == ["Good ", "day"]
    assert model.generate([TALK]) == ["Good day"]


def test_the_request_says_all_that_was_asked(server, model, monkeypatch):
    monkeypatch.setenv("DATASENSE_API_KEY", KEY)
    server.events = [chunk("Yes", "stop")]
    model.generate([TALK], max_new_tokens=7, temperature=0.5, stop=["\n\n"], seed=3)
    path, authorization, body = server.requests[0]
    assert (path, authorization) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert body["model"] == "small" and body["messages"] == TALK
    assert (body["max_tokens"], body["temperature"], body["stop"], body["seed"]) == (7, 0.5, ["\n\n"], 3)


def test_several_conversations_get_their_own_replies_and_seeds(server, model):
    server.events = lambda body: [chunk(f"{body['messages'][0]['content']} {body['seed']}", "stop")]
    talks = [[{"role": "user", "content": word}] for word in "abcdefghijkl"]
    assert model.generate(talks, seed=5) == [f"{word} {5 + row}" for row, word in enumerate("abcdefghijkl")]


def test_a_stop_string_is_cut_also_where_the_server_ignores_it(server, model):
    server.events = [chunk("Answer: 4\nObs"), chunk("ervation: 5"), chunk("", "stop")]
    assert model.generate([TALK], stop=["\nObservation"]) == ["Answer: 4"]


def test_usage_comes_from_the_server(server, model):
    server.events = [chunk("Good", "stop"), USAGE]
    model.generate([TALK])
    assert (model.usage.prompt_tokens, model.usage.cached_tokens, model.usage.output_tokens) == (10, 20, 4)


def test_usage_that_every_chunk_repeats_is_counted_once(server, model):
    server.events = [chunk("Good ") | {"usage": {"prompt_tokens": 30, "completion_tokens": 1}}]
    server.events += [chunk("day", "stop") | {"usage": {"prompt_tokens": 30, "completion_tokens": 2}}]
    model.generate([TALK])
    assert (model.usage.prompt_tokens, model.usage.output_tokens) == (30, 2)


def test_usage_that_is_told_in_part_only_is_no_trouble(server, model):
    server.events = [chunk("Good", "stop") | {"usage": {"prompt_tokens": 30}}]
    assert model.generate([TALK]) == ["Good"]
    assert (model.usage.prompt_tokens, model.usage.output_tokens) == (30, 0)


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": [{"delta": "Good"}]},
        {"choices": ["Good"]},
        {"choices": [{"delta": {"content": ["Good"]}}]},
        {"choices": [], "usage": "many"},
    ],
)
def test_chunks_of_another_form_are_told_in_one_sentence(server, model, odd):
    server.events = [odd]
    with pytest.raises(ModelError, match="something else than an OpenAI-compatible server"):
        model.generate([TALK])


def test_a_slow_server_is_waited_for_with_heartbeats_and_told_of_a_stop(server, model):
    server.events = (chunk(f"{i} ") for i in range(600))
    server.pause = 0.1
    stream = model.stream(TALK)
    while not next(stream):
        pass
    stream.close()
    assert server.hung_up.wait(10)


def test_an_error_in_mid_stream_ends_the_reply_with_its_words(server, model):
    server.events = [chunk("Good "), {"error": {"message": "the GPU is on fire"}}]
    stream = model.stream(TALK)
    assert next(piece for piece in stream if piece) == "Good "
    with pytest.raises(ModelError, match="failed: the GPU is on fire"):
        list(stream)


def test_a_reply_that_breaks_off_is_no_reply(server, model):
    server.events, server.ending = [chunk("Good ")], ""
    with pytest.raises(ModelError, match="broke off in the middle of its reply: ask again"):
        model.generate([TALK])


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "put a key that it accepts into DATASENSE_API_KEY"),
        (404, "correct its URL, which mostly ends in /v1, or the model's name"),
        (429, "wait a while"),
        (500, "see the server's log"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(server, model, monkeypatch, status, advice):
    monkeypatch.setenv("DATASENSE_API_KEY", KEY)
    server.status, server.events, server.ending = status, [], '{"error": {"message": "no, not that"}}'
    with pytest.raises(ModelError, match=rf"says {status} \(no, not that\): {advice}") as failure:
        model.generate([TALK])
    assert KEY not in str(failure.value) and "\n" not in str(failure.value)


@pytest.mark.parametrize("page", ["<html>Welcome</html>", "data: {never closed\n\n", "data: 5\n\n"])
def test_a_page_that_is_no_stream_is_told_apart(server, model, page):
    server.events = [page]
    with pytest.raises(ModelError, match="something else than an OpenAI-compatible server"):
        model.generate([TALK])


def test_a_server_that_does_not_run_is_named(server):
    gone = load(server.name.replace(str(server.server_port), "9"))
    with pytest.raises(ModelError, match=r"127.0.0.1:9/v1#small cannot be reached \(.*refused"):
        gone.generate([TALK])


def test_a_silent_server_is_given_up(server, model, monkeypatch):
    monkeypatch.setattr(endpoint, "READ_SECONDS", 0.2)
    server.events, server.pause = [chunk("Good ")] * 3, 1.0
    with pytest.raises(ModelError, match="did not answer in time"):
        model.generate([TALK])


def test_a_password_in_the_url_is_kept_out_of_the_name():
    assert load("endpoint:http://me:pass@host/v1#small").name == "endpoint:http://host/v1#small"


def test_no_text_has_more_tokens_than_are_counted(small_model, tables):
    """Against the tokenizer of a real model."""
    remote = load("hf:any/model")
    words = ["Größe, Maß, Preis in €", "東京の売上は三倍になりました", "🙂🚀 100 %", "उत्पाद की बिक्री"]
    for text in [*tables, *words, "a1b2-C3D4_e5F6\t\t\t  x", "XQZKJ VWPFT 9f8e7d6c BSDKFJ"]:
        assert remote.count_tokens(text) >= small_model.count_tokens(text)
    for text in tables:
        assert remote.count_tokens(text) < 1.4 * small_model.count_tokens(text)


def test_a_model_of_hugging_face_is_reached_with_the_users_token(server, monkeypatch):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_TOKEN", KEY)
    real = huggingface_hub.InferenceClient
    monkeypatch.setattr(
        huggingface_hub,
        "InferenceClient",
        lambda **options: real(base_url=f"http://127.0.0.1:{server.server_port}/v1", **options),
    )
    server.events = [chunk("Good "), chunk("day"), chunk(None, "stop"), USAGE]
    remote = load("hf:some/model")
    assert remote.generate([TALK]) == ["Good day"]
    _, authorization, body = server.requests[0]
    assert (authorization, body["model"]) == (f"Bearer {KEY}", "some/model")
    assert remote.usage.output_tokens == 4
    server.status, server.events, server.ending = 401, [], '{"error": "Invalid username or password."}'
    with pytest.raises(ModelError, match="says 401 .*: put a key that it accepts into HF_TOKEN") as failure:
        remote.generate([TALK])
    assert KEY not in str(failure.value)
