"""The detectors, listed by hand in running order."""

from analyzer.detectors.base import Detector
from analyzer.detectors.mining.pool_contact import PoolContact
from analyzer.detectors.mining.stratum import Stratum
from analyzer.detectors.mining.stratum_v2 import StratumV2
from analyzer.detectors.tunnel.relay import Relay
from analyzer.detectors.tunnel.ssh_reverse import SshReverse

BUILTIN: tuple[Detector, ...] = (Stratum(), StratumV2(), PoolContact(), SshReverse(), Relay())
