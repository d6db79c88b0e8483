"""The report: sections with their tables and figures, the page, the model card, and audits of data and votes."""

from typing import TYPE_CHECKING

from prefens.core.lazy import lazy_attribute

if TYPE_CHECKING:
    from prefens.reporting.bias.section import bias_section
    from prefens.reporting.data_profile.section import data_section
    from prefens.reporting.error_analysis import errors_section
    from prefens.reporting.folds import folds_section
    from prefens.reporting.html import Page, Tile, render_page
    from prefens.reporting.leaderboard.section import leaderboard_section
    from prefens.reporting.leak_audit import leak_section
    from prefens.reporting.model_card import render_model_card
    from prefens.reporting.plots import calibration_plot, save_plot, to_png
    from prefens.reporting.ratings.section import ratings_section
    from prefens.reporting.reliability import calibration_section
    from prefens.reporting.report import Report, blend_report, data_report, write_report
    from prefens.reporting.section import Plot, ReportTable, Section, Text
    from prefens.reporting.style_audit import style_section

__all__ = [
    "Page",
    "Plot",
    "Report",
    "ReportTable",
    "Section",
    "Text",
    "Tile",
    "bias_section",
    "blend_report",
    "calibration_plot",
    "calibration_section",
    "data_report",
    "data_section",
    "errors_section",
    "folds_section",
    "leaderboard_section",
    "leak_section",
    "ratings_section",
    "render_model_card",
    "render_page",
    "save_plot",
    "style_section",
    "to_png",
    "write_report",
]


def __getattr__(name: str) -> object:
    return lazy_attribute(__name__, name)
