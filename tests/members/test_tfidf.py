"""TF-IDF differences and sums: products without a matrix, and the same fit with few rows and with many."""

import numpy as np
import pytest
from scipy import sparse

from prefens.data.text.presence import Presence
from prefens.members import tfidf
from prefens.members.base import Context
from prefens.members.tfidf import NgramFeatures, TfidfMember
from tests.helpers.examples import make_pairs


def test_features_multiply_as_their_matrix(generator: np.random.Generator) -> None:
    a, b = (Presence.of(sparse.random(20, 8, 0.4, format="csr", rng=generator)) for _ in range(2))
    features = NgramFeatures(((1.0, a), (-2.0, b)), generator.normal(size=8), generator.normal(size=(20, 3)))
    rows = np.array([3, 19, 4])
    for some, matrix in ((features, features.matrix()), (features[rows], features.matrix()[rows])):
        weights, values = generator.normal(size=11), generator.normal(size=matrix.shape[0])
        assert some.shape == matrix.shape
        np.testing.assert_allclose(some @ weights, matrix @ weights, atol=1e-12)
        np.testing.assert_allclose(some.T @ values, matrix.T @ values, atol=1e-12)
    expected = (a.matrix() - 2.0 * b.matrix()).toarray() * features.scale
    np.testing.assert_allclose(features.matrix().toarray()[:, :8], expected)


def test_many_rows_are_fitted_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    train, context = make_pairs(80), Context(seed=0, inner=(np.arange(80) % 4).astype(np.int8))
    predictions = []
    for max_rows in (80, 79):
        monkeypatch.setattr(tfidf, "MAX_ROWS", max_rows)
        member = TfidfMember("tfidf", bits=12, strengths=[0.3])
        member.fit(train, None, context)
        predictions.append(member.predict_proba(make_pairs(30, seed=1)))
    np.testing.assert_allclose(*predictions, atol=2e-3)  # a fit of many rows ends earlier
