"""The detectors, listed by hand in running order."""

from analyzer.detectors.base import Detector

BUILTIN: tuple[Detector, ...] = ()
