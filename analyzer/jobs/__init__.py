"""Takes queued jobs, runs each in a confined process, and says what became of it.

Supervisor ── thread for each job ── analyzer.worker.run ──> confined process
"""

from analyzer.jobs.results import read_report, warnings_of
from analyzer.jobs.settings import JobSettings, JobStatus
from analyzer.jobs.supervisor import Supervisor
from analyzer.jobs.tasks import FinishedTask

__all__ = [
    "FinishedTask",
    "JobSettings",
    "JobStatus",
    "Supervisor",
    "read_report",
    "warnings_of",
]
