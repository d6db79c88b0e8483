"""A training that was stopped and continued gives the bits of one that was not; bad checkpoints are reported."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prefens.core import shutdown
from prefens.core.shutdown import Stopped
from prefens.data.text.settings import TextSettings
from prefens.members.base import Context, FitReport
from prefens.members.encoder import EncoderMember
from prefens.members.network import NetworkMember
from prefens.members.nn.heads import HeadSettings
from prefens.members.nn.pair_model import Batch, pair_batch
from prefens.members.textcnn import TextCnnMember
from prefens.members.training import loop
from prefens.members.training.settings import Mode, Schedule, Swap, TrainingSettings
from tests.helpers.examples import make_pairs

QUICK = TrainingSettings(
    lr=1e-3, head_lr=1e-2, epochs=2, batch_pairs=8, token_budget=200, label_smoothing=0.1, checkpoint_minutes=0.0
)
STEPS = 2 * 48 // 8
Make = Callable[[], NetworkMember]


@pytest.fixture(params=["textcnn", "encoder"])
def make(request: pytest.FixtureRequest, tiny_bert: Path) -> Make:
    text, head = TextSettings(max_length=64), HeadSettings(hidden=8, dropout=0.2)
    if request.param == "encoder":
        return lambda: EncoderMember("bert", path=str(tiny_bert), text=text, head=head, training=QUICK)
    small = {"vocabulary": 100, "dimension": 8, "filters": 4, "widths": [1, 3]}
    return lambda: TextCnnMember("textcnn", text=text, head=head, training=QUICK, **small)


@pytest.fixture(autouse=True)
def no_deadline() -> Iterator[None]:
    yield
    shutdown.set_deadline(None)


def fit(
    member: NetworkMember, checkpoint: Path | None = None, key: str = "k" * 64
) -> tuple[NetworkMember, list[float]]:
    report = member.fit(make_pairs(48), None, Context(1, np.zeros(48, dtype=np.int8), None, checkpoint, key))
    return member, list(report.curves["train_loss"])


def stop_after(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Ask the process to stop in the middle of a step, while it makes the micro-batch of that number."""
    batches: list[Batch] = []

    def counted(*arguments: Any, **named: Any) -> Batch:
        batches.append(pair_batch(*arguments, **named))
        return batches[-1]

    def requested(lossless: bool = False) -> Stopped | None:
        return Stopped("asked to stop (SIGTERM)", 143) if len(batches) >= step else None

    monkeypatch.setattr(loop, "pair_batch", counted)
    monkeypatch.setattr(shutdown, "requested", requested)


def predicted(member: NetworkMember) -> np.ndarray:
    return member.predict_proba(make_pairs(30, seed=3))


@pytest.mark.parametrize("stops", [[1], [7, 9]], ids=str)
def test_a_stopped_training_continues_with_the_same_bits(
    make: Make, stops: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, curve = fit(make())
    path = tmp_path / "half.pt"
    for stop in stops:
        with monkeypatch.context() as patched:
            stop_after(patched, stop)
            with pytest.raises(Stopped) as stopped:
                fit(make(), path)
            assert stopped.value.code == 143
        torch.rand(3)  # whatever state this process is in
    steps_taken = len(torch.load(path, weights_only=True)["train_losses"])
    assert 0 < steps_taken < STEPS
    again, continued = fit(make(), path)
    assert continued == curve
    np.testing.assert_array_equal(predicted(again), predicted(whole))


OPTIONS = {
    "average": {"ema": 0.9},
    "swaps": {"swap": Swap.random},
    "layers": {"layer_decay": 0.8, "schedule": Schedule.linear},
    "stopping": {"patience": 1, "epochs": 9},
    "adapters": {"mode": Mode.lora, "ema": 0.9, "patience": 2},
    "plateau": {"schedule": Schedule.plateau, "ema": 0.5},
    "everything": {
        "schedule": Schedule.plateau, "ema": 0.9, "swap": Swap.random, "patience": 2, "gradient_checkpointing": True
    },
}  # fmt: skip


@pytest.mark.parametrize(
    "option", [name if name == "everything" else pytest.param(name, marks=pytest.mark.slow) for name in OPTIONS]
)
def test_every_option_continues_with_the_same_bits_from_any_step(
    option: str, tiny_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = np.arange(30, dtype=np.int8) // 5 % 5
    settings = replace(QUICK, **{"batch_pairs": 12, "epochs": 3, **OPTIONS[option]})
    head, text = HeadSettings(hidden=8, dropout=0.2), TextSettings(max_length=64)

    def fit(checkpoint: Path | None) -> tuple[NetworkMember, FitReport]:
        member = EncoderMember("bert", path=str(tiny_bert), text=text, head=head, training=settings)
        return member, member.fit(make_pairs(30), None, Context(1, inner, None, checkpoint, "k" * 64))

    whole, undisturbed = fit(None)
    path, stops = tmp_path / "half.pt", 0
    while True:  # one step, then a stop, again and again: the training continues from every step
        shutdown.set_deadline(1.0)
        try:
            again, report = fit(path)
            break
        except Stopped:
            stops += 1
            state = torch.load(path, weights_only=True)
            assert len(state["train_losses"]) == stops
            if settings.mode is Mode.lora:  # the backbone is in its own files
                assert all(".lora_" in name or name.startswith("head.") for name in state["model"])
                assert path.stat().st_size < 4 * (tiny_bert / "model.safetensors").stat().st_size
    assert stops == len(undisturbed.curves["train_loss"])
    assert report.curves == undisturbed.curves
    assert report.metrics == undisturbed.metrics
    np.testing.assert_array_equal(predicted(again), predicted(whole))


def test_a_lowered_token_budget_is_restored(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = iter(range(1000))

    def failing(*arguments: Any, **named: Any) -> Batch:
        if next(batches) == 0:
            raise MemoryError
        return pair_batch(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "pair_batch", failing)
        whole, curve = fit(make())
    with monkeypatch.context() as patched:
        batches = iter(range(1000))
        patched.setattr(loop, "pair_batch", failing)
        shutdown.set_deadline(1.0)
        with pytest.raises(Stopped):
            fit(make(), tmp_path / "half.pt")
    shutdown.set_deadline(None)
    again, continued = fit(make(), tmp_path / "half.pt")
    assert continued == curve
    np.testing.assert_array_equal(predicted(again), predicted(whole))


def test_writing_checkpoints_changes_nothing(make: Make, tmp_path: Path) -> None:
    np.testing.assert_array_equal(predicted(fit(make(), tmp_path / "half.pt")[0]), predicted(fit(make())[0]))


def test_a_spent_time_budget_stops_at_the_next_step(make: Make, tmp_path: Path) -> None:
    shutdown.set_deadline(1.0)
    with pytest.raises(Stopped, match="budget") as stopped:
        fit(make(), tmp_path / "half.pt")
    assert stopped.value.code == shutdown.BUDGET_SPENT
    assert len(torch.load(tmp_path / "half.pt", weights_only=True)["train_losses"]) == 1


@pytest.fixture(scope="module")
def small(tiny_bert: Path) -> Callable[..., NetworkMember]:
    def make(hidden: int = 8) -> NetworkMember:
        text, head, training = TextSettings(max_length=64), HeadSettings(hidden=hidden), replace(QUICK, epochs=1)
        return EncoderMember("bert", path=str(tiny_bert), text=text, head=head, training=training)

    return make


@pytest.fixture(scope="module")
def undisturbed(small: Callable[..., NetworkMember]) -> tuple[NetworkMember, list[float]]:
    return fit(small())


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text", "foreign", "other model"])
def test_a_damaged_or_foreign_checkpoint_is_reported_and_the_fold_starts_afresh(
    damage: str,
    small: Callable[..., NetworkMember],
    undisturbed: tuple[NetworkMember, list[float]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "half.pt"
    fit(small(16 if damage == "other model" else 8), path, "f" * 64 if damage == "foreign" else "k" * 64)
    data = path.read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]
    written = {"truncated": data[:middle], "flipped": flipped, "empty": b"", "text": b"not a checkpoint at all"}
    path.write_bytes(written.get(damage, data))
    again, curve = fit(small(), path)
    assert f"{path}: " in caplog.text
    assert "starts afresh" in caplog.text
    assert curve == undisturbed[1]
    np.testing.assert_array_equal(predicted(again), predicted(undisturbed[0]))


def test_a_disk_that_refuses_the_checkpoint_does_not_end_the_training(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    _, curve = fit(make(), tmp_path / "file" / "half.pt")
    assert len(curve) == STEPS
    assert "no checkpoint" in caplog.text
