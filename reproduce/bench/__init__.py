"""Benchmarks: pairs of measurements in one process, medians of ratios, never a timed test."""
