"""Configuration: what a run may set, and the one place that makes objects of it."""
