"""Runs in MLflow whose processes were killed: they would look alive for ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from mlflow.entities import Run, RunStatus

from prefens.core.leases.leases import Holder
from prefens.store.tracking.mlflow_backend import MlflowBackend
from prefens.store.tracking.model_registry import delete_unfinished_models

LEASE = "prefens.lease"  # the tag with the name of the lease that a process holds while it works on a run
ERROR = "prefens.error"  # the tag with the reason for which a run did not finish
DIED = "its process died, or was stopped"
BATCH = 1000  # runs per search: MLflow's limit


def close_dead_runs(backend: MlflowBackend, dead: Mapping[str, Holder]) -> None:
    """End the runs of dead processes, and delete the leases of those that nobody goes on with.

    The lease of a fold run stays: it tells whoever trains the fold next that a process has died over it.

    Parameters
    ----------
    backend : MlflowBackend
        Where the runs are.
    dead : mapping of str to Holder
        The leases whose holders have died, by the names of their files.
    """
    running = backend.find("attributes.status = 'RUNNING'", BATCH)
    for run in running:
        if _lease_in(run, dead):
            end_dead_run(backend, run.info.run_id)
            delete_unfinished_models(backend, run.info.run_id)
    alive = {run.data.tags.get("prefens.member") for run in running if _is_fold(run) and not _lease_in(run, dead)}
    members = {holder.metadata.get("member_digest") for holder in dead.values()} - alive - {None}
    for run in running:
        if run.data.tags.get("prefens.role") == "member" and run.data.tags.get("prefens.member") in members:
            backend.client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED))
    for name in dead:
        if not name.startswith("fold-"):
            (backend.root / "locks" / name).unlink(missing_ok=True)


def end_dead_run(backend: MlflowBackend, run: str) -> None:
    """End the run with this id, which no process works on any more, and say so in a tag."""
    backend.client.set_tag(run, ERROR, DIED)
    backend.client.set_terminated(run, RunStatus.to_string(RunStatus.KILLED))


@contextmanager
def ending(backend: MlflowBackend, run: str) -> Iterator[None]:
    """End a run where the block is cut off by a signal, or by an error of MLflow's that leaves it able to answer."""
    try:
        yield
    except BaseException:
        with suppress(Exception):
            end_dead_run(backend, run)
        raise


def run_lease(root: Path, name: str) -> Path:
    """Return the lease that a process holds while it logs a run that is no fold run."""
    return root / "locks" / f"run-{name}.json"


def _is_fold(run: Run) -> bool:
    return bool(run.data.tags.get("prefens.role") == "fold")


def _lease_in(run: Run, dead: Mapping[str, Holder]) -> bool:
    return run.data.tags.get(LEASE) in dead
