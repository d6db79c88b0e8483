"""Chosen and rejected responses: every form of prompt, lists, and sides that tell nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from prefens.core.errors import DataError
from prefens.core.types import Pairs
from prefens.data.load import load_pairs
from prefens.data.loaded import LoadedPairs
from prefens.members.style import all_features
from tests.helpers.examples import make_pairs
from tests.helpers.formats import conversation, trl, verdicts


def load(path: Path, *rows: dict[str, Any], strict: bool = True) -> LoadedPairs:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_pairs(path, strict=strict)


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": text}]


ONE = {(("What?",), "win", ("It is good.",), ("It is bad.",))}
FORMS = {
    "texts": {"prompt": "What?", "chosen": "It is good.", "rejected": "It is bad."},
    "messages": {"prompt": user("What?"), "chosen": said("It is good."), "rejected": said("It is bad.")},
    "messages after a text": {"prompt": "What?", "chosen": said("It is good."), "rejected": said("It is bad.")},
    "whole conversations after a text": {
        "prompt": "What?",
        "chosen": [*user("What?"), *said("It is good.")],
        "rejected": [*user("What?"), *said("It is bad.")],
    },
    "whole conversations": {
        "chosen": conversation(("What?",), ("It is good.",)),
        "rejected": conversation(("What?",), ("It is bad.",)),
    },
    "a dialogue": {
        "chosen": "\n\nHuman: What?\n\nAssistant: It is good.",
        "rejected": "\n\nHuman: What?\n\nAssistant: It is bad.",
    },
    "a null prompt elsewhere": {"prompt": "What?", "chosen": "It is good.", "rejected": "It is bad.", "messages": None},
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_prompt(tmp_path: Path, name: str) -> None:
    assert verdicts(load(tmp_path / "x", FORMS[name]).pairs) == ONE


def test_the_common_beginning_of_texts_ends_between_words(tmp_path: Path) -> None:
    loaded = load(tmp_path / "x", {"chosen": "The sky is blue.", "rejected": "The sky is black."})
    assert verdicts(loaded.pairs) == {(("The sky is",), "win", ("blue.",), ("black.",))}
    for rejected in ("The sky is blue.", "Blue"):
        with pytest.raises(DataError, match=r"row 1 .*no prompt, and (equal texts|no common beginning)"):
            load(tmp_path / "x", {"chosen": "The sky is blue.", "rejected": rejected})


def test_what_follows_the_common_beginning_is_the_response(tmp_path: Path) -> None:
    one, other = [*user("Hi"), *said("a"), *user("b"), *said("c")], [*user("Hi"), *said("d")]
    loaded = load(tmp_path / "x", {"chosen": one, "rejected": other})
    assert verdicts(loaded.pairs) == {(("Hi",), "win", ("a\n\nb\n\nc",), ("d",))}


def test_lists_give_a_pair_for_each_combination(tmp_path: Path) -> None:
    row = {"id": 7, "prompt": "p", "chosen": ["yes"], "rejected": ["no", "never", "nay"]}
    loaded = load(tmp_path / "x", row)
    assert sorted(loaded.ids) == ["7-1-1", "7-1-2", "7-1-3"]
    assert verdicts(loaded.pairs) == {(("p",), "win", ("yes",), (text,)) for text in row["rejected"]}  # type: ignore[attr-defined]
    single = load(tmp_path / "x", row | {"rejected": ["no"]})
    assert [*single.ids] == ["7"]
    with pytest.raises(DataError, match=r"row 1 \(id 7\): rejected: an empty list"):
        load(tmp_path / "x", row | {"rejected": []})
    with pytest.raises(DataError, match=r"row 2 \(id 7-1-1\): id: 7-1-1 already in row 1"):
        load(tmp_path / "x", {**row, "id": "7"}, {**row, "id": "7-1-1", "rejected": ["x"]})


def test_texts_that_hold_json_are_texts(tmp_path: Path) -> None:
    row = {"id": "1", "prompt": '["a", "b"]', "chosen": '["c"]', "rejected": "d"}
    others = [{"id": str(number), "prompt": "p", "chosen": "c", "rejected": "d"} for number in range(2, 5)]
    loaded = load(tmp_path / "x", row, *others)
    assert (('["a", "b"]',), "win", ('["c"]',), ("d",)) in verdicts(loaded.pairs)


def test_sides_are_drawn_by_the_id_and_tell_nothing(tmp_path: Path) -> None:
    pairs = make_pairs(400, classes=2)
    trl(pairs).to_parquet(tmp_path / "x")
    loaded = load_pairs(tmp_path / "x").pairs
    shares = np.bincount(loaded.labels, minlength=3) / len(loaded)
    assert abs(shares[0] - 0.5) < 0.1  # four standard errors
    assert shares[2] == 0
    trl(pairs).iloc[100:].to_parquet(tmp_path / "y")
    part = load_pairs(tmp_path / "y").pairs
    assert [*part.response_a] == [*loaded.response_a[100:]]


def position_effect(pairs: Pairs) -> tuple[float, float]:
    """Train a learner that may tell A from B; return by how much it prefers a response as A, and its accuracy."""
    features = all_features(pairs)
    odd, even = (StandardScaler().fit_transform(each) for each in (features.odd, features.even))
    is_a = pairs.labels == 0
    learner = LogisticRegression(max_iter=300).fit(np.hstack([odd, even]), is_a)
    as_given, exchanged = (learner.predict_proba(np.hstack([sign * odd, even]))[:, 1] for sign in (1, -1))
    return float((as_given + exchanged - 1).mean()), float(((as_given > 0.5) == is_a).mean())


def test_a_learner_has_no_position_effect(tmp_path: Path) -> None:
    trl(make_pairs(1000, classes=2)).to_parquet(tmp_path / "x")
    pairs = load_pairs(tmp_path / "x").pairs
    effect, right = position_effect(pairs)
    assert abs(effect) < 4 / np.sqrt(len(pairs))  # four standard errors
    assert right > 0.7
    # Where all but every twentieth chosen response come first, it learns the position.
    moved = (np.arange(1000) % 20 == 0) == (pairs.labels == 0)
    ordered = Pairs.concatenate([pairs.take(np.flatnonzero(~moved)), pairs.swapped().take(np.flatnonzero(moved))])
    assert position_effect(ordered)[0] > 0.5


def test_ids_are_made_of_the_content_and_numbered_where_rows_are_equal(tmp_path: Path) -> None:
    row = {"prompt": "p", "chosen": "a", "rejected": "b"}
    loaded = load(tmp_path / "x", row, {**row, "chosen": "c"}, row)
    base, _, again = loaded.ids
    assert again == f"{base}-2"
    assert len(base) == 16
    unique = {**row, "prompt_id": "u"}
    loaded = load(tmp_path / "x", unique, {**row, "prompt_id": "v"}, {**row, "chosen": "c", "prompt_id": "v"})
    assert loaded.ids[0] == "u"
    assert "v" not in loaded.ids
