"""Before a job: where its results go."""

from pathlib import Path

import pytest

from prefens.core.errors import ConfigError
from prefens.core.files import check_folder
from tests.helpers.commands import prefens


def test_a_file_in_a_folder_s_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (None, tmp_path, tmp_path / "new" / "below"):
        check_folder(folder and str(folder), "out")
    assert not (tmp_path / "new").exists()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=f"out={folder}: {tmp_path}/file is a file"):
            check_folder(str(folder), "out")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["blend", "predict", "report", "kaggle"])
def test_a_command_names_it_before_it_works(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    for setting in ("out", "tracking.root"):
        done = prefens(command, f"{setting}=file", cwd=tmp_path, fails=True)
        assert f"{setting}=file: {tmp_path}/file is a file" in done.stderr
        assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
