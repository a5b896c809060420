"""The claims of the paper, and how the tables of a study judge them."""
