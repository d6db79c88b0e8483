"""What the features of the logistic style model add up to: its own log odds."""

import numpy as np

from prefens.core.types import Outcome
from prefens.members.base import Context
from prefens.members.style import StyleMember, StyleModel
from tests.helpers.examples import make_pairs

TRAIN, FRESH = make_pairs(60), make_pairs(12, seed=1)


def fitted(member: StyleMember) -> StyleMember:
    member.fit(TRAIN, None, Context(seed=0, inner=np.zeros(len(TRAIN), dtype=np.int8)))
    return member


def test_contributions_add_up_to_the_log_odds_and_change_sign_with_the_sides() -> None:
    member = fitted(StyleMember("style", strengths=[0.1]))
    part = member.contributions(FRESH)
    assert part is not None
    names, values = part
    assert values.shape == (len(FRESH), len(names))
    probabilities = member.predict_proba(FRESH)
    log_odds = np.log(probabilities[:, Outcome.A_WINS] / probabilities[:, Outcome.B_WINS])
    np.testing.assert_allclose(values.sum(axis=1), log_odds, atol=1e-9)
    assert np.abs(values).max() > 0.01
    swapped = member.contributions(FRESH.swapped())
    assert swapped is not None
    np.testing.assert_allclose(swapped[1], -values, atol=1e-12)


def test_trees_have_no_contributions() -> None:
    assert fitted(StyleMember("style", StyleModel.boosting, rounds=3, min_rows=5)).contributions(FRESH) is None
