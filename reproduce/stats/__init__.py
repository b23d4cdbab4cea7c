"""Intervals, tests against published numbers, and tests between two samples."""
