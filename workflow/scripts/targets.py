"""Set the plain names of one target to the results of the current study."""

import sys

from rdpipe.common.errors import RdpipeError
from rdpipe.store.links import set_plain_names

try:
    set_plain_names(snakemake.params.links)
except (OSError, RdpipeError) as error:
    sys.exit(f"the plain names of results cannot be set: {error}")
