"""Write the report of a study: one HTML file."""

import sys
from pathlib import Path

from rdpipe.common.errors import RdpipeError
from rdpipe.store.links import set_plain_names

how = snakemake.params
try:
    set_plain_names(how.links)

    from rdpipe.report import write_report
    from rdpipe.results import Results

    write_report(Results.read(Path(how.report).parents[1], how.study), Path(how.report))
except (OSError, RdpipeError) as error:
    sys.exit(f"the report cannot be written: {error}")
print(f"The report is in {how.report}.", file=sys.stderr)
