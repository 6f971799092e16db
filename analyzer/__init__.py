"""Outgate: network egress forensics and flow analysis."""

__version__ = "0.1.0"
