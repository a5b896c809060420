"""Figures of the paper, one module each: `draw` writes its PDF, its PNG and its numbers as CSV.

A figure of an experiment is called with the paths of its tables as `inputs` (see `rdpipe.tables`):
`summary`, `runs`, `neighbours` and `reconstructions`; with its `splits`, of which each has a `name`
and its `dataset` as figures call it; and with its `archs`, of which each has a `name`, a `label`,
its `kind`, its number of `layers`, its `variant`: "" or what sets it apart from the plain
architecture ("early stopping", "no marginal KL", "no MI"), and its `base`: the name of that plain
architecture, which may be itself, or None if the experiment does not have it.
"""
