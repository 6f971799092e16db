"""Figures for Prometheus: one registry for each application, labels from fixed sets alone."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "outgate_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "outgate_http_request_seconds",
            "Time from a request's first byte to its answer's last.",
            ["route"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "outgate_http_in_flight", "Requests being answered.", registry=self.registry
        )
        self.refused = Counter(
            "outgate_http_refused",
            "Requests refused by reason.",
            ["reason"],
            registry=self.registry,
        )
        self.jobs = Gauge("outgate_jobs", "Jobs by state.", ["state"], registry=self.registry)
        self.component = Gauge(
            "outgate_component_ready", "Parts that work.", ["component"], registry=self.registry
        )

    def count(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Counts one answered request."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(route).observe(duration_s)

    def text(self) -> bytes:
        """Everything in the text format."""
        return generate_latest(self.registry)
