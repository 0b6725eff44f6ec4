"""The page with a model whose moves a test knows: `python -m tests.e2e.echo_app`.

It runs the question as Python and answers with the last line of the output. A question that begins with
"write" has it write on and on.
"""

import re
import time

import app
from agent.models import Usage

QUESTION = re.compile(r"Question: (.*)\Z", re.S)


class Echo:
    name, digest, context_tokens, usage = "echo", "", 8192, Usage()

    def count_tokens(self, text):
        return len(text) // 3 + 1

    def stream(self, conversation, **sampling):
        last = conversation[-1]["content"]
        if asked := QUESTION.search(last):
            yield from self._code(asked[1])
        else:
            output = last.splitlines()[-1]
            yield f"Answer: {output}\nSummary: The output says {output}"

    def _code(self, question):
        if question.startswith("write"):
            while True:
                time.sleep(0.1)
                yield "word "
        yield from ("```python\n", question, "\n```")

    def close(self):
        pass


if __name__ == "__main__":
    app.loader.state = Echo()
    app.serve()
