"""The page with a model whose moves a test knows: `python -m tests.e2e.echo_app`.

It runs the question as Python and answers with the last line of the output, of an empty list that the data
does not hold it. Three questions are not Python:
"what did I ask before?" is put as a comment into the code, one that begins with "write" has it write on and
on, and "break" breaks it. With $ECHO_DOWNLOADS it is never there: its download stands still.
"""

import os
import re
import time

import app
from agent.absence import NOT_ANSWERABLE
from agent.models import Progress, Usage

QUESTION = re.compile(r"Question: (.*)\Z", re.S)


class Echo:
    name, digest, context_tokens, usage = "echo", "", 8192, Usage()

    def count_tokens(self, text):
        return len(text) // 3 + 1

    def stream(self, conversation, **sampling):
        last = conversation[-1]["content"]
        if asked := QUESTION.search(last):
            if asked[1] == "what did I ask before?":
                questions = [found[1] for said in conversation if (found := QUESTION.search(said["content"]))]
                yield from self._code(f"# {questions[-2]}\nprint(len(df))")
            else:
                yield from self._code(asked[1])
        else:
            output = last.splitlines()[-1]
            answer = NOT_ANSWERABLE if output == "[]" else output
            yield f"Answer: {answer}\nSummary: The output says {output}"

    def _code(self, question):
        if question == "break":
            raise KeyError("a fault that nobody foresaw")
        if question.startswith("write"):
            while True:
                time.sleep(0.1)
                yield "word "
        yield from ("```python\n", question, "\n```")

    def close(self):
        pass


if __name__ == "__main__":
    downloading = Progress("echo", 300_000_000, 1_200_000_000, "download")
    app.loader.state = downloading if "ECHO_DOWNLOADS" in os.environ else Echo()
    app.serve()
