"""Figures of the paper, one module each: `draw` writes its PDF, its PNG and its numbers as CSV."""
