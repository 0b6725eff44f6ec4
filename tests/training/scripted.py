"""A model whose replies are written down by question, for tests of what is made from its episodes."""

import re

from agent.models import Usage

QUESTION = re.compile(r"Question: (.*?)(?:\nPrint True or False\.)?\Z", re.S)


class ByQuestion:
    """Gives its replies to a question in order, to each conversation from the first on.

    Attributes: `asked`, the questions that conversations opened with; `left`, how many replies it still gives
    before the user stops it, None for all.
    """

    name, digest, context_tokens, usage = "scripted", "d" * 64, 8192, Usage()

    def __init__(self, replies, left=None):
        self.replies, self.asked, self.left = replies, [], left

    def count_tokens(self, text):
        return len(text) // 3 + 1

    def generate(self, conversations, **sampling):
        return [self._reply(conversation) for conversation in conversations]

    def stream(self, conversation, **sampling):
        yield self._reply(conversation)

    def close(self):
        pass

    def _reply(self, conversation):
        if self.left is not None:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
        opened = [
            i for i, m in enumerate(conversation) if m["role"] == "user" and QUESTION.search(m["content"])
        ]
        question = QUESTION.search(conversation[opened[-1]]["content"])[1]
        turn = (len(conversation) - 1 - opened[-1]) // 2
        if not turn:
            self.asked.append(question)
        replies = self.replies[question]
        return replies[min(turn, len(replies) - 1)]
