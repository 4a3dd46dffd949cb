"""Escape from a given minimum: how soon noise of equal trace and different shape throws descent out of it."""
