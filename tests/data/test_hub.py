"""data=arena: through the package `datasets`, here on a local folder in the place of the hub."""

from pathlib import Path

import pytest

from prefens.core.errors import DataError
from prefens.data.sources import HubSource
from tests.helpers.examples import make_pairs, write_csv


def test_a_folder_of_csv_files_is_read_like_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    pairs = make_pairs(20)
    (tmp_path / "data").mkdir()
    write_csv(tmp_path / "data" / "train.csv", pairs)
    found = HubSource(name=str(tmp_path / "data")).load().pairs
    for name in ("ids", "prompt", "response_a", "response_b", "label"):
        assert (getattr(found, name) == getattr(pairs, name)).all()


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(DataError, match="no/such-data") as caught:
        HubSource(name="no/such-data").load()
    assert "data.path=FILE" in caught.value.do
