"""Set the plain names of one target to the results of the current study."""

from rdpipe.store import set_plain_names

set_plain_names(snakemake.params.links)
