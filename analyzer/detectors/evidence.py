"""Turns reasons into a confidence; the only place where weights are added.

A case starts at its prior: the log-odds that a conversation picked out by this detector is what it
is accused of before anything is known about it, which is always against. Each reason adds its
weight. The confidence is the logistic function of the sum of the weights as printed, so a person
can add them up and arrive at the same number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analyzer.model import MAX_EVIDENCE_FRAMES, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WEIGHT_DECIMALS = 2
CONFIDENCE_DECIMALS = 6
MAX_LOG_ODDS = 12.0
"""No single weight is beyond this; e^12 is one error in 160 000."""

FAMILY_CAPS: Mapping[str, float] = {
    "signature": 4.0,
    "protocol": 10.0,
    "intel": 4.0,
    "timing": 5.0,
    "size": 6.0,
    "behaviour": 5.0,
}
"""What one family of reasons may add in total: its members are not independent of each other, so
ten sightings of one kind must not count like ten kinds of sighting."""


def confidence_of(evidence: Iterable[Evidence]) -> float:
    """Probability from the printed weights: the logistic function of their sum."""
    total = math.fsum(reason.weight for reason in evidence)
    return round(1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, total)))), CONFIDENCE_DECIMALS)


def frame_numbers(frames: Iterable[int]) -> tuple[int, ...]:
    """Distinct frame numbers, ascending, the first `MAX_EVIDENCE_FRAMES`; 0 means no frame."""
    numbers = sorted({int(number) for number in frames} - {0})
    return tuple(numbers[:MAX_EVIDENCE_FRAMES])


@dataclass(slots=True, kw_only=True)
class Case:
    """Collects the reasons for one finding.

    Attributes:
        prior: Log-odds before any reason; negative.
        prior_summary: What the prior stands for, in words, since it is printed with the reasons.
        caps: Most that each family may add; a family without a cap is bounded by `MAX_LOG_ODDS`.

    Raises:
        ValueError: The prior is not negative.
    """

    prior: float
    prior_summary: str = "before any evidence: few conversations are of this kind"
    caps: Mapping[str, float] = field(default_factory=lambda: FAMILY_CAPS)
    _reasons: list[Evidence] = field(default_factory=list, init=False)
    _added: dict[str, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if not self.prior < 0:
            raise ValueError(f"the prior is {self.prior}, it must be negative")
        weight = _rounded(self.prior)
        self._reasons.append(Evidence(kind="prior", summary=self.prior_summary, weight=weight))

    def add(
        self,
        kind: str,
        summary: str,
        weight: float,
        *,
        frames: Iterable[int] = (),
        signature: str | None = None,
        family: str | None = None,
    ) -> Case:
        """Adds one reason; a positive weight is cut to what its family may still add.

        Args:
            kind: signature, protocol, intel, timing, size, behaviour, ...
            summary: One clause a person understands; text from the wire may be in it unescaped.
            weight: Natural-log odds, negative if it speaks against.
            frames: Frame numbers that show it, in any order.
            signature: Id of the signature that matched.
            family: Whose cap applies; `kind` if not given.

        Returns:
            The case itself.
        """
        granted = _rounded(weight)
        name = family or kind
        if granted > 0:
            room = self.caps.get(name, MAX_LOG_ODDS) - self._added.get(name, 0.0)
            granted = _rounded(max(0.0, min(granted, room)))
            self._added[name] = self._added.get(name, 0.0) + granted
        self._reasons.append(
            Evidence(
                kind=kind,
                summary=summary,
                weight=granted,
                signature=signature,
                packets=frame_numbers(frames),
            )
        )
        return self

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The prior, then the reasons in the order they were added."""
        return tuple(self._reasons)

    @property
    def confidence(self) -> float:
        """Probability that the conclusion is right, from the weights as printed."""
        return confidence_of(self._reasons)


def _rounded(weight: float) -> float:
    if not math.isfinite(weight):
        raise ValueError(f"weight {weight} is not a number of log-odds")
    return round(max(-MAX_LOG_ODDS, min(MAX_LOG_ODDS, weight)), WEIGHT_DECIMALS) + 0.0
