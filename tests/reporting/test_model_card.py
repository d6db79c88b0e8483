"""The model card shows the weights of the method that it describes."""

import re

from prefens.ensemble.base import Blender
from prefens.ensemble.blend import make_blend
from prefens.ensemble.convex_weights import LogLossWeights
from prefens.ensemble.inputs import BlendInputs
from prefens.ensemble.soft_vote import SoftVote
from prefens.ensemble.stacking import Stacking
from prefens.reporting.model_card import render_model_card
from tests.helpers.examples import random_stack


def members_of_card(method: Blender) -> list[list[str]]:
    """Return the cells of the table of members on the card of a blend with this method: header, rule, rows."""
    stack = random_stack(members=3, rows=120, seed=0)
    blend = make_blend(BlendInputs(stack.folds, stack, None, None), [method], resamples=20)
    card = render_model_card(blend, [], "changed no probability", "1.0")
    assert card.startswith(f"# Model card: {method.name} of 3 members")
    return [re.split(r" *\| *", line.strip("| ")) for line in card.splitlines() if line.startswith("|")]


def test_weights_on_the_card_are_those_of_its_method() -> None:
    header, _, *rows = members_of_card(SoftVote())
    assert header[-1] == "weight"
    assert [row[-1] for row in rows] == ["0.333"] * 3
    weights = [float(row[-1]) for row in members_of_card(LogLossWeights())[2:]]
    assert weights == sorted(weights, reverse=True)
    assert weights != [0.333] * 3


def test_a_method_without_weights_has_no_such_column() -> None:
    header, _, *rows = members_of_card(Stacking())
    assert header[-1] == "log loss"
    assert [row[-1] for row in rows] == sorted(row[-1] for row in rows)
