"""The detectors, listed by hand in running order."""

from analyzer.detectors.base import Detector
from analyzer.detectors.mining.stratum import Stratum
from analyzer.detectors.tunnel.ssh_reverse import SshReverse

BUILTIN: tuple[Detector, ...] = (Stratum(), SshReverse())
