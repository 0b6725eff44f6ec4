"""Which replies of a conversation are learned, and the files that they are kept in."""

import pytest

from training import samples
from training.samples import Sample

WHO, REX = "Who is the heaviest?", "print(df.loc[df['Weight (kg)'].idxmax(), 'Name'])"
ANSWER = "Answer: Rex\nSummary: Rex is the heaviest."


def made(*dialog, skip=0):
    return samples.from_dialog(
        dialog, source="own", family="f", answer_type="category", tables_sha256=["a"], model="m", skip=skip
    )


def texts(sample):
    return [sample.messages[index]["content"] for index in sample.trained]


def test_all_replies_of_a_clean_episode_are_learned_and_the_worked_example_is_not(play):
    sample = made(play(WHO, REX, ANSWER))
    assert texts(sample) == [f"```python\n{REX}\n```", ANSWER]
    assert {sample.messages[index]["role"] for index in sample.trained} == {"assistant"}
    assert sample.trained[-1] == len(sample.messages) - 1


@pytest.mark.parametrize(
    "slip", ["print(df['Nme'])", "x = 1", "Answer: Rex", "I think it is Rex. Answer: Rex"]
)
def test_what_came_to_nothing_and_all_before_it_is_context_only(play, slip):
    sample = made(play(WHO, slip, REX, ANSWER))
    assert texts(sample) == [f"```python\n{REX}\n```", ANSWER]
    assert sample.messages[sample.trained[0] - 2]["role"] == "assistant"


def test_the_first_replies_can_be_left_out_whatever_came_of_them(play):
    assert texts(made(play(WHO, "print(df.columns.tolist())", REX, ANSWER), skip=1))[0].endswith(
        f"{REX}\n```"
    )


def test_a_set_is_read_as_it_was_written(play, tmp_path):
    of_train = [made(play(WHO, REX, ANSWER)), made(play(WHO, "x = 1", REX, ANSWER))]
    samples.write(tmp_path, "train", of_train)
    assert samples.read(tmp_path, "train") == of_train
    assert len({sample.id for sample in of_train}) == 2
    assert not list(tmp_path.glob("*.draft"))


def test_a_missing_or_damaged_file_is_told_with_its_place(tmp_path):
    with pytest.raises(ValueError, match="holds no validation.jsonl: build the set"):
        samples.read(tmp_path, "validation")
    samples.write(tmp_path, "train", [])
    (tmp_path / "train.jsonl").write_text('{"id": "x"}\n')
    with pytest.raises(ValueError, match="train.jsonl:1: not a sample .*missing"):
        samples.read(tmp_path, "train")
    assert isinstance(Sample("i", "own", "f", "number", (), (), (), "m", 1), Sample)


def of(source, *tables):
    return Sample(source + "".join(tables), source, "f", "number", (), (), tables, "m", 1)


def test_with_a_source_goes_what_was_derived_from_its_tables():
    own, wtq = of("own", "a"), of("wtq", "b")
    from_own, from_wtq, shape = of("recovery", "a"), of("recovery", "b"), of("shape", "a", "c")
    whole = [own, wtq, from_own, from_wtq, shape]
    assert samples.without(whole, ["own"]) == [wtq, from_wtq]
    assert samples.without(whole, ["recovery"]) == [own, wtq, shape]
    assert samples.without(whole, []) == whole


@pytest.mark.parametrize(("sources", "reason"), [(["owm"], "no samples of owm"), (["own"], "is empty")])
def test_a_source_that_is_not_there_or_the_only_one_cannot_be_left_out(sources, reason):
    with pytest.raises(ValueError, match=reason):
        samples.without([of("own", "a"), of("recovery", "a")], sources)
