"""The store of results, their addresses, and the jobs that fill it."""
