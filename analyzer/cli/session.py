"""What the commands share: settings, rule data, detectors, and the way through them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from analyzer import engine, ingest, ruleset
from analyzer.cli.terminal import ProgressBar
from analyzer.detectors import BUILTIN
from analyzer.detectors.base import Context, Detector
from analyzer.errors import UsageError
from analyzer.history import History, Remembered, state_folder
from analyzer.model import Finding, Report
from analyzer.settings import AnalysisSettings

if TYPE_CHECKING:
    from analyzer.observations import Observations

Command = TypeVar("Command", bound=Callable[..., object])

MAX_LISTED_IDS = 5


def inside_option(command: Command) -> Command:
    """Adds --inside to a command."""
    return click.option(
        "--inside",
        metavar="CIDR",
        multiple=True,
        help="Network that counts as inside; repeatable.  [default: private ranges]",
    )(command)


def progress_option(command: Command) -> Command:
    """Adds --no-progress to a command."""
    return click.option(
        "--no-progress", is_flag=True, help="Draw no progress bar, not even on a terminal."
    )(command)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Everything an analysis needs, loaded once for all captures of a command."""

    context: Context
    history: History
    progress: bool

    @classmethod
    def open(cls, inside: Sequence[str] = (), *, progress: bool = True) -> Session:
        """Loads settings and rule data.

        Raises:
            UsageError: A network is not one, or the rule data cannot be used.
        """
        settings = AnalysisSettings.of(inside)
        context = Context(settings=settings, ruleset=ruleset.load())
        return cls(context=context, history=History(state_folder()), progress=progress)

    def load(self, paths: Sequence[str]) -> Observations:
        """Reads one capture, or several as one stream.

        Raises:
            CaptureUnreadable: It is no capture, or cannot be read.
        """
        label = "standard input" if paths[0] == ingest.STDIN else Path(paths[0]).name
        with ProgressBar(label, enabled=self.progress) as bar:
            return ingest.load(
                paths,
                settings=self.context.settings,
                ruleset=self.context.ruleset,
                progress=bar,
            )

    def judge(self, observations: Observations) -> Report:
        """Runs every detector."""
        return engine.run(observations, self.detectors(), self.context)

    @staticmethod
    def detectors() -> tuple[Detector, ...]:
        """The detectors that run, in order."""
        return BUILTIN

    def find(self, target: str, capture: str | None) -> tuple[Finding, str, Report | Remembered]:
        """The finding a person means: from a capture analysed now, or from the reports remembered.

        Args:
            target: A finding's id or the beginning of one.
            capture: The capture to analyse for it; None looks into the state folder.

        Returns:
            The finding, the file its frames are in, and the report it belongs to.

        Raises:
            UsageError: No finding, or more than one, has such an id.
            CaptureUnreadable: The capture cannot be read.
        """
        if capture is None:
            remembered = [(f, r.file, r) for f, r in self.history.find(target)]
            return one_finding(target, remembered, "among the reports remembered")
        report = self.judge(self.load([capture]))
        wanted = target if target.startswith("f-") else f"f-{target}"
        fresh = [(f, capture, report) for f in report.findings if f.id.startswith(wanted)]
        return one_finding(target, fresh, f"in {capture}")


Origin = TypeVar("Origin", Report, Remembered)


def one_finding(
    target: str, found: Sequence[tuple[Finding, str, Origin]], where: str
) -> tuple[Finding, str, Origin]:
    """The only finding of a search.

    Raises:
        UsageError: There is none, or more than one.
    """
    if not found:
        raise UsageError(
            f"cannot find a finding {target} {where}",
            hint="`outgate analyze CAPTURE` shows the ids; "
            f"or name the capture: `outgate why {shlex.quote(target)} CAPTURE`",
        )
    if len(found) > 1:
        ids = ", ".join(finding.id for finding, _, _ in found[:MAX_LISTED_IDS])
        raise UsageError(
            f"cannot tell which finding {target} is: {len(found)} begin so {where}",
            hint=f"give more of the id: {ids}",
        )
    return found[0]
