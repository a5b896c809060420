"""Stage training: β-VAEs, one for each split, architecture, β and seed (Section 4.3)."""
