"""A database from a stranger: no file is written or deleted outside of the artifacts of its own root."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.models import Model

from prefens.core.files import write_json
from prefens.store.tracking.dead_runs import LEASE, close_dead_runs
from prefens.store.tracking.mlflow_tracker import MlflowTracker

MODEL = f"m-{'0' * 32}"
LOGGED_MODEL = (
    "INSERT INTO logged_models(model_id, experiment_id, name, artifact_location, creation_timestamp_ms, "
    "last_updated_timestamp_ms, status, lifecycle_stage, source_run_id) "
    "VALUES ({}, {}, 'model', {}, 1, 1, 1, 'active', {})"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a run in MLflow whose process has died."""
    root = tmp_path_factory.mktemp("made") / "runs"
    tracker = MlflowTracker(root, "prefens")
    tracker.client.create_run(tracker.experiment_id, tags={LEASE: "run-x.json"}, run_name="dead")
    (root / "artifacts").mkdir(exist_ok=True)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy to change, beside a folder of somebody else's."""
    shutil.copytree(made, tmp_path / "runs")
    (tmp_path / "victim" / MODEL / "artifacts").mkdir(parents=True)
    (tmp_path / "victim" / MODEL / "artifacts" / "thesis.txt").write_text("x")
    (tmp_path / "report.html").write_text("report")
    MlflowTracker(tmp_path / "runs", "prefens")  # its paths are those of the copy
    return tmp_path / "runs"


def execute(root: Path, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(root / "mlflow.db")) as connection, connection:
        connection.executescript(statement) if not values else connection.execute(statement, values)


def add_model(root: Path, location: str, model: str) -> None:
    run = "(SELECT run_uuid FROM runs)"
    execute(root, LOGGED_MODEL.format("?", "(SELECT experiment_id FROM runs)", "?", run), model, location)


def artifacts(root: Path) -> str:
    return (root / "artifacts").as_uri()


def a_trigger_moves_each_new_run(root: Path) -> None:
    victim = (root.parent / "victim").as_uri()
    model = LOGGED_MODEL.format(f"'{MODEL}'", "new.experiment_id", f"'{victim}/{MODEL}/artifacts'", "new.run_uuid")
    move = f"UPDATE runs SET artifact_uri = '{victim}/' || new.run_uuid WHERE run_uuid = new.run_uuid"
    execute(root, f"CREATE TRIGGER t AFTER INSERT ON runs BEGIN {move}; {model}; END;")


def a_trigger_runs_at_the_first_tag(root: Path) -> None:
    move = f"UPDATE runs SET artifact_uri = '{(root.parent / 'victim').as_uri()}'"
    execute(root, f"CREATE TRIGGER t AFTER INSERT ON tags BEGIN {move}; END;")


def a_trigger_has_the_name_of_mlflows(root: Path) -> None:
    name = "prevent_secrets_aad_mutation"
    move = f"UPDATE runs SET artifact_uri = '{(root.parent / 'victim').as_uri()}'"
    execute(root, f"DROP TRIGGER {name}; CREATE TRIGGER {name} AFTER INSERT ON tags BEGIN {move}; END;")


def a_trigger_is_noted_as_a_table(root: Path) -> None:
    a_trigger_moves_each_new_run(root)
    execute(root, "PRAGMA writable_schema = ON; UPDATE sqlite_master SET type = 'table' WHERE name = 't';")


def runs_are_a_view(root: Path) -> None:
    place = f"'{(root.parent / 'victim').as_uri()}' AS artifact_uri"
    columns = [row[1] for row in sqlite3.connect(root / "mlflow.db").execute("PRAGMA table_info(runs)")]
    shown = ", ".join(place if name == "artifact_uri" else name for name in columns)
    execute(
        root,
        "PRAGMA legacy_alter_table = ON; ALTER TABLE runs RENAME TO other; "
        f"CREATE VIEW runs AS SELECT {shown} FROM other;",
    )


def the_database_is_a_link(root: Path) -> None:
    shutil.move(root / "mlflow.db", root.parent / "victim" / "mlflow.db")
    (root / "mlflow.db").symlink_to(root.parent / "victim" / "mlflow.db")


def a_model_lies_behind_a_link(root: Path) -> None:
    (root / "artifacts" / "models").symlink_to(root.parent / "victim")
    add_model(root, f"{artifacts(root)}/models/{MODEL}/artifacts", MODEL)


def the_artifacts_are_a_link(root: Path) -> None:
    (root / "artifacts").rmdir()
    (root / "artifacts").symlink_to(root.parent / "victim")


def a_model_is_the_root(root: Path) -> None:
    add_model(root, artifacts(root), "runs")


def a_model_is_all_artifacts(root: Path) -> None:
    add_model(root, f"{artifacts(root)}/x", "artifacts")


def a_model_is_the_folder_of_all(root: Path) -> None:
    (root / "artifacts" / "models").mkdir()
    add_model(root, f"{artifacts(root)}/models/x", "models")


def a_run_lies_behind_a_link(root: Path) -> None:
    (root / "artifacts" / "link").symlink_to(root.parent / "victim")
    execute(root, "UPDATE runs SET artifact_uri = ?", f"{artifacts(root)}/link")


def a_run_lies_in_another_encoding(root: Path) -> None:
    execute(root, "UPDATE runs SET artifact_uri = ?", f"{artifacts(root)}/%2e%2e/%2e%2e/victim")


def a_run_lies_nowhere(root: Path) -> None:
    execute(root, "UPDATE runs SET artifact_uri = ?", f"{artifacts(root)}/%00")


REFUSED = [
    a_trigger_moves_each_new_run, a_trigger_is_noted_as_a_table, a_trigger_runs_at_the_first_tag,
    a_trigger_has_the_name_of_mlflows, runs_are_a_view, the_database_is_a_link, a_model_lies_behind_a_link,
    the_artifacts_are_a_link, a_model_is_the_root, a_run_lies_behind_a_link, a_run_lies_in_another_encoding,
    a_run_lies_nowhere,
]  # fmt: skip
NOT_DELETED = [a_model_is_all_artifacts, a_model_is_the_folder_of_all]


def log_everything(root: Path) -> None:
    """Close the run of a dead process, and log a report and a blend."""
    tracker = MlflowTracker(root, "prefens")
    close_dead_runs(tracker.backend, {"run-x.json": None})  # type: ignore[dict-item]
    tracker.log_report("report", {}, [root.parent / "report.html"])
    tracker.log_blend("blend", "c" * 64, {}, {}, [root.parent / "report.html"], {})


def contents(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() if path.suffix == ".txt" else "" for path in folder.rglob("*")}


@pytest.mark.parametrize("spoil", REFUSED, ids=lambda spoil: spoil.__name__)
def test_a_database_that_leads_out_of_its_root_is_not_logged_to(root: Path, spoil: Callable[[Path], None]) -> None:
    spoil(root)
    before = contents(root.parent / "victim")
    kept = {*root.glob("*"), *root.glob("artifacts/*")}
    write_json(root / "locks" / "run-x.json", {})
    with pytest.raises((PermissionError, sqlite3.DatabaseError)):  # SQLite itself refuses a type that is wrong
        log_everything(root)
    assert contents(root.parent / "victim") == before
    assert kept <= {*root.glob("*"), *root.glob("artifacts/*")}


@pytest.mark.parametrize("spoil", NOT_DELETED, ids=lambda spoil: spoil.__name__)
def test_nothing_but_the_folder_of_a_model_is_deleted(root: Path, spoil: Callable[[Path], None]) -> None:
    spoil(root)
    kept = {*root.glob("*"), *root.glob("artifacts/*")}
    with pytest.raises(PermissionError, match="not deleted"):
        log_everything(root)
    assert kept <= {*root.glob("*"), *root.glob("artifacts/*")}


@pytest.mark.parametrize("name", ["report.html", "x.png"])
def test_files_are_not_logged_through_a_link(root: Path, name: str) -> None:
    tracker = MlflowTracker(root, "prefens")
    (root.parent / name).write_text("new")
    run = tracker.client.create_run(tracker.experiment_id, tags={"prefens.role": "blend"}).info
    folder = root / "artifacts" / run.run_id / "artifacts"
    folder.mkdir(parents=True)
    (folder / "figures").symlink_to(root.parent / "victim")
    (folder / "report.html").symlink_to(root.parent / "victim" / MODEL / "artifacts" / "thesis.txt")
    before = contents(root.parent / "victim")
    with pytest.raises(PermissionError, match="written"):
        tracker.log_report("report", {}, [root.parent / name])
    assert contents(root.parent / "victim") == before


def test_a_model_is_not_placed_through_a_link(root: Path) -> None:
    tracker = MlflowTracker(root, "prefens")
    (root / "artifacts" / "models").symlink_to(root.parent / "victim")
    (root.parent / "model").mkdir()
    Model().save(root.parent / "model" / "MLmodel")
    before = contents(root.parent / "victim")
    with pytest.raises(PermissionError, match="written"):
        tracker.log_blend("blend", "c" * 64, {}, {}, [], {}, root.parent / "model")
    assert contents(root.parent / "victim") == before


def test_a_link_to_the_root_is_no_other_place(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    tracker = MlflowTracker(root.parent / "link", "prefens")
    tracker.log_report("report", {}, [root.parent / "report.html"])
    assert [path.read_text() for path in root.glob("artifacts/*/artifacts/report.html")] == ["report"]
