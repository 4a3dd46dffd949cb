"""Read-only diagnostics of a training state."""
