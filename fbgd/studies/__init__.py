"""Studies as values, and what executes and writes them."""
