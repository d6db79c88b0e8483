"""data=hub: through the package `datasets`, here on local folders in the place of the hub."""

from pathlib import Path

import datasets
import pytest
from hydra import compose, initialize_config_dir

from prefens.core.errors import ConfigError, DataError
from prefens.data.load import load_pairs
from prefens.data.sources import HubSource
from prefens.runner.config import CONF_DIR, build
from tests.helpers.examples import make_pairs, write_csv
from tests.helpers.formats import FORMATS, format_bytes, verdicts


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))


def test_a_folder_of_csv_files_is_read_like_a_file(tmp_path: Path) -> None:
    pairs = make_pairs(20)
    (tmp_path / "data").mkdir()
    write_csv(tmp_path / "data" / "train.csv", pairs)
    found = HubSource(name=str(tmp_path / "data")).load().pairs
    for name in ("ids", "prompt", "response_a", "response_b", "label"):
        assert (getattr(found, name) == getattr(pairs, name)).all()


@pytest.mark.parametrize("name", ["arena in parts", "helpsteer", "skywork", "nectar"])
def test_any_format_by_the_settings_of_the_command(tmp_path: Path, name: str) -> None:
    _, table, pairs = FORMATS[name]
    (tmp_path / "votes").mkdir()
    (tmp_path / "votes" / "validation.parquet").write_bytes(format_bytes(table(pairs), "parquet"))
    overrides = ["data=hub", f"data.name={tmp_path}/votes", "data.split=validation"]
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        source: HubSource = build(compose("train", overrides=overrides).data)
    loaded = source.load()
    assert verdicts(loaded.pairs) == verdicts(pairs)
    assert [each.name for each in loaded.sources] == ["votes"]


def test_a_folder_that_datasets_saved(tmp_path: Path) -> None:
    _, table, pairs = FORMATS["arena"]
    frame = table(pairs)
    (tmp_path / "x.parquet").write_bytes(format_bytes(frame, "parquet"))
    expected = load_pairs(tmp_path / "x.parquet").pairs
    saved = datasets.Dataset.from_parquet(str(tmp_path / "x.parquet"), cache_dir=str(tmp_path / "cache"))
    saved.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": saved, "test": saved.select(range(3))}).save_to_disk(str(tmp_path / "two"))
    for name, split, rows in (("one", "train", 12), ("two", "train", 12), ("two", "test", 3)):
        found = HubSource(name=str(tmp_path / name), split=split).load().pairs
        assert found.ids.tolist() == expected.ids.tolist()[:rows]
    with pytest.raises(DataError, match="split 'none'"):
        HubSource(name=str(tmp_path / "two"), split="none").load()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(DataError, match="no/such-data") as caught:
        HubSource(name="no/such-data").load()
    assert "data.path=FILE" in caught.value.do
    with pytest.raises(ConfigError, match=r"data\.name is not set"):
        HubSource().load()
