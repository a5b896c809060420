"""Stage diagnostics: where a gap between training and test comes from. One module a measure.

The measure of a run is an object of its own in the store: its address covers the measure's module
and settings, and no other measure's. So adding a measure computes that measure alone, and changes
no evaluation.

The module of a measure has a function `write_measure(folder, parts, *, run, model, **settings)`;
`runs` has what measures share. Each measure draws from uses of the seed of its own, from 100 on.
Those of training and evaluation stand in `rdpipe.vae.streams`, which these stages cover: an edit
there would retrain all runs.
"""
