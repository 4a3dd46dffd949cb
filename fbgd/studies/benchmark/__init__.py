"""Speed of the engine, as ratios that are measured side by side."""
