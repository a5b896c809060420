"""Titles and captions of figures, from the docstrings of the modules that draw them."""

import re

from rdpipe.store.fingerprint import docstring
from rdpipe.study.plan import Node


def title(figure: Node) -> str:
    """The title of a figure: the first line of its module, as in "Figure 3: …".

    Another figure that the same module draws goes by its own name, as in "mine: …", and says whose
    runs it shows if its experiment has another name.
    """
    drawn_by = figure.modules[0]
    line = docstring(drawn_by).partition("\n")[0].rstrip(".")
    if figure.name == drawn_by.rpartition(".")[2]:
        return line
    words = re.sub(r"^Figure \d+: ", "", line)
    tables = [node.name for node in figure.reads.values() if node.stage == "tables"]
    of = f", of experiment {tables[0]}" if len(tables) == 1 and tables != [figure.name] else ""
    return f"{figure.name}: {words}{of}"


def caption(figure: Node) -> str:
    """How to read a figure: what its module says after the first line."""
    return " ".join(docstring(figure.modules[0]).partition("\n")[2].split())
