"""The OOF store: folds, members and their out-of-fold probabilities as plain files that are checked when read."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.store.assemble import common_rows, make_stack
    from prefens.store.external import ExternalMember
    from prefens.store.failures import Failure
    from prefens.store.fold_status import FoldState, FoldStatus, read_fold_status
    from prefens.store.member_spec import MemberSpec
    from prefens.store.oof_store import OOFStore
    from prefens.store.run_record import RunRecord, RunResult
    from prefens.store.split_store import SplitStore

__all__ = [
    "ExternalMember",
    "Failure",
    "FoldState",
    "FoldStatus",
    "MemberSpec",
    "OOFStore",
    "RunRecord",
    "RunResult",
    "SplitStore",
    "common_rows",
    "make_stack",
    "read_fold_status",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
