"""An OpenAI-compatible server whose model's moves a test knows; models in other processes reach it too.

It runs the question as Python and answers with the last line of the output. After an error it answers with
the error; without tables it guesses True.
"""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

QUESTION = re.compile(r"Question: (.*?)(?:\nPrint True or False\.)?\Z", re.S)


class EchoServer(ThreadingHTTPServer):
    """Attributes: `asked`, the opening question of each conversation; `pause`, seconds before a reply."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked, self.pause = [], 0.0
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def name(self):
        return f"endpoint:http://127.0.0.1:{self.server_port}/v1#echo"

    def reply(self, messages):
        last = messages[-1]["content"]
        if "cannot be seen" in messages[0]["content"]:
            return "Answer: True"
        if question := QUESTION.search(last):
            self.asked.append(question[1])
            return f"```python\n{question[1]}\n```"
        return f"Answer: {last.splitlines()[-1]}\nSummary: The output says so."


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.server.pause)
        text = self.server.reply(body["messages"])
        delta = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(f"data: {json.dumps(delta)}\n\ndata: [DONE]\n\n".encode())

    def log_message(self, *_):
        pass
