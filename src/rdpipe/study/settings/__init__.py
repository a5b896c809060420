"""The config as typed models, one module a block; `study` puts them together."""
