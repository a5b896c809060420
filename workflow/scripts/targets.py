"""Set the plain names of one target to the results of the current study."""

from pathlib import Path

from rdpipe.store import place_link

for link, target in snakemake.params.links.items():
    place_link(Path(link), target)
