"""Runs: planned, executed, resumed, each in a directory of its own."""
