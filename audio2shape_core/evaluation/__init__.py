"""Metrics with independent oracles, and the paper's tables."""
