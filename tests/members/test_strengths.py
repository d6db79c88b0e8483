"""Inner folds choose the regularization."""

import numpy as np

from prefens.core.metrics import row_losses
from prefens.core.symmetric_logistic import SymmetricLogistic, fit_lbfgs
from prefens.core.teaching import NO_VOTE, Targets
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


def drawn(generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return odd and even features, true probabilities, and votes drawn from them."""
    odd, even = generator.normal(size=(count, 30)), generator.normal(size=(count, 10))
    truth = SymmetricLogistic(np.repeat([0.5, 0.0], 15), np.repeat([0.3, 0.0], 5), -0.5).predict_proba(odd, even)
    vote = np.array([generator.choice(3, p=row) for row in truth], dtype=np.int8)
    return odd, even, truth, vote


def test_what_the_truth_teaches_is_nearer_to_the_truth_than_what_votes_teach(generator: np.random.Generator) -> None:
    odd, even, truth, vote = drawn(generator, 300)
    fresh_odd, fresh_even, fresh_truth, _ = drawn(generator, 1000)
    inner, losses = (np.arange(300) % 5).astype(np.int8), []
    for weight in (0.0, 0.5, 1.0):
        targets = Targets.of_teacher(vote, truth, np.full(300, weight))
        model, report = fit_best(odd, even, targets, inner, [0.01, 0.1, 1.0, 10.0])
        assert np.isfinite(report.metrics["inner_log_loss"])
        losses.append(-float((fresh_truth * np.log(model.predict_proba(fresh_odd, fresh_even))).sum(axis=1).mean()))
    floor = -float((fresh_truth * np.log(fresh_truth)).sum(axis=1).mean())
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] - floor < 0.1 * (losses[0] - floor)


def test_choices_are_made_on_votes_and_fits_on_all_rows(generator: np.random.Generator) -> None:
    """The teacher says the opposite of the truth, of half the rows without votes; no choice is scored on it."""
    odd, even, truth, vote = drawn(generator, 300)
    inner, rows = (np.arange(300) % 5).astype(np.int8), np.arange(300)
    vote = np.where(rows < 150, vote, NO_VOTE).astype(np.int8)
    targets = Targets.of_teacher(vote, truth[:, [1, 0, 2]], np.where(rows < 150, 0.3, 0.5), 2.0)
    for quick in (False, True):
        _, loss = choose_strength(odd, even, targets, inner, [0.1], quick=quick)
        losses = []
        for fold in range(1 if quick else 5):
            train, valid = inner != fold, (inner == fold) & (rows < 150)
            model = fit_lbfgs(odd[train], even[train], targets.take(train), 0.1, tolerance=1e-4)
            losses.append(row_losses(model.predict_proba(odd[valid], even[valid]), vote[valid]))
        assert loss == np.concatenate(losses).mean()
    voted = rows < 150
    alone = fit_lbfgs(odd[voted], even[voted], targets.take(voted), 0.1)
    assert np.abs(alone.odd - fit_lbfgs(odd, even, targets, 0.1).odd).max() > 0.05


def test_strengths_of_rows_without_votes_are_not_compared(generator: np.random.Generator) -> None:
    odd, even, truth, _ = drawn(generator, 50)
    targets = Targets.of_teacher(np.full(50, NO_VOTE, dtype=np.int8), truth, np.ones(50))
    strength, loss = choose_strength(odd, even, targets, (np.arange(50) % 5).astype(np.int8), [0.1, 1.0])
    assert strength == 0.1
    assert np.isnan(loss)
