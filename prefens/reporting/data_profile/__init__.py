"""The data profile: outcomes, repeats, leaks, lengths, languages and models of pairs, with tables and figures."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.reporting.data_profile.duplicates import expected_leaked_rows, find_repeats, leaked_rows
    from prefens.reporting.data_profile.model_record import ModelRecord, model_records
    from prefens.reporting.data_profile.profile import DataProfile, data_profile
    from prefens.reporting.data_profile.section import data_section
    from prefens.reporting.data_profile.token_counts import minilm_counter

__all__ = [
    "DataProfile",
    "ModelRecord",
    "data_profile",
    "data_section",
    "expected_leaked_rows",
    "find_repeats",
    "leaked_rows",
    "minilm_counter",
    "model_records",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
