"""Reports: everything said of runs, computed from their folders alone.

:func:`write_report` reads the runs (:mod:`.runs`), groups seeds (:mod:`.groups`), builds one plain document
(:mod:`.document`, :mod:`.sections`) and hands it to the writers: :mod:`.html`, :mod:`.markdown`, :mod:`.latex` and
:mod:`.spreadsheets`. docs/report.md shows the result.
"""

from lifelong_rl.tracking.report.comparing import Comparison, compare_groups
from lifelong_rl.tracking.report.groups import Group, group_label, group_runs
from lifelong_rl.tracking.report.pictures import block_kinds, matrix_figure
from lifelong_rl.tracking.report.results import MAIN_METRICS
from lifelong_rl.tracking.report.runs import Run, read_runs
from lifelong_rl.tracking.report.versus import compare_runs
from lifelong_rl.tracking.report.writing import (
    WrittenReport,
    report_run,
    report_runs,
    write_report,
    write_reports_of_each,
    write_run,
)

__all__ = [
    "MAIN_METRICS",
    "Comparison",
    "Group",
    "Run",
    "WrittenReport",
    "block_kinds",
    "compare_groups",
    "compare_runs",
    "group_label",
    "group_runs",
    "matrix_figure",
    "read_runs",
    "report_run",
    "report_runs",
    "write_report",
    "write_reports_of_each",
    "write_run",
]
