"""The command line: ``fbgd``, and what of it is no study."""
