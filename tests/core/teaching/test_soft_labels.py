"""Soft labels: who may be learned from in which fold, and with what weight."""

import numpy as np
import pytest

from prefens.core.errors import ConfigError
from prefens.core.teaching import SoftLabels, TeacherSettings
from prefens.core.types import Floats

ROWS = np.arange(6)
LABEL = np.zeros(6, dtype=np.int8)


def labels_of(settings: TeacherSettings, unlabelled: Floats | None = None) -> SoftLabels:
    """Four pairs with votes, the last of them untaught, and two without."""
    by_fold = {}
    for fold in range(3):
        by_fold[fold] = np.tile([0.2, 0.7, 0.1], (6, 1))
        by_fold[fold][3] = np.nan
        if unlabelled is not None:
            by_fold[fold][4:] = unlabelled
    return SoftLabels(by_fold, 4, settings, "0" * 64)


def test_pairs_without_votes_have_their_share_of_the_loss() -> None:
    teacher = labels_of(TeacherSettings(share=0.5, unlabelled_share=0.75))
    targets = teacher.targets(0, ROWS, LABEL)
    sums = targets.plain.sum(axis=1)
    np.testing.assert_allclose(sums[:4], 1.0)
    np.testing.assert_allclose(sums[4:].sum() / sums.sum(), 0.75)
    assert targets.voted.tolist() == [True] * 4 + [False] * 2
    np.testing.assert_allclose(targets.plain[3], [1.0, 0.0, 0.0])  # no teacher may label it
    assert teacher.label(0, ROWS, LABEL).tolist() == [0, 0, 0, 0, 1, 1]


def test_pairs_that_the_teacher_is_unsure_of_are_left_out() -> None:
    unsure = np.array([[0.4, 0.35, 0.25], [0.1, 0.9, 0.0]])
    teacher = labels_of(TeacherSettings(min_confidence=0.5), unsure)
    assert teacher.learned(0).tolist() == [True] * 4 + [False, True]
    assert not labels_of(TeacherSettings(unlabelled_share=0.0)).learned(0)[4:].any()
    missing = labels_of(TeacherSettings(), np.full((2, 3), np.nan))
    assert not missing.learned(0)[4:].any()


def test_the_digest_is_that_of_the_probabilities() -> None:
    one, two = labels_of(TeacherSettings()), labels_of(TeacherSettings(share=0.1))
    assert one.digest == two.digest
    assert one.recipe() != two.recipe()
    assert labels_of(TeacherSettings(), np.full((2, 3), 1 / 3)).digest != one.digest


@pytest.mark.parametrize(
    "wrong",
    [
        {"share": 1.5},
        {"temperature": 0.001},
        {"unlabelled_share": 1.0},
        {"min_confidence": 1.0},
        {"share": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"teacher\.{next(iter(wrong))}"):
        TeacherSettings(**wrong)
