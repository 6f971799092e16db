"""A finding that tells of nothing that happened, to try a sink out."""

from __future__ import annotations

from typing import Any

from analyzer.times import rfc3339

DETECTOR = "outgate.test"
TAG = "outgate-test"


def trial_finding(sink_name: str, token: str, now_ns: int) -> dict[str, Any]:
    """A whole finding of the form `native` on documentation addresses, marked in every text.

    Args:
        sink_name: The sink that is tried.
        token: Tells this trial from others.
        now_ns: Time of the trial.
    """
    now = rfc3339(now_ns, 1000)
    title = f"Test of the sink {sink_name}: nothing happened"
    return {
        "id": f"test-{token}",
        "detector": DETECTOR,
        "detector_version": 1,
        "category": "policy",
        "title": title,
        "severity": "info",
        "confidence": 0.0,
        "first_seen": now,
        "last_seen": now,
        "flow": {
            "src_ip": "192.0.2.10",
            "src_port": 49152,
            "dst_ip": "198.51.100.20",
            "dst_port": 443,
            "transport": "tcp",
            "community_id": None,
        },
        "flows": 1,
        "flow_ids": [],
        "evidence": [
            {
                "kind": "context",
                "summary": "somebody pressed the test button of this sink",
                "weight": 0.0,
                "signature": None,
                "packets": [],
            }
        ],
        "evidence_available": False,
        "attack": [],
        "attributes": {"test": True},
        "not_visible": [],
        "next_steps": ["nothing is to be done"],
        "capture": None,
        "sequence": 0,
        "version": 1,
        "current": True,
        "status": "new",
        "verdict": "",
        "assignee": "",
        "tags": [TAG],
        "created_at": now,
        "updated_at": now,
        "analysis_id": "",
        "capture_id": "",
        "suppressed_by": "",
    }
