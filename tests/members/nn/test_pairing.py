"""A second order where the first leaves it open, from the command line to the submission."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prefens.core.types import SWAP, Floats, Pairs
from prefens.members.encoder import EncoderMember
from tests.helpers.commands import COLUMNS, prefens
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import make_pairs, write_csv

BELOW = 0.02


def submission(folder: Path, pairs: Pairs, name: str) -> Floats:
    """Return what `python -m prefens.predict` writes for pairs."""
    write_csv(folder / f"{name}.csv", pairs, labelled=False)
    prefens("predict", f"data.path={name}.csv", "backbones=models", f"out={name}", cwd=folder)
    return pd.read_csv(folder / name / "submission.csv")[COLUMNS[1:]].to_numpy()


@pytest.mark.slow
def test_predict_reads_a_second_order_where_the_first_leaves_it_open_and_stays_symmetric(tmp_path: Path) -> None:
    make_tiny_decoder("llama", tmp_path / "models" / "llama")
    write_csv(tmp_path / "train.csv", make_pairs(40))
    settings = ["text.max_length=96", "training.batch_pairs=8", "training.head_lr=1e-2", "training.save=fp32"]
    backbone = ["backbone=hub", "backbone.name=llama", "backbones=models", "training=lora", "head=mlp", "pairing=cross"]
    data = ["data.path=train.csv", "folds.k=2", "tracking=none"]
    prefens("train", *data, *backbone, *settings, f"pairing.second_order_below={BELOW}", cwd=tmp_path)
    blended = prefens("blend", "tracking=none", "blender=soft_vote", "copy_backbones=false", cwd=tmp_path)
    assert "the saved model has no copy of llama" in " ".join((blended.stdout + blended.stderr).split())
    pairs = make_pairs(20, seed=1)
    pairs.response_b[3] = pairs.response_a[3]
    predicted = submission(tmp_path, pairs, "test")
    np.testing.assert_allclose(predicted, submission(tmp_path, pairs.swapped(), "swapped")[:, SWAP], atol=1e-6)
    assert predicted[3, 0] == pytest.approx(predicted[3, 1], abs=1e-6)
    expected, n_open = [], []
    for folder in sorted(tmp_path.glob("runs/store/*/members/*/fold-*/model")):
        member = EncoderMember.load(folder, [tmp_path / "models"])
        assert member.model is not None
        assert member.model.second_order_below == BELOW
        member.model.second_order_below = 0.0
        one = member.predict_proba(pairs)
        member.model.second_order_below = None
        both = member.predict_proba(pairs)
        assert np.abs(both - one).max() > 1e-3
        is_open = np.abs(one[:, 0] - one[:, 1]) < BELOW
        expected.append(np.where(is_open[:, None], both, one))
        n_open.append(is_open.sum())
    assert len(expected) == 2
    assert all(1 < n < 19 for n in n_open), n_open
    np.testing.assert_allclose(predicted, np.mean(expected, axis=0), atol=1e-6)
