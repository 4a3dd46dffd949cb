"""Sweeps: every combination of the values of some settings, or a search within ranges, as a study."""
