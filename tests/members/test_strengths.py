"""Inner folds choose the regularization."""

import numpy as np

from prefens.core.metrics import one_hot
from prefens.members.strengths import choose_strength, fit_best


def test_strength_is_chosen_by_inner_folds(generator: np.random.Generator) -> None:
    odd, even = generator.normal(size=(300, 4)), generator.normal(size=(300, 3))
    margin = odd @ [1.0, -0.5, 0.2, 0.0] + generator.normal(size=300)
    tied = even[:, 0] + generator.normal(size=300) > 0.8
    label = np.where(tied, 2, np.where(margin > 0, 0, 1)).astype(np.int8)
    inner = (np.arange(300) % 5).astype(np.int8)
    useful, loss = choose_strength(odd, even, one_hot(label, 3), inner, [1e-4, 0.1, 1.0])
    assert useful >= 0.1
    assert loss < 1.0
    assert choose_strength(odd, even, one_hot(label, 3), inner * 0, [1e-4, 0.1])[0] == 1e-4
    noise, _ = choose_strength(
        generator.normal(size=(300, 50)), even[:, :0], one_hot(label, 3), inner, [1e-4, 0.1, 1.0]
    )
    assert noise == 1e-4
    _, report = fit_best(odd, even, one_hot(label, 3), inner, [1e-4, 0.1, 1.0])
    assert (report.metrics["strength"], report.metrics["inner_log_loss"]) == (useful, loss)
