"""What is unpacked stays within a bound that the message states."""

import gzip
import lzma
from pathlib import Path

import pytest

from prefens.core.errors import DataError
from prefens.data.raw import read_table, unpack
from tests.helpers.tables import zip_bytes

MIB = 1 << 20


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zip_bytes])
def test_a_bomb_stops_at_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(unpack, "FREE_BYTES", 8 * MIB)
    path = tmp_path / "train.csv.gz"
    path.write_bytes(pack(b"id\n" + b"1" * (8 * MIB - 3)))
    assert read_table(path, ("id",), ()).rows == 1
    path.write_bytes(pack(b"id\n" + b"1" * (8 * MIB - 2)))
    stated = r"train\.csv\.gz: (gzip|xz|zip) of 0\.0 MiB that unpacks to more than 8 MiB"
    with pytest.raises(DataError, match=stated) as error:
        read_table(path, ("id",), ())
    assert "at most 8 MiB, or 50 times its size and 4 GiB" in str(error.value)
    assert "unpack it yourself" in error.value.do


def test_a_large_file_may_unpack_to_many_times_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "FREE_BYTES", 100)
    path = tmp_path / "train.csv.gz"
    path.write_bytes(gzip.compress(b"id\n" + b"".join(b"%d\n" % row for row in range(9999))))
    assert read_table(path, ("id",), ()).rows == 9999


def test_layers_have_a_bound_too(tmp_path: Path) -> None:
    content = b"id\n1\n"
    for _ in range(4):
        content = gzip.compress(content)
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(DataError, match="compressed more than 3 times"):
        read_table(tmp_path / "x.gz", ("id",), ())
