"""Inner folds choose the regularization."""

import numpy as np

from prefens.core.metrics import row_losses
from prefens.core.symmetric_logistic import fit_lbfgs
from prefens.core.teaching import Targets
from prefens.members.strengths import choose_strength, fit_best


def test_strength_is_chosen_by_inner_folds(generator: np.random.Generator) -> None:
    odd, even = generator.normal(size=(300, 4)), generator.normal(size=(300, 3))
    margin = odd @ [1.0, -0.5, 0.2, 0.0] + generator.normal(size=300)
    tied = even[:, 0] + generator.normal(size=300) > 0.8
    label = np.where(tied, 2, np.where(margin > 0, 0, 1)).astype(np.int8)
    inner = (np.arange(300) % 5).astype(np.int8)
    useful, loss = choose_strength(odd, even, Targets.of_votes(label, 3), inner, [1e-4, 0.1, 1.0])
    assert useful >= 0.1
    assert loss < 1.0
    assert choose_strength(odd, even, Targets.of_votes(label, 3), inner * 0, [1e-4, 0.1])[0] == 1e-4
    noise, _ = choose_strength(
        generator.normal(size=(300, 50)), even[:, :0], Targets.of_votes(label, 3), inner, [1e-4, 0.1, 1.0]
    )
    assert noise == 1e-4
    _, report = fit_best(odd, even, Targets.of_votes(label, 3), inner, [1e-4, 0.1, 1.0])
    assert (report.metrics["strength"], report.metrics["inner_log_loss"]) == (useful, loss)


def test_the_quick_search_ends_fits_that_become_worse_and_chooses_alike(generator: np.random.Generator) -> None:
    odd, even = generator.normal(size=(400, 200)), generator.normal(size=(400, 3))
    label = np.where(odd[:, 0] + generator.normal(size=400) > 0, 0, 1).astype(np.int8)
    inner, targets = (np.arange(400) % 5).astype(np.int8), Targets.of_votes(label, 3)
    strengths = [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0]
    chosen, loss = choose_strength(odd, even, targets, inner, strengths, quick=True)
    train, valid = inner != 0, inner == 0
    losses = {}
    for strength in strengths:
        model = fit_lbfgs(odd[train], even[train], targets.take(train), strength, tolerance=1e-7)
        losses[strength] = row_losses(model.predict_proba(odd[valid], even[valid]), label[valid]).mean()
    assert chosen == min(losses, key=lambda strength: losses[strength]) < strengths[-1]
    assert abs(loss - losses[chosen]) < 1e-3
