"""The study: its settings, how they are read, and the plan of its results."""
