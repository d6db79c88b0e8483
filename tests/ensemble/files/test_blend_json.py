"""A blend.json of any origin: what it says is checked field by field, and the refusal names the file."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prefens.core.errors import StoreError
from prefens.ensemble.blend import make_blend
from prefens.ensemble.calibration import KINDS
from prefens.ensemble.files.blend_files import describe
from prefens.ensemble.files.blend_json import read_json
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.registry import BLENDERS, restore
from tests.helpers.examples import random_stack

STACK = random_stack(2, 120, seed=3)
CONTENT: Any = describe(
    make_blend(BlendInputs(STACK.folds, STACK, None, None), [kind() for kind in BLENDERS], [*KINDS.values()], 10)
)
VALUES = [None, "x", float("inf"), float("nan"), -1, 0, 1e308, 10**400, True, [], [0.5], [[1.0, 2.0]], {}, {"base": {}}]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value in JSON, but for those in long lists."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for name, part in items:
        yield from places(part, (*path, name))


def changed(path: tuple[Any, ...], value: Any) -> Any:
    """Return the content with another value at a place; deleted where it is ..."""
    content = copy.deepcopy(CONTENT)
    *way, last = path
    parent = content
    for name in way:
        parent = parent[name]
    if value is ...:
        del parent[last]
    else:
        parent[last] = value
    return content


PLACES = [place for place in places(CONTENT) if place[0] != "methods" or len(place) < 2 or place[1] == 0]
PLACES += [place for place in places(CONTENT) if place[:1] == ("methods",) and "state" in place and place[1] > 0]


def check(file: Path) -> bool:
    """Whether a file is refused, by its name; each method of one that is not gives finite probabilities."""
    message = None
    try:
        content = read_json(file)
    except StoreError as error:
        message = str(error)
    if message is not None:
        assert str(file) in message
        assert len(message) < 3000
        return True
    rows = np.full((len(content.members), 5, 3), 1 / 3)
    for entry in content.methods:
        blender = restore(entry.state)
        if not blender.wants_features:
            np.testing.assert_allclose(blender.predict(rows).sum(axis=1), 1.0, atol=1e-6)
            assert blender.used.shape == (len(content.members),)
    return False


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "blend.json"
    file.write_text(json.dumps(CONTENT))
    assert not check(file)


@pytest.mark.parametrize("value", [..., *VALUES], ids=repr)
def test_whatever_is_changed_is_refused_by_name_or_predicts(tmp_path: Path, value: Any) -> None:
    refused = 0
    for number, place in enumerate(PLACES):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(changed(place, value)))
        refused += check(file)
    assert refused > len(PLACES) / 3


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", "[" * 100_000, '{"best":' * 100_000, "\xff"], ids=lambda t: t[:9]
)
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "blend.json"
    file.write_bytes(text.encode("latin1"))
    assert check(file)


@pytest.mark.parametrize("name", ["members", "methods"])
def test_names_that_are_there_twice_are_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "blend.json"
    file.write_text(json.dumps({**CONTENT, name: [*CONTENT[name], CONTENT[name][0]]}))
    assert check(file)


@pytest.mark.parametrize("method", ["os.system", "prefens.ensemble.soft_vote.SoftVote", "__class__", "base"])
def test_a_method_is_a_registered_word(tmp_path: Path, method: str) -> None:
    content = changed(("methods", 0, "state", "method"), method)
    file = tmp_path / "blend.json"
    file.write_text(json.dumps(content))
    with pytest.raises(StoreError, match="one of soft_vote"):
        read_json(file)


def across_sources(*coefficients: float) -> Any:
    """Return the content with a method that is calibrated across sources."""
    entry = CONTENT["methods"][0]
    state = {"base": entry["state"], "calibration": "sources", "coefficients": [*coefficients]}
    return CONTENT | {"methods": [entry | {"method": "soft_vote+sources", "state": state}], "best": "soft_vote+sources"}


TWO = copy.deepcopy(CONTENT["methods"][0]["state"]) | {"outcomes": 2}
ABSURD = {
    "power that exchanges A and B": (across_sources(-1.0, 0.0), "state.coefficients"),
    "power that no fit reaches": (across_sources(1e3, 0.0), "state.coefficients"),
    "factor that no fit reaches": (across_sources(1.0, -1e3), "state.coefficients"),
    "ties alone": (CONTENT | {"tie_weight": 1e300}, "tie_weight"),
    "no ties": (CONTENT | {"tie_weight": 1e-300}, "tie_weight"),
    "accuracy": (CONTENT | {"decided_accuracy": 1.5}, "decided_accuracy"),
    "outcomes of one method": (changed(("methods", 0, "state"), TWO), "methods of 2 and of 3 outcomes"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_what_no_fit_gives_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "blend.json"
    content, message = ABSURD[name]
    file.write_text(json.dumps(content))
    with pytest.raises(StoreError, match=f"{file}: .*{message}"):
        read_json(file)
    file.write_text(json.dumps(across_sources(0.0, 3.0)))
    assert read_json(file).best == "soft_vote+sources"
