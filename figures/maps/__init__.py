"""Attention maps: what they are, their layers, averages and numbers."""
