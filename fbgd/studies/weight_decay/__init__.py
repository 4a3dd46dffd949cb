"""Weight decay as a prior and as a partner of training dynamics: its settings, its figures, and what they rest on."""
