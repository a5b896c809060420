"""Small things that several rooms need. Nothing here imports another room."""
