"""Odd rows of every format are read or refused by row, never misread and never a crash."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefens.core.errors import DataError
from prefens.data.load import load_pairs
from prefens.data.loaded import TEXT

TEXTS = st.sampled_from(
    ["", "a b", "a c", '["a"]', '[{"role": "user"}]', "null", "[", "\n\nHuman: x\n\nAssistant: y", "é\0"]
)
CONTENTS = (
    st.none() | TEXTS | st.lists(TEXTS | st.fixed_dictionaries({"type": st.just("image")}) | st.none(), max_size=2)
)
ROLES = st.sampled_from(["user", "assistant", "system", "tool", "poet"])
MESSAGES = st.lists(st.fixed_dictionaries({"role": ROLES, "content": CONTENTS}), max_size=4)
CELLS = st.none() | TEXTS | MESSAGES | st.lists(TEXTS, max_size=3) | st.lists(MESSAGES, max_size=2) | st.integers(-3, 3)
LABELS = st.sampled_from(["model_a", "B", "A>B", "tie (bothbad)", "", 1, None])
GRADES = st.sampled_from([-2, 0, 3.5, None, True, "1", "x"])
IDS = st.sampled_from(["1", "2", "7-1-1", 7, None])
ANSWERS = st.none() | st.lists(st.fixed_dictionaries({"answer": CELLS, "rank": GRADES}), max_size=3)
SCHEMAS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "winner": {"prompt": CELLS, "response_1": CELLS, "response_2": CELLS, "winner": LABELS, "question_id": IDS},
    "conversations": {"conversation_a": CELLS, "conversation_b": CELLS, "winner": LABELS, "id": IDS},
    "chosen": {"prompt": CELLS, "chosen": CELLS, "rejected": CELLS, "id": IDS},
    "implicit": {"chosen": CELLS, "rejected": CELLS, "language": TEXTS},
    "scores": {"prompt": CELLS, "chosen": CELLS, "rejected": CELLS, "score_chosen": GRADES, "score_rejected": GRADES},
    "preference": {"context": CELLS, "response1": CELLS, "response2": CELLS, "overall_preference": GRADES},
    "ranks": {"prompt": CELLS, "answers": ANSWERS},
}


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("labelled", [True, False])
@given(st.data())
@settings(max_examples=60)
def test_any_row_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, schema: str, labelled: bool, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("odd") / "x.jsonl"
    rows = data.draw(st.lists(st.fixed_dictionaries(SCHEMAS[schema]), min_size=1, max_size=4))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    try:
        loaded = load_pairs(path, labelled, strict=False)
    except DataError:  # no row can be read
        with pytest.raises(DataError, match=f"of {len(rows)} rows? can't be read"):
            load_pairs(path, labelled, strict=True)
        return
    pairs = loaded.pairs
    assert len({*pairs.ids}) == len(pairs) > 0
    assert (pairs.label is None) is not labelled
    assert loaded.ids[loaded.rows].tolist() == pairs.ids.tolist()
    assert not {*loaded.problems} & {*loaded.rows.tolist()}
    assert len(loaded.ids) == len(loaded.rows) + len(loaded.problems)
    for texts in zip(*(getattr(pairs, name) for name in TEXT), strict=True):
        assert len({len(turns) for turns in texts}) == 1
        assert all(turns and all(isinstance(turn, str) for turn in turns) for turns in texts)
