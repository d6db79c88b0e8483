"""A model's record is seen from the model's side."""

from dataclasses import replace

import numpy as np
import pytest

from prefens.data.synthetic.generator import generate
from prefens.reporting.data_profile.model_record import model_records
from tests.helpers.examples import column, make_pairs


def test_records_are_seen_from_the_models_side() -> None:
    models = column(["m", "m", "n", "n", "m", "m"]), column(["n", "n", "m", "m", "n", "n"])
    label = np.array([0, 0, 1, 2, 1, 2], dtype=np.int8)
    one, other = model_records(replace(make_pairs(6), label=label, model_a=models[0], model_b=models[1]))
    assert (one.model, one.pairs, one.won, one.tied, one.lost) == ("m", 6, 0.5, 2 / 6, 1 / 6)
    assert (other.won, other.lost) == (one.lost, one.won)


def test_what_models_win_others_lose() -> None:
    records = model_records(generate(200, 0))
    assert sum(record.pairs * record.won for record in records) == pytest.approx(
        sum(record.pairs * record.lost for record in records)
    )
