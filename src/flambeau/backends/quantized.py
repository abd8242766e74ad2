"""Engines for quantised arithmetic: none."""
engine = "none"
supported_engines = ["none"]
