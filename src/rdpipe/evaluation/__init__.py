"""Stage evaluation: the measures of each trained run (Sections 2, 4.4 and 4.5)."""
