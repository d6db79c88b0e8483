"""Boosted trees from scikit-learn: the same bits, and files that are no trees are refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch
from sklearn.ensemble import HistGradientBoostingClassifier

from prefens.core.errors import StoreError
from prefens.core.types import Floats
from prefens.members.base import Context
from prefens.members.boosted_trees import BLOCK_ROWS, OF_NODES, BoostedTrees
from prefens.members.style import StyleMember, StyleModel, all_features
from tests.helpers.examples import make_pairs

Arrays = dict[str, np.ndarray]


def table(seed: int, rows: int, classes: int) -> tuple[Floats, np.ndarray]:
    """Return inputs with NaN and repeated values, and labels that depend on them and on what is missing."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(rows, 6))
    inputs[:, 1] = generator.integers(0, 4, rows)
    inputs[generator.random((rows, 6)) < 0.1] = np.nan
    score = np.nan_to_num(inputs[:, 0]) + np.isnan(inputs[:, 3]) * 2 + generator.normal(0, 0.3, rows)
    return inputs, np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))


def fitted(inputs: Floats, labels: np.ndarray, seed: int = 0, **settings: int) -> HistGradientBoostingClassifier:
    settings = {"max_iter": 12, "max_leaf_nodes": 6, "max_features": 0.5} | settings
    return HistGradientBoostingClassifier(early_stopping=False, random_state=seed, **settings).fit(inputs, labels)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_bits_are_those_of_scikit_learn(seed: int, classes: int, tmp_path: Path) -> None:
    booster = fitted(*table(seed, 600, classes), seed=seed, max_leaf_nodes=(2, 6, 31)[seed])
    BoostedTrees.from_sklearn(booster).save(tmp_path / "model.safetensors")
    trees = BoostedTrees.load(tmp_path / "model.safetensors")
    assert trees.missing_left.any()
    assert not trees.missing_left[~trees.is_leaf].all()
    fresh = table(seed + 100, 2 * BLOCK_ROWS + 7, classes)[0]
    fresh[::7, 0], fresh[::11, 2] = np.inf, -np.inf
    inner = np.flatnonzero(~trees.is_leaf)
    fresh[inner, trees.feature[inner]] = trees.threshold[inner]  # values that are equal to a threshold
    np.testing.assert_array_equal(trees.predict_proba(fresh), booster.predict_proba(fresh))
    np.testing.assert_array_equal(trees.predict_proba(fresh[:1]), booster.predict_proba(fresh[:1]))


def test_the_bits_on_style_features_are_those_of_scikit_learn() -> None:
    pairs = make_pairs(400)
    features = all_features(pairs)
    inputs = np.hstack([features.odd, features.even])
    booster = fitted(inputs, pairs.labels, min_samples_leaf=5)
    np.testing.assert_array_equal(
        BoostedTrees.from_sklearn(booster).predict_proba(inputs), booster.predict_proba(inputs)
    )


def test_one_class_is_certain() -> None:
    inputs, _ = table(0, 100, 3)
    trees = BoostedTrees.from_sklearn(fitted(inputs, np.full(100, 1)))
    np.testing.assert_array_equal(trees.predict_proba(inputs), np.ones((100, 1)))


def test_other_columns_than_those_of_the_training_are_refused() -> None:
    inputs, labels = table(0, 100, 3)
    with pytest.raises(StoreError, match="5 features"):
        BoostedTrees.from_sklearn(fitted(inputs, labels)).predict_proba(inputs[:, 1:])


def test_categories_are_refused() -> None:
    inputs = np.nan_to_num(table(0, 300, 3)[0])
    booster = HistGradientBoostingClassifier(max_iter=3, categorical_features=[1]).fit(inputs[:, :2], inputs[:, 1])
    with pytest.raises(ValueError, match="categories"):
        BoostedTrees.from_sklearn(booster)


def root(name: str, value: float) -> Callable[[Arrays], Arrays]:
    """Return the damage of one value of the first node."""
    return lambda arrays: {name: np.array([value, *arrays[name][1:]], arrays[name].dtype)}


DAMAGES: dict[str, Callable[[Arrays], Arrays]] = {
    "a root that is its own child": root("left", 0),
    "a child before the tree": root("left", -1),
    "a child after the tree": root("right", 10**9),
    "two equal children": lambda arrays: {"right": arrays["left"]},
    "children in a circle": lambda arrays: {"left": np.where(np.arange(len(arrays["left"])) == 1, 0, arrays["left"])},
    "a circle beside a leaf": lambda arrays: (
        {name: arrays[name][:9] for name in OF_NODES}
        | {"is_leaf": np.tile([True, False, True], 3), "offsets": np.arange(0, 10, 3)}
        | {"left": np.tile([0, 1, 0], 3), "right": np.tile([0, 2, 0], 3)}
    ),
    "a feature after the last": root("feature", 6),
    "a negative feature": root("feature", -1),
    "a value that is NaN": root("value", np.nan),
    "a value that is infinite": root("value", np.inf),
    "a threshold that is NaN": root("threshold", np.nan),
    "a baseline that is infinite": root("baseline", np.inf),
    "a baseline too few": lambda arrays: {"baseline": arrays["baseline"][1:]},
    "a leaf that has no parent": lambda arrays: {"is_leaf": np.ones_like(arrays["is_leaf"])},
    "nothing but inner nodes": lambda arrays: {"is_leaf": np.zeros_like(arrays["is_leaf"])},
    "a node too few": lambda arrays: {"value": arrays["value"][1:]},
    "two trees as one": lambda arrays: {"offsets": np.delete(arrays["offsets"], 1)},
    "one tree of three": lambda arrays: (
        {name: arrays[name][: arrays["offsets"][1]] for name in OF_NODES} | {"offsets": arrays["offsets"][:2]}
    ),
    "trees without nodes": lambda arrays: {"offsets": np.append([0, 0, 0], arrays["offsets"])},
    "no offsets": lambda arrays: {"offsets": arrays["offsets"][:0]},
    "a node before the first tree": lambda arrays: (
        {name: np.append(arrays[name][:1], arrays[name]) for name in OF_NODES} | {"offsets": arrays["offsets"] + 1}
    ),
    "a node after the last tree": lambda arrays: {
        name: np.append(arrays[name], arrays[name][-1:]) for name in OF_NODES
    },
    "offsets beyond the nodes": lambda arrays: {"offsets": arrays["offsets"] * 2},
    "offsets that go down": lambda arrays: {"offsets": arrays["offsets"][[0, 2, 1, *range(3, len(arrays["offsets"]))]]},
    "an unknown outcome": lambda arrays: {"classes": np.array([0, 1, 3])},
    "an outcome twice": lambda arrays: {"classes": np.array([0, 1, 1])},
    "no outcomes": lambda arrays: {"classes": np.zeros(0, np.int64), "baseline": np.zeros(1)},
    "two numbers of features": lambda arrays: {"n_features": np.array([6, 6])},
    "thresholds of 32 bits": lambda arrays: {"threshold": arrays["threshold"].astype(np.float32)},
    "unsigned children": lambda arrays: {"left": arrays["left"].astype(np.uint64)},
    "numbers for truth values": lambda arrays: {"is_leaf": arrays["is_leaf"].astype(np.int64)},
    "a table of features": lambda arrays: {"feature": arrays["feature"][:, None]},
    "one array more": lambda arrays: {"more": arrays["value"]},
}


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    path = tmp_path_factory.mktemp("trees") / "model.safetensors"
    BoostedTrees.from_sklearn(fitted(*table(0, 300, 3))).save(path)
    content: Arrays = load_file(path)
    return content


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_tree_is_refused(damage: str, arrays: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(arrays, path)
    BoostedTrees.load(path)
    save_file({name: np.ascontiguousarray(each) for name, each in (arrays | DAMAGES[damage](arrays)).items()}, path)
    with pytest.raises(StoreError) as caught:
        BoostedTrees.load(path)
    assert str(path) in caught.value.came
    assert caught.value.do == "train the member again"


def test_other_files_are_refused(arrays: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(StoreError, match="train the member again"):
        BoostedTrees.load(path)
    path.write_bytes(b"no tensors")
    with pytest.raises(StoreError, match="train the member again"):
        BoostedTrees.load(path)
    save_file({name: array for name, array in arrays.items() if name != "offsets"}, path)
    with pytest.raises(StoreError, match="offsets is missing"):
        BoostedTrees.load(path)
    for dtype in (torch.bfloat16, torch.float8_e4m3fn):  # which numpy lacks
        save_torch({name: torch.zeros(1).to(dtype) for name in arrays}, path)
        with pytest.raises(StoreError, match="train the member again"):
            BoostedTrees.load(path)


def test_an_estimator_in_the_folder_is_not_read(tmp_path: Path) -> None:
    """Earlier models were files of scikit-learn objects, whose loading could call anything."""
    train = make_pairs(60)
    member = StyleMember("style", StyleModel.boosting, rounds=3, min_rows=5)
    member.fit(train, None, Context(seed=7, inner=(np.arange(60) % 5).astype(np.int8)))
    member.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"settings.json", "model.safetensors"}
    (tmp_path / "model.skops").mkdir()  # opening it would fail
    np.testing.assert_array_equal(StyleMember.load(tmp_path).predict_proba(train), member.predict_proba(train))
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(StoreError, match="train the member again"):
        StyleMember.load(tmp_path)
