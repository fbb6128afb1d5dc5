"""Tables, figures and the report page of a run, from plain records."""

from l1ad.reporting.collect import RunReport, collect_report
from l1ad.reporting.html import render_html, write_report

__all__ = ["RunReport", "collect_report", "render_html", "write_report"]
