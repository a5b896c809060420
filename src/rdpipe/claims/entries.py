"""What a claim is, and how its parts decide it.

A part is an effect that should lie above a margin, or below it. The interval of the effect over
seeds decides the part:

- *supported*: the whole interval lies on the claimed side.
- *not supported*: the whole interval lies on the other side.
- *undetermined*: neither. There are too few runs, or too much noise, or something was not run.

The absence of a rise, a gap or a difference is thus only supported against a margin. A claim is
supported if all its deciding parts are, and not supported if any is not. A claim about most cases
counts its parts instead (`most_parts`). A part that is only shown does not count.

Each interval has 95 % by itself, so a part is wrongly decided in at most 2.5 % of studies.
Supporting a claim takes all its parts, and needs no correction for their number. A claim falls with
any of its parts, so it falls wrongly in up to 2.5 % times their number. Across claims no correction
is made: of dozens of parts, one or another may be wrong. An interval is over seeds (initial
weights, order of batches, noise). It is conditional on the split, the grid of β, and the examples
and noise of the evaluation. Another split of the same data could give another answer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rdpipe.claims.contrasts import Part


def all_parts(verdicts: Sequence[str]) -> str:
    """A claim that stands with all its parts and falls with any."""
    if "not supported" in verdicts:
        return "not supported"
    return "undetermined" if "undetermined" in verdicts else "supported"


def most_parts(verdicts: Sequence[str]) -> str:
    """A claim about most cases: it takes more than half, and falls when half do not show it."""
    if 2 * verdicts.count("supported") > len(verdicts):
        return "supported"
    half = 2 * verdicts.count("not supported") >= len(verdicts)
    return "not supported" if half else "undetermined"


Test = Callable[..., Iterator[Part]]


@dataclass(frozen=True)
class Claim:
    """A claim: its sentence, and the function that tests it.

    A question of ours has a reason for its margins; the paper's claims have none.
    """

    sentence: str
    test: Test
    conclude: Callable[[Sequence[str]], str]
    reason: str = ""


def enter(
    entries: dict[str, Claim],
    sentence: str,
    conclude: Callable[[Sequence[str]], str],
    reason: str = "",
) -> Callable[[Test], Test]:
    """A decorator that enters a function among claims, by its name."""

    def decorate(test: Test) -> Test:
        entries[test.__name__] = Claim(sentence, test, conclude, reason)
        return test

    return decorate
