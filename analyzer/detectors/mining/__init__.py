"""Detectors of mining."""
