"""What fold runs cost adds up over the folds."""

from prefens.reporting.leaderboard.fold_runs import Cost, FoldRun, total_cost
from tests.helpers.examples import run_result

RESULT = run_result(seconds=6.0, train_rows=96, metadata={"parameters": 7}, curves={"train_loss": [1.1, 1.0, 0.9]})


def test_cost_adds_up_over_folds() -> None:
    run = FoldRun.from_result(RESULT)
    assert total_cost([run, run]) == Cost(seconds=12.0, parameters=7, pairs_per_second=16.0)
    assert total_cost([]) == Cost(None, None, None)


def test_what_is_not_stored_is_not_known() -> None:
    assert FoldRun.from_result(RESULT).train_loss == [1.1, 1.0, 0.9]
    run = FoldRun.from_result(run_result(seconds=6.0, train_rows=0, metadata={}, curves={}))
    assert run == FoldRun(6.0)
    assert total_cost([run]) == Cost(seconds=6.0)
