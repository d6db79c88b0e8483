"""The test file among a notebook's inputs: the competition's, whatever else is attached, or a refusal."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from prefens.core.errors import DataError
from prefens.inference.kaggle_inputs import choose_test, list_test_files
from tests.helpers.examples import make_pairs, write_csv
from tests.helpers.formats import wsdm


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder like /kaggle/input: the competition, a copy of it, another data set and a bundle."""
    folder = tmp_path / "input"
    for name in ("llm-classification-finetuning", "a-copy", "a-titanic", "bundle", "pairs/deep"):
        (folder / name).mkdir(parents=True)
        write_csv(folder / name / "test.csv", make_pairs(4), labelled=False)
    for name in ("llm-classification-finetuning", "a-copy"):
        (folder / name / "sample_submission.csv").write_text("id\n")
    (folder / "a-titanic" / "test.csv").write_text("PassengerId,Pclass\n1,3\n")
    (folder / "bundle" / "prefens-bundle.json").write_text("{}")
    return folder


def test_the_competitions_folder_goes_before_all_others(inputs: Path) -> None:
    files = list_test_files(inputs)
    assert [path.parent.relative_to(inputs).as_posix() for path in files] == [
        "a-copy", "a-titanic", "llm-classification-finetuning", "pairs/deep",
    ]  # fmt: skip
    assert choose_test(files) == inputs / "llm-classification-finetuning" / "test.csv"
    assert "PassengerId" not in files[inputs / "a-titanic" / "test.csv"]
    assert "lacks the columns id, prompt" in files[inputs / "a-titanic" / "test.csv"]


def test_links_are_followed_once(inputs: Path, tmp_path: Path) -> None:
    competition = inputs / "llm-classification-finetuning"
    competition.rename(tmp_path / "mounted")
    competition.symlink_to(tmp_path / "mounted")
    (tmp_path / "mounted" / "loop").symlink_to(inputs)
    (inputs / "z-alias").symlink_to(competition)
    shutil.rmtree(inputs / "pairs")
    (inputs / "pairs").mkdir()
    (inputs / "pairs" / "test.csv").symlink_to(competition / "test.csv")
    files = list_test_files(inputs)
    assert len(files) == 3
    assert choose_test(files) == competition / "test.csv"


def test_without_the_competition_the_surest_file_is_taken_and_a_doubt_refused(inputs: Path) -> None:
    shutil.rmtree(inputs / "llm-classification-finetuning")
    assert choose_test(list_test_files(inputs)).parent.name == "a-copy"
    (inputs / "a-copy" / "sample_submission.csv").unlink()
    with pytest.raises(DataError) as refused:
        choose_test(list_test_files(inputs))
    for name in (
        "a-copy/test.csv: pairs",
        "pairs/deep/test.csv: pairs",
        "a-titanic/test.csv: no test file",
        "set TEST",
    ):
        assert name in str(refused.value)
    shutil.rmtree(inputs / "a-copy")
    assert choose_test(list_test_files(inputs)).parent.name == "deep"


def test_two_competitions_or_no_pairs_are_refused(inputs: Path) -> None:
    shutil.copytree(inputs / "llm-classification-finetuning", inputs / "lmsys-chatbot-arena")
    with pytest.raises(DataError, match=r"lmsys-chatbot-arena/test\.csv: in the competition"):
        choose_test(list_test_files(inputs))
    with pytest.raises(DataError, match="1 file named"):
        choose_test(list_test_files(inputs / "a-titanic"))
    with pytest.raises(DataError, match=r"no file named test\.csv or test\.parquet"):
        choose_test({})


def test_the_other_competitions_parquet_file(inputs: Path, tmp_path: Path) -> None:
    shutil.rmtree(inputs / "llm-classification-finetuning")
    (tmp_path / "mounted").mkdir()
    (inputs / "wsdm-cup-multilingual-chatbot-arena").symlink_to(tmp_path / "mounted")
    wsdm(make_pairs(4)).drop(columns="winner").assign(scored=True).to_parquet(tmp_path / "mounted" / "test.parquet")
    (inputs / "a-titanic" / "test.parquet").write_bytes(b"PAR1 not really")
    files = list_test_files(inputs)
    assert choose_test(files) == inputs / "wsdm-cup-multilingual-chatbot-arena" / "test.parquet"
    assert "not readable" in files[inputs / "a-titanic" / "test.parquet"]
    pd.DataFrame({"PassengerId": [1]}).to_parquet(inputs / "a-titanic" / "test.parquet")
    assert "lacks the columns id, prompt" in list_test_files(inputs)[inputs / "a-titanic" / "test.parquet"]
