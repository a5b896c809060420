"""Stage datasets, one module a kind: `write_dataset` leaves images, factors and a manifest."""
