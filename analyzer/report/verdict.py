"""The one line on top: what this capture shows, in words that claim no more than the findings."""

from __future__ import annotations

from dataclasses import dataclass

from analyzer.model import Category, Finding, Report, Severity

ALARM_CONFIDENCE = 0.5
ALARM_SEVERITY = Severity.MEDIUM
CONFIRMED_CONFIDENCE = 0.9
"""From here on a finding is stated; between `ALARM_CONFIDENCE` and this it is called possible."""

NOTHING_FOUND = "nothing found in what could be judged"

CONTACT_ONLY = {"mining.pool_contact": "MINING POOL CONTACTED"}
"""Detectors whose findings are about who was met, not about what was done there."""

WORDS = {
    Category.MINING: "MINING",
    Category.REVERSE_TUNNEL: "REVERSE TUNNEL",
    Category.TUNNEL: "TUNNEL",
    Category.VPN: "VPN",
    Category.SCAN: "SCAN",
    Category.BEACON: "BEACON",
    Category.EXFILTRATION: "EXFILTRATION",
    Category.POLICY: "POLICY BREACH",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The words, and the severity that colours them (None: nothing was found)."""

    words: str
    severity: Severity | None


def is_alarm(finding: Finding) -> bool:
    """Whether a finding is an alarm as the contract defines it."""
    loud = finding.severity.rank >= ALARM_SEVERITY.rank
    return loud and finding.confidence >= ALARM_CONFIDENCE


def verdict(report: Report) -> Verdict:
    """What the findings of one capture add up to."""
    alarms = [finding for finding in report.findings if is_alarm(finding)]
    if alarms:
        words = list(dict.fromkeys(_words(finding) for finding in alarms))
        certain = {word.removesuffix(" CONFIRMED") for word in words}
        kept = [word for word in words if word.removeprefix("POSSIBLE ") not in certain - {word}]
        return Verdict(words=" · ".join(kept), severity=alarms[0].severity)
    if report.findings:
        count = len(report.findings)
        noun = "note" if count == 1 else "notes"
        return Verdict(
            words=f"no alarm · {count} {noun} below alarm level",
            severity=report.findings[0].severity,
        )
    if not report.quality.frames:
        return Verdict(words="nothing to judge: the capture holds no frame", severity=None)
    return Verdict(words=NOTHING_FOUND, severity=None)


def _words(finding: Finding) -> str:
    if finding.detector in CONTACT_ONLY:
        return CONTACT_ONLY[finding.detector]
    words = WORDS[finding.category]
    if finding.confidence < CONFIRMED_CONFIDENCE:
        return f"POSSIBLE {words}"
    return f"{words} CONFIRMED" if finding.category is Category.MINING else words
