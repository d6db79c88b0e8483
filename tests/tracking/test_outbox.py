"""The outbox: calls return while the server is down, and all that was told arrives once, as it was told."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException, RestException

from prefens.core.shutdown import Stopped
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from prefens.tracking import outbox
from prefens.tracking.outbox import Outbox
from tests.helpers.examples import SPEC, folds_of, make_pairs


class Line:
    """The way to a server (SQLite here), which can be cut."""

    def __init__(self, server: MlflowTracker) -> None:
        self.server, self.cut, self.asked = server, False, 0

    def connect(self) -> Any:
        self.asked += 1
        if self.cut:
            raise MlflowException("Max retries exceeded")
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*arguments: Any) -> Any:
            self.asked += 1
            if self.cut:
                raise MlflowException("Max retries exceeded")
            return getattr(self.server, name)(*arguments)

        return call

    def runs(self) -> list[Any]:
        return list(self.server.client.search_runs([self.server.experiment_id]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("server")
    MlflowTracker(root, "direct")
    return root


@pytest.fixture
def line(made: Path, request: pytest.FixtureRequest) -> Line:
    return Line(MlflowTracker(made, request.node.name))


@pytest.fixture
def box(line: Line, tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "runs" / "outbox", line.connect, "python -m prefens.deliver")


def tell_all(box: Outbox, folder: Path) -> None:
    """Two folds, one that fails, a member, a blend and its report."""
    file = folder / "run.json"
    file.write_text("{}")
    for fold in range(2):
        box.finish_fold(box.start_fold(SPEC, SPEC.key(fold)), {"log_loss": 1.0}, {"loss": [1.1, 1.0]}, [file])
    box.fail_fold(box.start_fold(SPEC, SPEC.key(2)), ValueError("no good"))
    folds = folds_of(make_pairs(30), k=3)
    tables = {"board": [{"name": "a", "row": 1}]}
    box.finish_member(SPEC, {"oof_log_loss": 1.0}, [file], folds)
    box.log_blend("blend", {"honest": 1.0}, {"prefens.best": "x"}, [file], tables, folds=folds)
    (folder / "report.html").write_text("page")
    box.log_report("report", {"prefens.best": "x"}, [folder / "report.html"])
    file.write_text('{"changed": "afterwards"}')


def summary(runs: list[Any]) -> list[tuple[Any, ...]]:
    return sorted(
        (
            *(run.info.run_name, run.info.status, run.data.metrics, run.info.end_time > 0),
            [given.dataset.profile for given in run.inputs.dataset_inputs],
        )
        for run in runs
    )


def test_what_is_told_to_a_dead_line_arrives_later(box: Outbox, line: Line, made: Path, tmp_path: Path) -> None:
    line.cut = True
    tell_all(box, tmp_path)
    assert line.asked == 1  # then it is left alone for a while
    assert box.has_fold(SPEC.key(0))
    assert box.has_member(SPEC)
    box.deliver()
    assert len(list(box.folder.iterdir())) == 6
    line.cut = False
    box.deliver()
    assert list(box.folder.iterdir()) == []
    there = Line(MlflowTracker(made, "direct"))
    tell_all(Outbox(tmp_path / "other" / "outbox", there.connect, ""), tmp_path)
    assert summary(line.runs()) == summary(there.runs())
    fold = next(run for run in line.runs() if run.info.run_name.endswith("fold 1"))
    assert Path(line.server.client.download_artifacts(fold.info.run_id, "run.json")).read_text() == "{}"
    assert [point.value for point in line.server.client.get_metric_history(fold.info.run_id, "loss")] == [1.1, 1.0]
    blend = next(run for run in line.runs() if run.info.run_name == "blend")
    assert Path(line.server.client.download_artifacts(blend.info.run_id, "report.html")).read_text() == "page"


def test_what_began_before_the_cut_is_finished_after_it(box: Outbox, line: Line) -> None:
    run = box.start_fold(SPEC, SPEC.key(0))
    line.cut = True
    box.finish_fold(run, {"log_loss": 1.0}, {}, [])
    line.cut = False
    box.deliver()
    assert sorted(run.info.status for run in line.runs() if run.data.tags["prefens.role"] == "fold") == ["FINISHED"]


def statuses(line: Line) -> list[str]:
    return sorted(run.info.status for run in line.runs() if run.data.tags["prefens.role"] == "fold")


def test_what_a_dead_process_began_is_marked_at_once_or_when_its_successor_is_told(box: Outbox, line: Line) -> None:
    line.server.start_fold(SPEC, SPEC.key(0))
    box.abandon_fold(SPEC.key(0))
    assert statuses(line) == ["KILLED"]
    line.server.start_fold(SPEC, SPEC.key(0))
    line.cut = True
    box.abandon_fold(SPEC.key(0))
    time.sleep(0.002)  # the runs begin at different milliseconds
    box.finish_fold(box.start_fold(SPEC, SPEC.key(0)), {"log_loss": 1.0}, {}, [])
    line.cut = False
    box.deliver()
    assert statuses(line) == ["FINISHED", "KILLED", "KILLED"]


def test_a_run_whose_result_waits_is_not_dead(box: Outbox, line: Line) -> None:
    run = box.start_fold(SPEC, SPEC.key(0))
    line.cut = True
    box.finish_fold(run, {"log_loss": 1.0}, {}, [])
    line.cut = False
    box._silent_until = 0.0
    box.abandon_fold(SPEC.key(0))
    assert statuses(line) == ["RUNNING"]
    box.deliver()
    assert statuses(line) == ["FINISHED"]


def test_stops_and_errors_stay_apart(box: Outbox, line: Line) -> None:
    line.cut = True
    box.fail_fold(box.start_fold(SPEC, SPEC.key(0)), Stopped("asked to stop", 143))
    box.fail_fold(box.start_fold(SPEC, SPEC.key(1)), ValueError("no good"))
    line.cut = False
    box.deliver()
    told = {run.info.status: run.data.tags["prefens.error"] for run in line.runs() if "prefens.key" in run.data.tags}
    assert told == {"KILLED": "asked to stop", "FAILED": "no good"}


def test_sending_twice_changes_nothing(
    box: Outbox, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a process that was killed between the server's answer and the deletion of the folder."""
    line.cut = True
    tell_all(box, tmp_path)
    entries = sorted(box.folder.iterdir())
    server = line.server
    for _ in range(2):
        for entry in entries:
            outbox.send(server, entry)
    (tmp_path / "run.json").write_text("{}")
    runs = line.runs()
    assert len(runs) == 5
    for run in runs:
        for name in run.data.metrics:
            points = server.client.get_metric_history(run.info.run_id, name)
            assert len(points) == (2 if name == "loss" else 1)
    (blend,) = (run for run in runs if run.info.run_name == "blend")
    table = Path(server.client.download_artifacts(blend.info.run_id, "tables/board.json")).read_text()
    assert json.loads(table)["data"] == [["a", 1]]


def test_another_process_delivers_what_one_left(box: Outbox, line: Line, tmp_path: Path) -> None:
    line.cut = True
    tell_all(box, tmp_path)
    line.cut = False
    Outbox(box.folder, line.connect, "").deliver()
    assert len(line.runs()) == 5
    assert list(box.folder.iterdir()) == []


def test_the_rest_is_a_warning_with_the_way_out(
    box: Outbox, line: Line, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line.cut = True
    with caplog.at_level(logging.WARNING):
        tell_all(box, tmp_path)
        box.deliver()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "does not answer" in told[0]
    assert told[1] == f"6 results wait in {box.folder}. To deliver them: python -m prefens.deliver"


def test_what_the_server_refuses_is_kept_and_does_not_hold_up_the_rest(
    box: Outbox, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "no"})

    monkeypatch.setattr(MlflowTracker, "finish_member", refuse)
    tell_all(box, tmp_path)
    box.deliver()
    assert [path.name for path in box.folder.iterdir()] == ["refused"]
    assert len(list((box.folder / "refused").iterdir())) == 1
    assert "blend" in {run.info.run_name for run in line.runs()}
