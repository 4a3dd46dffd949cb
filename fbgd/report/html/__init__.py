"""A study's results as one interactive page, which needs no network."""
