"""Tracking over a network that may be down: what is told is on the local disk first, and delivered when it can be.

Guarantees. A call returns within seconds, whether the server answers or not, and never raises for it. What it told
lies under root/outbox, one folder each, until the server has all of it: a process that is killed, or a server that
comes back tomorrow, loses nothing. It is delivered by the next call, the end of the run, or the next command, of any
process on the same disk, one at a time; sending a folder twice changes nothing.

    outbox/<time>-<attempt>-<about>/call.json   what to tell; about: the fold run's key, the member's, or the kind
    outbox/<time>-<attempt>-<about>/files/      copies of the files
    outbox/<time>-<attempt>-<about>/model/      the model of a blend, as links
    outbox/refused/                             what the server said no to
"""

from __future__ import annotations

import json
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException

from prefens.core.files import link_tree, written_aside
from prefens.core.types import Folds, RunKey
from prefens.store.member_spec import MemberSpec
from prefens.store.tracking.dataset import described
from prefens.store.tracking.mlflow_tracker import MlflowTracker
from prefens.store.tracking.tracker import Rows

log = logging.getLogger(__name__)

REST = 30.0  # seconds without a call after one that failed or took too long
SHARE = 10.0  # seconds that a call may spend on what others left
PATIENCE = 60.0  # seconds that the end of a run may
REFUSED = range(400, 500)
LATER = (401, 403, 408, 425, 429)  # of those: passwords, timeouts, too many requests


@dataclass
class Outbox:
    """A tracker in front of an MLflow server.

    Attributes
    ----------
    folder : where the undelivered lies.
    connect : returns the tracker on the server; may raise MlflowException or OSError.
    command : what delivers the rest, for warnings.
    """

    folder: Path
    connect: Callable[[], MlflowTracker]
    command: str
    _server: MlflowTracker | None = None
    _silent_until: float = 0.0
    _told_down: bool = False
    _begun: dict[str, dict[str, Any]] = field(default_factory=dict)

    def has_fold(self, key: RunKey) -> bool:
        """Whether the run is tracked, or will be. Where nobody answers it counts as tracked: the next command asks."""
        return self._keeps(key.digest) or bool(self._ask(lambda server: server.has_fold(key), True))

    def has_member(self, spec: MemberSpec) -> bool:
        """Likewise, for a member's OOF scores."""
        kept = self._keeps(spec.key(0).member_digest)
        return kept or bool(self._ask(lambda server: server.has_member(spec), True))

    def start_fold(self, spec: MemberSpec, key: RunKey) -> str:
        attempt, started = uuid.uuid4().hex, _now()
        run = self._ask(lambda server: server.start_fold(spec, key, attempt, started), None)
        call = {"attempt": attempt, "started": started, "spec": asdict(spec), "fold": key.fold, "about": key.digest}
        self._begun[attempt] = call | {"run": run}
        return attempt

    def finish_fold(
        self, run: str, metrics: Mapping[str, float], curves: Mapping[str, Sequence[float]], files: Sequence[Path]
    ) -> None:
        told = {"metrics": dict(metrics), "curves": {name: list(curve) for name, curve in curves.items()}}
        self._tell({**self._begun.pop(run), "call": "fold", **told}, files)

    def fail_fold(self, run: str, error: BaseException) -> None:
        call = self._begun.pop(run, None)  # None: its result is told already
        if call is not None:
            told = {"error": str(error) or repr(error), "stopped": not isinstance(error, Exception)}
            self._tell({**call, "about": "failure", "call": "failure", **told})

    def abandon_fold(self, key: RunKey) -> None:
        """Mark what a dead process left. While nobody answers that is put off until the run that replaces it is told.

        What waits here was told by a process that lived.
        """
        if not self._keeps(key.digest):
            self._ask(lambda server: server.abandon_fold(key), None)

    def finish_member(
        self, spec: MemberSpec, metrics: Mapping[str, float], files: Sequence[Path], folds: Folds | None = None
    ) -> None:
        call = {"call": "member", "spec": asdict(spec), "about": spec.key(0).member_digest}
        self._tell(call | {"metrics": dict(metrics), "data": _data(folds)}, files)

    def log_race(self, spec: MemberSpec, metrics: Mapping[str, float], lost: bool) -> None:
        call = {"call": "race", "spec": asdict(spec), "about": f"race-{spec.name}"}
        self._tell(call | {"metrics": dict(metrics), "lost": lost})

    def log_blend(
        self,
        name: str,
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Sequence[Path],
        tables: Mapping[str, Rows],
        model: Path | None = None,
        folds: Folds | None = None,
    ) -> None:
        call = {"call": "blend", "about": "blend", "name": name, "metrics": dict(metrics), "tags": dict(tags)}
        rows = {title: [dict(row) for row in table] for title, table in tables.items()}
        self._tell(call | {"tables": rows, "started": _now(), "data": _data(folds)}, files, model)

    def log_report(self, name: str, tags: Mapping[str, str], files: Sequence[Path]) -> None:
        self._tell({"call": "report", "about": "report", "name": name, "tags": dict(tags), "started": _now()}, files)

    def deliver(self) -> None:
        self._silent_until = 0.0
        self._send_all(PATIENCE, wait=True)
        left = len(self._waiting())
        if left:
            log.warning("%d results wait in %s. To deliver them: %s", left, self.folder, self.command)

    def _tell(self, call: dict[str, Any], files: Sequence[Path] = (), model: Path | None = None) -> None:
        try:
            self._write({"attempt": uuid.uuid4().hex, **call, "ended": _now()}, files, model)
        except OSError as error:  # a full disk, say
            log.warning("a result can't be kept for MLflow (%s). To tell it from the store: %s", error, self.command)
        self._send_all(SHARE, wait=False)

    def _write(self, call: Mapping[str, Any], files: Sequence[Path], model: Path | None) -> None:
        name = f"{time.time_ns():020d}-{call['attempt'][:12]}-{call['about'][:16]}"
        with written_aside(self.folder / name) as aside:
            (aside / "files").mkdir(parents=True)
            for path in files:
                shutil.copyfile(path, aside / "files" / path.name)
            if model is not None:
                link_tree(model, aside / "model")
            (aside / "call.json").write_text(json.dumps(call), "utf-8")

    def _send_all(self, seconds: float, wait: bool) -> None:
        """Deliver the oldest first, until nothing waits, the server fails, or the time is over."""
        until = time.monotonic() + seconds
        try:
            with FileLock(self.folder.parent / "locks" / "outbox.lock", timeout=seconds if wait else 0):
                while waiting := self._waiting():
                    if time.monotonic() > until or not self._ask(partial(self._send, waiting[0]), False, wait):
                        return
        except Timeout:
            return  # another process delivers

    def _send(self, entry: Path, server: MlflowTracker) -> bool:
        """Deliver one, and put away what can never be delivered; raises while the server is down."""
        try:
            send(server, entry)
        except MlflowException as error:
            code = error.get_http_status_code()  # type: ignore[no-untyped-call]
            if code not in REFUSED or code in LATER:
                raise
            to = self.folder / "refused" / entry.name
            log.warning("the server refused a result, which is kept in %s: %s", to, _first_line(error))
            to.parent.mkdir(exist_ok=True)
            entry.rename(to)
            return True
        done = entry.with_name(f".{entry.name}.sent")
        entry.rename(done)  # all of it goes at once
        shutil.rmtree(done, ignore_errors=True)
        return True

    def _ask(self, question: Callable[[MlflowTracker], Any], otherwise: Any, patient: bool = False) -> Any:
        """Return the server's answer, or `otherwise` while it is down.

        One that fails, or that is slow where nobody is `patient`, is left alone for a while.
        """
        started = time.monotonic()
        if started < self._silent_until:
            return otherwise
        try:
            answer = question(self._connected())
            self._told_down = False
        except (MlflowException, OSError) as error:
            level = logging.DEBUG if self._told_down else logging.WARNING
            log.log(level, "MLflow does not answer; results wait in %s: %s", self.folder, _first_line(error))
            self._told_down, answer = True, otherwise
        if self._told_down or (not patient and time.monotonic() - started > SHARE):
            self._silent_until = time.monotonic() + REST
        return answer

    def _connected(self) -> MlflowTracker:
        if self._server is None:
            self._server = self.connect()
        return self._server

    def _waiting(self) -> list[Path]:
        return sorted(path.parent for path in self.folder.glob("[0-9]*/call.json"))

    def _keeps(self, digest: str) -> bool:
        return any(self.folder.glob(f"[0-9]*-{digest[:16]}"))


def send(server: MlflowTracker, entry: Path) -> None:
    """Tell the server one undelivered call; sending it again changes nothing."""
    call, files = _read(entry), sorted((entry / "files").iterdir())
    kind, attempt, ended = call["call"], call["attempt"], call["ended"]
    if kind == "blend":
        tables, model = call["tables"], entry / "model"
        placed = model if model.is_dir() else None
        about, data, started = (call["name"], call["metrics"], call["tags"]), call["data"], call["started"]
        server.log_blend(*about, files, tables, placed, data, attempt, started)
        return
    if kind == "report":
        server.log_report(call["name"], call["tags"], files, attempt, call["started"])
        return
    spec = MemberSpec(**call["spec"])
    if kind == "race":
        server.log_race(spec, call["metrics"], call["lost"], ended)
        return
    if kind == "member":
        server.finish_member(spec, call["metrics"], files, call["data"], ended)
        return
    key, run, started = spec.key(call["fold"]), call["run"], call["started"]
    if run is None:  # nobody answered when it began
        server.abandon_fold(key, started)
        run = server.start_fold(spec, key, attempt, started)
    if kind == "fold":
        server.finish_fold(run, call["metrics"], call["curves"], files, ended)
    else:
        error = KeyboardInterrupt(call["error"]) if call["stopped"] else RuntimeError(call["error"])
        server.fail_fold(run, error, ended)


def _read(entry: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((entry / "call.json").read_text("utf-8"))
    return found


def _data(folds: Folds | None) -> dict[str, str] | None:
    return None if folds is None else described(folds)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300]


def _now() -> int:
    return int(time.time() * 1000)
