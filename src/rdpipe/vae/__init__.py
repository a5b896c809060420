"""The models: shapes of networks, what they compute, their densities and random streams."""
