"""Minima of small and large batches: how sharp they are, and what of it tells how well they generalise."""

from fbgd.studies.minima.study import STUDY

__all__ = ["STUDY"]
