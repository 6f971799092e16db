"""Outgate: network egress forensics and flow analysis."""
