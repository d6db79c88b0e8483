"""Gathering: files and stored members meet on one data set, by id, wherever labels and folds are from."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir

from prefens.core.errors import ConfigError, StoreError
from prefens.core.types import Pairs
from prefens.data.folds import FoldSettings, make_folds, split_rows
from prefens.data.labels import read_labels
from prefens.ensemble.inputs import BlendInputs
from prefens.runner import config
from prefens.runner.blend.inputs import load_blend_inputs
from prefens.runner.blend.sources import parse_sources
from prefens.runner.import_member import import_member
from prefens.store.external import ExternalMember
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import folds_of, write_csv, write_labels, write_probabilities

VALUES = np.random.default_rng(0).dirichlet(np.ones(3), size=(2, 60))


def gathered(*overrides: str) -> BlendInputs:
    with initialize_config_dir(str(config.CONF_DIR), version_base="1.3"):
        settings: Any = compose("blend", overrides=["tracking=none", *overrides])
    return load_blend_inputs(parse_sources(settings, Path(settings.tracking.root)))


@pytest.fixture
def files(tmp_path: Path, pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    """m1.csv, m2.parquet in another order, labels.csv and train.csv in the working directory."""
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "train.csv", pairs)
    write_labels(tmp_path / "labels.csv", pairs)
    write_probabilities(tmp_path / "m1.csv", pairs.ids, VALUES[0])
    write_probabilities(tmp_path / "m2.parquet", pairs.ids[::-1], VALUES[1, ::-1])


def stored(pairs: Pairs, **settings: float) -> SplitStore:
    return OOFStore(Path("runs")).put_folds(folds_of(pairs, **settings))


@pytest.mark.usefixtures("files")
def test_files_and_labels_need_no_store(pairs: Pairs) -> None:
    stored(pairs)
    found = gathered("members=[m1.csv,m2.parquet]", "labels=labels.csv", "folds.k=3", "folds.seed=4")
    expected = split_rows(read_labels(Path("labels.csv")), FoldSettings(k=3, seed=4))
    assert (found.split, found.folds.digest) == (None, expected.digest)
    assert [info.name for info in found.stack.members] == ["m1", "m2"]
    np.testing.assert_array_equal(found.stack.probabilities, VALUES)


@pytest.mark.usefixtures("files")
def test_folds_of_files_alone_come_from_the_store_or_the_data(pairs: Pairs) -> None:
    with pytest.raises(ConfigError, match=r"labels=labels.csv .* or data.path=train.csv"):
        gathered("members=[m1.csv]")
    made = gathered("members=[m1.csv]", "data.path=train.csv")
    assert (made.split, made.folds.digest) == (None, make_folds(pairs, FoldSettings()).digest)
    split = stored(pairs, seed=3)
    for arguments in ([], ["data.path=train.csv"]):
        found = gathered("members=[m1.csv]", *arguments)
        assert found.split is not None
        assert found.split.path == split.path
        assert found.folds.digest == split.folds.digest
    stored(pairs, seed=4)
    with pytest.raises(StoreError, match="fold_digest="):
        gathered("members=[m1.csv]")
    assert gathered("members=[m1.csv]", f"fold_digest={split.folds.digest[:8]}").folds.digest == split.folds.digest


@pytest.mark.usefixtures("files")
def test_data_that_the_store_lacks_gets_its_own_folds(pairs: Pairs) -> None:
    stored(pairs.take(np.arange(40)))
    found = gathered("members=[m1.csv]", "data.path=train.csv")
    assert (found.split, found.folds.digest) == (None, make_folds(pairs, FoldSettings()).digest)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("source", ["labels=labels.csv", "data.path=train.csv"])
def test_folds_come_from_a_file(pairs: Pairs, source: str) -> None:
    stored(pairs)
    pd.DataFrame({"id": pairs.ids, "fold": np.arange(60) % 4}).to_csv("folds.csv", index=False)
    found = gathered("members=[m1.csv]", source, "fold_file=folds.csv")
    assert (found.folds.fold == np.arange(60) % 4).all()
    with pytest.raises(ConfigError, match="fold_file"):
        gathered("members=[m1.csv]", "fold_file=folds.csv")


@pytest.mark.usefixtures("files")
def test_fold_settings_that_would_count_for_nothing_are_refused(pairs: Pairs) -> None:
    split = stored(pairs, seed=3)
    for members in ("members=[m1.csv]", "members=[]"):
        with pytest.raises(ConfigError, match=r"folds.k=3, folds.seed=0(.|\n)*folds.k=5(.|\n)*folds.seed=3"):
            gathered(members, "folds.k=3", "folds.seed=0", "folds.holdout=0")
        with pytest.raises(ConfigError, match=r"folds.scheme=stratified,"):
            gathered(members, "folds=stratified")
        with pytest.raises(ConfigError, match="inner"):
            gathered(members, "+folds.inner=4")
    assert gathered("members=[m1.csv]", "folds.k=5", "folds.seed=3").folds.digest == split.folds.digest
    pd.DataFrame({"id": pairs.ids, "fold": np.arange(60) % 4}).to_csv("folds.csv", index=False)
    with pytest.raises(ConfigError, match=r"fold_file= with folds\.k=4"):
        gathered("members=[m1.csv]", "labels=labels.csv", "fold_file=folds.csv", "folds.k=4")


@pytest.mark.usefixtures("files")
def test_each_file_may_have_its_own_columns(pairs: Pairs) -> None:
    for name, values in zip("xy", VALUES, strict=True):
        write_probabilities(Path(f"{name}.csv"), pairs.ids, values, [f"{name}{place}" for place in range(3)])
    own = [f"{name}: {{a_wins: {name}0, b_wins: {name}1, tie: {name}2}}" for name in "xy"]
    found = gathered("members=[x.csv,y.csv,m1.csv]", "labels=labels.csv", f"columns={{{', '.join(own)}}}")
    np.testing.assert_array_equal(found.stack.probabilities, VALUES[[0, 1, 0]])
    with pytest.raises(ConfigError, match=r"columns= for z(.|\n)*x, y"):
        gathered("members=[x.csv,y.csv]", "labels=labels.csv", "columns={z: {a_wins: x0}}")
    with pytest.raises(ConfigError, match="columns="):
        gathered("members=[x.csv]", "labels=labels.csv", "columns={x: {a_wins: x0}, id: key}")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("holdout", [0.0, 0.2])
def test_an_imported_member_blends_as_its_file(pairs: Pairs, holdout: float) -> None:
    split = stored(pairs, holdout=holdout)
    for name, values in zip(("s1", "s2"), VALUES, strict=True):
        import_member(split, NoTracker(), ExternalMember(name, "d", pairs.ids, values))
    whole = gathered()
    mixed = gathered("members=[s1,m2.parquet]")
    assert [info.name for info in mixed.stack.members] == ["s1", "m2"]
    np.testing.assert_array_equal(mixed.stack.probabilities, whole.stack.probabilities)
    assert (whole.holdout is not None) == (holdout > 0)
    if whole.holdout is not None and mixed.holdout is not None:
        np.testing.assert_allclose(mixed.holdout.probabilities, whole.holdout.probabilities)


@pytest.mark.usefixtures("files")
def test_partial_files_blend_on_the_common_rows_if_asked(pairs: Pairs, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    split = stored(pairs)
    import_member(split, NoTracker(), ExternalMember("s1", "d", pairs.ids, VALUES[0]))
    write_probabilities(Path("half.csv"), pairs.ids[10:50], VALUES[1, 10:50])
    with pytest.raises(StoreError, match="member half: 20 of 60 ids missing"):
        gathered("members=[s1,half.csv]")
    found = gathered("members=[s1,half.csv]", "partial=true")
    assert "blending on 40 of 60 rows" in caplog.text
    assert found.stack.folds.ids.tolist() == pairs.ids[10:50].tolist()
    np.testing.assert_array_equal(found.stack.probabilities, VALUES[:, 10:50])
    assert found.folds.digest == split.folds.digest


@pytest.mark.usefixtures("files")
def test_a_mapping_names_members_and_suffixes_tell_nothing(pairs: Pairs) -> None:
    for name, values in zip(("bert", "roberta"), VALUES, strict=True):
        Path(name).mkdir()
        path = write_probabilities(Path(name) / "oof.csv", pairs.ids, values)
        Path(f"{name}.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
        Path(f"{name}-oof").write_bytes(path.read_bytes())
    mapped = gathered("members={bert: bert/oof.csv, roberta: roberta/oof.csv}", "labels=labels.csv")
    assert [info.name for info in mapped.stack.members] == ["bert", "roberta"]
    for files in ("[bert.csv.gz,roberta.csv.gz]", "[bert-oof,roberta-oof]"):
        listed = gathered(f"members={files}", "labels=labels.csv")
        np.testing.assert_array_equal(listed.stack.probabilities, mapped.stack.probabilities)
    assert [info.name for info in gathered("members=bert.csv.gz", "labels=labels.csv").stack.members] == ["bert"]
    own = "columns={bert: {id: key}}"
    pd.read_csv("bert/oof.csv").rename(columns={"id": "key"}).to_csv("bert/oof.csv", index=False)
    again = gathered("members={bert: bert/oof.csv, roberta: roberta/oof.csv}", own, "labels=labels.csv")
    np.testing.assert_array_equal(again.stack.probabilities, mapped.stack.probabilities)


@pytest.mark.usefixtures("files")
def test_ids_that_one_program_wrote_as_floats_match() -> None:
    frame = pd.read_csv("m1.csv")
    frame.assign(id=frame.id.astype(float)).to_csv("floats.csv", index=False)
    assert "1000.0" in Path("floats.csv").read_text()
    found = gathered("members=[m1.csv,floats.csv]", "labels=labels.csv")
    np.testing.assert_array_equal(*found.stack.probabilities)


@pytest.mark.usefixtures("files")
def test_a_file_of_too_few_labels_is_named(pairs: Pairs) -> None:
    write_labels(Path("labels.csv"), pairs.take(np.arange(2)))
    with pytest.raises(ConfigError, match=r"labels\.csv: 2 pairs"):
        gathered("members=[m1.csv]", "labels=labels.csv")


@pytest.mark.usefixtures("files")
def test_contradictions_are_told(pairs: Pairs) -> None:
    stored(pairs)
    Path("other").mkdir()
    write_probabilities(Path("other/m1.csv"), pairs.ids, VALUES[0])
    for arguments, message in (
        (["members=[m1.csv,other/m1.csv]"], "two members are called m1"),
        (["members=[m1.csv,m1]"], "two members are called m1"),
        (["members=[[m1.csv]]"], "members="),
        (["members={m1: [m1.csv]}"], "members="),
        (["members=[m1.csv,tfidf]", "labels=labels.csv"], "labels="),
        (["labels=labels.csv"], "labels="),
    ):
        with pytest.raises(ConfigError, match=message):
            gathered(*arguments)
    with pytest.raises(StoreError, match=r"no member m1(.|\n)*\.parquet"):
        gathered("members=[m1]")


@pytest.mark.usefixtures("files")
def test_external_members_are_blended_by_source(tmp_path: Path, pairs: Pairs) -> None:
    for name, rows in (("a", np.arange(40)), ("b", np.arange(40, 60))):
        write_csv(tmp_path / f"{name}.csv", pairs.take(rows))
    inputs = gathered("members=[m1.csv,m2.parquet]", "data.path=[a.csv,b.csv]", "folds.scheme=source")
    assert inputs.folds.settings["sources"] == ["a", "b"]
    assert np.bincount(inputs.stack.folds.fold).tolist() == [40, 20]
    for settings, message in (("labels=labels.csv", "none is named"), ("data.path=train.csv", "of 1 source: train")):
        with pytest.raises(ConfigError, match=message):
            gathered("members=[m1.csv]", settings, "folds.scheme=source")
    with pytest.raises(ConfigError, match=r"folds\.k=2 with folds\.scheme=source"):
        gathered("members=[m1.csv]", "data.path=[a.csv,b.csv]", "folds.scheme=source", "folds.k=2")


@pytest.mark.usefixtures("files")
def test_settings_of_folds_choose_among_splits(pairs: Pairs) -> None:
    for k in (3, 4):
        split = stored(pairs, k=k)
        import_member(split, NoTracker(), ExternalMember.of("m", pairs.ids, VALUES[0]))
    assert gathered("folds.k=4").folds.k == 4
    with pytest.raises(StoreError, match="2 combinations"):
        gathered("folds.seed=0")
    with pytest.raises(StoreError, match="2 combinations"):
        gathered("folds.k=5")
