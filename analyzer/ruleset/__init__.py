"""The rule data in `signatures/`: pools, relays, coins and payload patterns.

`load` reads and validates it, `RuleSet` answers questions about names, addresses, ports, banners
and bytes. Nothing here asks the clock or the network: rule data carries its own dates.
"""

from __future__ import annotations

from analyzer.ruleset.kinds import (
    Coin,
    HttpMark,
    NameRule,
    NetworkRule,
    Payload,
    PayloadTest,
    Pool,
    PoolPort,
    Relay,
    RelayPort,
    SshMark,
    UdpMark,
)
from analyzer.ruleset.load import load
from analyzer.ruleset.review import Notice, Rule, explain, lint, run_tests
from analyzer.ruleset.schema import json_schema, schema_text
from analyzer.ruleset.sets import HttpFacts, PoolMatch, RelayMatch, RuleSet
from analyzer.ruleset.spec import DIALECTS

__all__ = [
    "DIALECTS",
    "Coin",
    "HttpFacts",
    "HttpMark",
    "NameRule",
    "NetworkRule",
    "Notice",
    "Payload",
    "PayloadTest",
    "Pool",
    "PoolMatch",
    "PoolPort",
    "Relay",
    "RelayMatch",
    "RelayPort",
    "Rule",
    "RuleSet",
    "SshMark",
    "UdpMark",
    "explain",
    "json_schema",
    "lint",
    "load",
    "run_tests",
    "schema_text",
]
