"""External members: joined by id, all or nothing of the hold-out, and counted where rows are missing."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefens.core.errors import StoreError
from prefens.core.types import Floats, Folds
from prefens.store.assemble import common_rows, make_stack
from prefens.store.external import ExternalMember
from tests.helpers.examples import column, folds_of, make_pairs

PAIRS = make_pairs(60)
FOLDS = {holdout: folds_of(PAIRS, holdout=holdout) for holdout in (0.0, 0.2)}
VALUES = np.random.default_rng(0).dirichlet(np.ones(3), size=60)


def member(rows: object = slice(None), name: str = "m1", folds: Folds = FOLDS[0.0]) -> ExternalMember:
    return ExternalMember(name, "d" * 64, folds.ids[rows], VALUES[rows])  # type: ignore[index]


def by_id(ids: object, values: Floats) -> dict[str, list[float]]:
    return dict(zip(ids, values.tolist(), strict=True))  # type: ignore[call-overload, no-any-return]


@given(st.permutations(range(60)), st.sampled_from([0.0, 0.2]))
def test_rows_are_joined_by_id(order: list[int], holdout: float) -> None:
    folds = FOLDS[holdout]
    external = member(np.array(order), folds=folds)
    stack, held_out = make_stack(folds, {external.spec(folds).info: external.runs(folds)})
    expected = by_id(folds.ids, VALUES)
    found = by_id(stack.folds.ids, stack.probabilities[0])
    assert (held_out is not None) == (holdout > 0)
    if held_out is not None:
        found |= by_id(held_out.folds.ids, held_out.probabilities[0])
    assert found.keys() == expected.keys()
    for id_, values in found.items():
        np.testing.assert_allclose(values, expected[id_], atol=1e-15)


def test_the_file_of_an_external_member_is_its_identity() -> None:
    spec = member().spec(FOLDS[0.0])
    assert (spec.name, spec.backbone, spec.kind, spec.seed) == ("m1", None, None, None)
    other = ExternalMember("m1", "e" * 64, PAIRS.ids, VALUES).spec(FOLDS[0.0])
    assert spec.recipe_digest != other.recipe_digest
    assert spec.key(0).digest != other.key(0).digest


def test_missing_and_unknown_ids_are_refused_with_counts() -> None:
    folds = FOLDS[0.0]
    with pytest.raises(StoreError, match=r"member m1: 3 of 60 ids missing \(first: 1000, 1001, 1002\)"):
        member(slice(3, None)).runs(folds)
    extra = ExternalMember("m1", "d", np.append(folds.ids, column(["x"])), np.vstack([VALUES, VALUES[:1]]))
    with pytest.raises(StoreError, match=r"member m1: 1 of 61 given ids unknown \(first: x\)"):
        extra.runs(folds)


def test_without_hold_out_rows_there_is_no_hold_out_score(caplog: pytest.LogCaptureFixture) -> None:
    folds = FOLDS[0.2]
    external, whole = member(folds.scored, folds=folds), member(name="m2", folds=folds)
    members = {each.spec(folds).info: each.runs(folds) for each in (external, whole)}
    with caplog.at_level(logging.WARNING):
        stack, held_out = make_stack(folds, members)
    assert held_out is None
    assert caplog.text.count("no predictions of the held-out rows by m1") == 1
    np.testing.assert_array_equal(stack.probabilities[0], VALUES[folds.scored])
    some = folds.scored.copy()
    some[np.flatnonzero(~folds.scored)[:2]] = True
    with pytest.raises(StoreError, match=r"member m1: .* of .* held-out ids missing"):
        member(some, folds=folds).runs(folds)


@given(st.lists(st.booleans(), min_size=60, max_size=60), st.sampled_from([0.0, 0.2]))
def test_partial_members_meet_on_their_common_rows(given_rows: list[bool], holdout: float) -> None:
    folds, has = FOLDS[holdout], np.array(given_rows)
    one, two = member(has, folds=folds), member(name="m2", folds=folds)
    members = {each.spec(folds).info: each.runs(folds, partial=True) for each in (one, two)}
    if not {*range(folds.k)} <= {*folds.fold[has].tolist()}:
        with pytest.raises(StoreError, match="no row of folds"):
            common_rows(folds, members)
        return
    stack, held_out = make_stack(folds, members, common_rows(folds, members))
    assert (stack.folds.ids == folds.ids[has & folds.scored]).all()
    for values in stack.probabilities:
        np.testing.assert_array_equal(values, VALUES[has & folds.scored])
    if held_out is not None:
        assert (held_out.folds.ids == folds.ids[has & ~folds.scored]).all()


def test_unknown_ids_are_dropped_with_a_count_if_asked(caplog: pytest.LogCaptureFixture) -> None:
    folds = FOLDS[0.0]
    ids = column(["x", *folds.ids[1:]])
    with caplog.at_level(logging.INFO):
        external = ExternalMember("m1", "d", ids, VALUES)
        common = common_rows(folds, {external.spec(folds).info: external.runs(folds, partial=True)})
    assert common.sum() == 59
    assert "1 of 60 given ids unknown (first: x)" in caplog.text
    assert "blending on 59 of 60 rows" in caplog.text


def test_damage_of_an_external_member_points_to_its_file() -> None:
    folds = FOLDS[0.0]
    external = ExternalMember("m1", "d", folds.ids, VALUES * 1.001)
    with pytest.raises(StoreError, match=r"member m1, fold 0: (.|\n)*import it again"):
        make_stack(folds, {external.spec(folds).info: external.runs(folds)})
    with pytest.raises(StoreError, match="member m1, fold 0: data"):
        make_stack(FOLDS[0.2], {external.spec(folds).info: external.runs(folds)})
