"""Commands that are killed at random moments end with the same bits as those that are left alone, and leave nothing."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[1] / "experiments" / "benchmarks" / "chaos.py"
KILLS = {"train": 10, "blend": 3, "report": 2, "predict": 2}


@pytest.fixture
def chaos(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    described = importlib.util.spec_from_file_location("chaos", PROGRAM)
    assert described is not None
    assert described.loader is not None
    program = importlib.util.module_from_spec(described)
    monkeypatch.setitem(sys.modules, "chaos", program)
    described.loader.exec_module(program)
    return program


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_commands_that_are_killed_at_random_moments_cost_nothing(chaos: ModuleType, tmp_path: Path) -> None:
    calm, store, counts = chaos.Store(tmp_path / "calm"), chaos.Store(tmp_path / "chaos"), chaos.Counts()
    lengths = {command: calm.finish(command) for command in KILLS}
    chaos.run_round(store, calm, KILLS, lengths, random.Random(4), counts)
    assert counts.costs == {}, counts.notes
    assert all(counts.kills[command] >= KILLS[command] // 2 for command in KILLS), counts.kills
    assert counts.moments["a fold in training"] + counts.moments["a checkpoint"] >= KILLS["train"] // 4
    assert store.log("train").count("going on from step") >= 1
    cost_is_counted(chaos, store, calm)


def cost_is_counted(chaos: ModuleType, store: Any, calm: Any) -> None:
    """A check that sees nothing would pass too."""
    counts = chaos.Counts()
    (store.root / "checkpoints" / "0.pt").write_text("")
    (store.out / ".submission.csv.half").write_text("")
    (store.out / "submission.csv").write_text("id\n")
    tracker = chaos.MlflowTracker(store.root, "prefens")
    tracker.client.create_run(tracker.experiment_id, tags={"prefens.role": "blend"})
    chaos.check_bits(store, calm, counts)
    chaos.check_leftovers(store, counts)
    chaos.check_runs(store, counts)
    assert counts.costs == {
        "members or files with wrong bits": 1,
        "members or files with lost rows": 1,
        "leftovers": 2,
        "runs that are RUNNING": 1,
        "doubled runs": 1,
    }
