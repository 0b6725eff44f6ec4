"""That the data does not hold what was asked: no value can show it, only a look in vain.

    says_so("Not answerable from this data.")                   # True
    code = look("shoe", tables)                                 # prints the columns that have the word
    missing_word(session.run(code), [], question, tables)       # "shoe", if none has

Such an answer is accepted only where a step ran this very code for a word of the question: other code that
prints nothing may have looked elsewhere, or for something else. It shows that the word is not there. That
the question is about it, and that nothing else in the data means the same, nobody has shown, so the answer
never counts as verified. No word is given to the model: the longest that no column has is mostly a verb.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from agent.trajectory import Evidence
from sandbox import Execution, TableProfile

NOT_ANSWERABLE = "not answerable from this data"

_SAYS_SO = re.compile(
    r"(?:(?:it|this|(?:the|this) question)(?: is|['’]s)? )?"
    r"(?:not answerable|unanswerable|(?:cannot|can['’]t|can not) be answered)"
    r"(?: (?:from|with|by|using|in) (?:this|these|the|the given|the provided)"
    r" (?:data|dataset|tables?|files?))?",
    re.I,
)
_WORD = re.compile(r"[^\W\d_]{3,}")
_UNSPACED = re.compile(r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7ff]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”|‘[^’]*’")
# Words that say how to ask, not what for; none of them can be missing from a table.
_ASKING = {
    "about", "above", "according", "across", "all", "among", "and", "any", "are", "average", "below",
    "between", "both", "can", "column", "common", "compare", "compared", "count", "data", "dataset",
    "describe", "different", "does", "each", "entry", "ever", "every", "exceed", "file", "find", "first",
    "for", "frequent", "from", "give", "greater", "group", "have", "here", "high", "higher", "highest", "how",
    "into", "its", "item", "kind", "largest", "last", "least", "less", "list", "long", "longest", "low",
    "lower", "lowest", "many", "maximum", "mean", "median", "minimum", "more", "most", "much", "name",
    "number", "often", "one", "only", "order", "other", "our", "out", "over", "overall", "per", "percent",
    "percentage", "rank", "record", "row", "same", "share", "show", "shortest", "single", "smaller",
    "smallest", "some", "sum", "table", "tell", "than", "that", "the", "their", "them", "then", "there",
    "these", "they", "this", "those", "time", "top", "total", "true", "twice", "type", "under", "unique",
    "value", "was", "were", "what", "when", "where", "whether", "which", "who", "whose", "why", "will",
    "with", "within", "you", "your",
}  # fmt: skip
_LOOKED_FOR = re.compile(r"if '(\w+)' in c\.lower\(\)")
_IN_PLACE = {"pop", "insert", "update"}


def says_so(answer: str) -> bool:
    """Whether this is the answer that there is none in the data."""
    return bool(_SAYS_SO.fullmatch(" ".join(answer.split()).strip(" '\"`.!")))


def look(word: str, tables: Sequence[TableProfile]) -> str:
    """Code that prints the columns which have the word in their name or in a cell."""
    return _look(word, several=len(tables) > 1)


def _look(word: str, *, several: bool) -> str:
    table, each = ("t", "for t in tables.values() ") if several else ("df", "")
    cells = f"{table}[c].astype(str).str.contains({word!r}, case=False, regex=False).any()"
    return f"print([c {each}for c in {table}.columns if {word!r} in c.lower() or {cells}])"


def word_of(code: str) -> str:
    """The word that a look is for; "" for other code."""
    found = _LOOKED_FOR.search(code)
    word = found[1] if found else ""
    return word if code.strip() in (_look(word, several=False), _look(word, several=True)) else ""


def telling_words(question: str) -> list[str]:
    """The words that say what is asked about, each once, lower-case and in the singular.

    What the question quotes is a value, which may well be in no row, and what follows a blank line is
    background.
    """
    asked = _QUOTED.sub(" ", question.strip().partition("\n\n")[0])
    words = (_singular(word.lower()) for word in _WORD.findall(asked) if not _UNSPACED.search(word))
    return [word for word in dict.fromkeys(words) if word not in _ASKING]


def named(word: str, tables: Sequence[TableProfile]) -> bool:
    """Whether a column's name has a word that begins like this one."""
    stem = word[:-1] if word[-1] in "ey" else word
    names = (re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column.name) for table in tables for column in table.columns)
    return any(part.lower().startswith(stem) for name in names for part in re.findall(r"[^\W_]+", name))


def missing_word(
    execution: Execution, before: Sequence[str], question: str, tables: Sequence[TableProfile]
) -> str:
    """The word of the question that this step looked for in all names and cells in vain; "" if it did not.

    Args:
        before: The code of the steps before; one that changed a table makes a look say nothing of the file.
    """
    word = word_of(execution.code)
    in_vain = not execution.error and execution.stdout.strip() == "[]"
    if not word or not in_vain or execution.code.strip() != look(word, tables):
        return ""
    names = {"df", "tables", *(table.name for table in tables)}
    if (
        word not in telling_words(question)
        or named(word, tables)
        or any(_changes(code, names) for code in before)
    ):
        return ""
    return word


def said(evidence: Evidence) -> str:
    """What the step found out on which such an answer rests, as a sentence."""
    return f"Step {evidence.step} found no column whose name or cells have “{evidence.missing}”."


def _changes(code: str, tables: set[str]) -> bool:
    """Whether code binds a table's name anew, or changes one in place."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False  # it never ran
    for node in ast.walk(tree):
        match node:
            case ast.Name(ctx=ast.Store() | ast.Del(), id=name) if name in tables:
                return True
            case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                if _root(node) in tables:
                    return True
            case ast.Call(func=ast.Attribute(attr=method) as function, keywords=keywords):
                if any(keyword.arg == "inplace" for keyword in keywords):
                    return True
                if method in _IN_PLACE and _root(function) in tables:
                    return True
    return False


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
