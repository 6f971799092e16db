"""Detectors of tunnel."""
