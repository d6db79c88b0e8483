"""What is written in another format is read as the same pairs."""

from pathlib import Path

import pytest

from prefens.core.errors import ConfigError
from prefens.core.types import Outcome, Pairs
from prefens.data.convert import convert
from prefens.data.folds import data_digest
from prefens.data.load import load_pairs
from prefens.data.loaded import MODEL
from tests.helpers.commands import prefens
from tests.helpers.examples import column, make_pairs
from tests.helpers.formats import FORMATS, arena, format_bytes, two_turns, verdicts


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_survives(tmp_path: Path, name: str) -> None:
    _, table, pairs = FORMATS[name]
    (tmp_path / "x").write_bytes(format_bytes(table(pairs), "parquet"))
    loaded = load_pairs(tmp_path / "x").pairs
    path, kept = convert(loaded, "one_hot", tmp_path)
    assert kept == len(pairs)
    assert data_digest(load_pairs(path).pairs) == data_digest(loaded)
    path, kept = convert(loaded, "trl", tmp_path)
    again = load_pairs(path).pairs
    assert verdicts(again) == {verdict for verdict in verdicts(pairs) if verdict[1] == "win"}
    assert kept == len(again) == (loaded.labels != Outcome.TIE).sum()
    assert {*again.ids} <= {*loaded.ids}


def test_models_and_shared_turns_survive(tmp_path: Path) -> None:
    pairs = two_turns(12, classes=2)
    same = Pairs(
        pairs.ids,
        pairs.prompt,
        column([("same", turns[1]) for turns in pairs.response_a]),
        column([("same", turns[1]) for turns in pairs.response_b]),
        pairs.label,
        pairs.model_a,
        pairs.model_b,
    )
    for each in (pairs, same):
        again = load_pairs(convert(each, "trl", tmp_path)[0]).pairs
        assert verdicts(again) == verdicts(each)
        winner = {id_: (a, b)[label] for id_, a, b, label in zip(*_models(each), strict=True)}
        assert {id_: (a, b)[label] for id_, a, b, label in zip(*_models(again), strict=True)} == winner
    again = load_pairs(convert(pairs, "one_hot", tmp_path)[0]).pairs
    assert all((getattr(again, name) == getattr(pairs, name)).all() for name in MODEL)


def _models(pairs: Pairs) -> tuple[object, ...]:
    return pairs.ids, pairs.model_a, pairs.model_b, pairs.labels.tolist()


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="out_format=parquet"):
        convert(make_pairs(5), "parquet", tmp_path)


def test_the_command_says_what_it_kept(tmp_path: Path) -> None:
    frame = arena(make_pairs(20))
    frame.loc[3, "winner"] = "nobody"
    frame.loc[4, "winner"] = "both_bad"
    frame.to_parquet(tmp_path / "a.parquet")
    frame[5:].to_parquet(tmp_path / "b.parquet")
    files = "data.path=[a.parquet,b.parquet]"
    said = prefens("convert", files, "data.both_bad=drop", "out=out", cwd=tmp_path)
    assert "18 pairs. Left out: 15 that several sources have, 1 both bad, 0 ties, 1 row that" in said.stdout
    assert "row 4 (id 1003) is left out: winner 'nobody'" in said.stderr
    assert len(load_pairs(tmp_path / "out" / "converted.csv").pairs) == 18
    refused = prefens("convert", files, "data.strict=true", cwd=tmp_path, fails=True)
    assert "1 of 20 rows can't be read" in refused.stderr
    assert "out_format=x" in prefens("convert", files, "out_format=x", cwd=tmp_path, fails=True).stderr
