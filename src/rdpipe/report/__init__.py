"""The report of a study: one HTML file that opens without a network.

It shows how things stand. What is missing, failed or diverged is named in it.
"""

from rdpipe.report.page import write_report

__all__ = ["write_report"]
