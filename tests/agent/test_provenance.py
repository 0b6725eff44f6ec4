"""What was computed from the data counts as evidence; what the code merely says does not."""

import pytest

from agent.provenance import Provenance

COMPUTED = {
    "an expression": ("print(df.city.max())", "Oslo", "Oslo"),
    "a choice by a test on data": ('print("North" if df.a.max() > 1 else "South")', "North", "North"),
    "a branch taken by data": ('if df.a.max() > 3:\n    print("yes")\nelse:\n    print("no")', "yes", "yes"),
    "a list that is filled in a loop": (
        "r = []\nfor _, x in df.iterrows():\n    r.append(x.a)\nprint(r)",
        "[1, 2]",
        "[1, 2]",
    ),
    "a counter in a loop": ("n = 0\nfor x in df.a:\n    n += 1\nprint(n)", "3", "3"),
    "a function of ours": ("def show(x):\n    print(x)\nshow(df.a.max())", "3", "3"),
    "the last line's value": ('print("=" * 4)\ndf.a.max()', "====\n3", "====\n3"),
    "a query": ('print(sql("select 1 from df"))', "1", "1"),
    "a label beside a value": ('print("Best:", df.city.max())', "Best: Oslo", "Oslo"),
}
SAID = {
    "a literal": ('print("Oslo")', "Oslo"),
    "a constant by name": ('x = "Oslo"\nprint(f"It is {x} of {len(df)}")', "It is Oslo of 3"),
    "a table of the model's own": ('df = pd.DataFrame({"a": ["Oslo"]})\nprint(df.a.max())', "Oslo"),
    "a literal in a loop over data": ('for x in df.a:\n    print("Oslo")', "Oslo"),
    "a literal beside real output": ('print("Oslo")\nprint(df.shape)', "Oslo\n(3, 2)"),
}


@pytest.mark.parametrize("case", COMPUTED)
def test_computed_output_is_evidence(case):
    code, stdout, expected = COMPUTED[case]
    assert Provenance(["df"]).evidence(code, stdout).strip() == expected


@pytest.mark.parametrize("case", SAID)
def test_what_the_code_says_is_no_evidence(case):
    code, stdout = SAID[case]
    assert "Oslo" not in Provenance(["df"]).evidence(code, stdout)


def test_data_is_followed_from_step_to_step():
    provenance = Provenance(["df"])
    provenance.evidence("top = df.city.max()\nguess = 'Oslo'", "")
    assert provenance.evidence("print(top)", "Oslo") == "Oslo"
    assert provenance.evidence("print(guess)", "Oslo") == ""
