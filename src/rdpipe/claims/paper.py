"""The paper's claims, each judged from the tables of an experiment.

A claim is a small function. It yields parts; a part is an effect that should lie above a margin,
or below it, and its interval over seeds decides: *supported* if all of it lies on the claimed side,
*not supported* if all of it lies on the other, *undetermined* otherwise (too few runs, too much
noise, or something the claim needs was not run). That a thing is absent (a rise, a gap, a
difference) is thus only ever supported against a margin, and every margin stands here, before any
result. A claim is supported if all its parts are, and not supported if any is not.

Each interval has 95 % by itself, so that a part is wrongly decided in 2.5 % of studies at most.
Supporting a claim takes all its parts, which needs no correction for their number; it falls with
any of them, so it falls wrongly in up to 2.5 % times their number. Across claims no correction is
made either: of dozens of parts, one or another may be wrong. An interval is over seeds (initial
weights, order of batches, noise) and conditional on the split, the grid of β, and the examples and
noise of the evaluation: another split of the same data could give another answer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd

from rdpipe.claims.contrasts import (
    Missing,
    Part,
    Tables,
    above,
    above_minimum,
    at,
    below,
    both_signs,
    ends,
    larger,
    per_halving,
    rises,
    smaller,
    valley,
)
from rdpipe.claims.intervals import Interval, difference
from rdpipe.common.errors import RdpipeError

# Margins, in nats an image unless said otherwise.
SHAPE = 1.0
"""The smallest rise, fall or difference of an RD curve that counts: an image becomes e times more
or less likely, 2 % of the entropy of a Tetromino (49 nats), too small to see in the figures."""
GAP = 5.0
"""What is still "virtually" nothing between two parts or splits: a tenth of that entropy."""
SATURATION = 0.1
"""How near to log N, the most it can be, mutual information is saturated: 1 % of log 16,384."""
LEAD = 0.0
"""For an optimum: any lead counts."""
SOME = 0.05
"""The share of reconstructions from which on "some" of them resemble memorised neighbours."""
RESEMBLANCE = 0.5
"""How near, as a share of the distance between dense and sparse, a split resembles the sparse."""

BEST_BETA = 0.1  # the optimum that the paper names for three layers on the sparse split
STANDARD_BETA = 1.0  # the standard VAE


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


Judgement = Callable[[Tables, Sequence[str], Sequence[str]], Iterator[Part]]


@dataclass(frozen=True)
class Claim:
    """A claim: the sentence of the paper, the function that tests it, and what this is given.

    splits and archs are how many it takes, in the order that its docstring says; None is any
    number.
    """

    sentence: str
    test: Judgement
    splits: int | None
    archs: int | None
    conclude: Callable[[Sequence[str]], str]


CLAIMS: dict[str, Claim] = {}
"""Every claim by the name of its function."""


def claim(
    sentence: str,
    *,
    splits: int | None = 1,
    archs: int | None = 1,
    conclude: Callable[[Sequence[str]], str] = all_parts,
) -> Callable[[Judgement], Judgement]:
    """Enter a function in CLAIMS, with the sentence of the paper that it tests."""

    def enter(test: Judgement) -> Judgement:
        CLAIMS[test.__name__] = Claim(sentence, test, splits, archs, conclude)
        return test

    return enter


@claim(
    "For the dense CV (82k/82k) split (top), we observe no evidence of memorization.", archs=None
)
def dense_no_memorization(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """The dense split; any architectures. The generalisation gap in D is small at every β.

    In nats, because a decoder that returns training images pays for it on test images, while the
    share of reconstructions that are nearer to a training image than to their input is large for
    one that underfits, too.
    """
    for arch in archs:
        yield below(GAP, f"{arch}: largest gap in D, test over train", tables.gap(splits[0], arch))


@claim(
    "increasing model capacity uniformly improves generalization, in the sense that it decreases "
    "both the rate and the distortion, shifting the curve to the bottom left",
    archs=2,
)
def dense_capacity_helps(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """The dense split; one layer, three layers. Test D and R are higher at no β, lower on average.

    "Uniformly" is that there is no β where they are higher, and absence takes a margin.
    """
    for metric in ("distortion", "rate"):
        shallow, deep = (tables.curve(splits[0], arch, metric) for arch in archs)
        yield below(SHAPE, f"{metric}: largest excess of {archs[1]} at a β", deep - shallow)
        lead = (shallow - deep).mean(axis=1, skipna=False)
        yield above(SHAPE, f"{metric}: lead of {archs[1]}, mean over β", lead)


@claim(
    "The distortion on the training set decreases monotonically as we reduce β, whereas the "
    "distortion on the test set initially decreases, achieves a minimum, and somewhat increases "
    "afterwards."
)
def sparse_u_shape(tables: Tables, splits: Sequence[str], archs: Sequence[str]) -> Iterator[Part]:
    """The sparse split; one layer. The minimum of each seed's test D is where other seeds' is."""
    train, test = (tables.curve(splits[0], archs[0], "distortion", p) for p in ("train", "test"))
    small, large = ends(test)
    yield below(SHAPE, "train D: largest rise as β falls", rises(train))
    yield above(SHAPE, "test D: from largest β down to the minimum", above_minimum(large, test))
    yield above(SHAPE, "test D: from the minimum up to smallest β", above_minimum(small, test))


@claim("L-shaped curves in which generalization improves as we reduce β")
def sparse_l_shape(tables: Tables, splits: Sequence[str], archs: Sequence[str]) -> Iterator[Part]:
    """The sparse split; three layers. Test D falls from the largest β on, and never rises."""
    test = tables.curve(splits[0], archs[0], "distortion")
    small, large = ends(test)
    yield below(SHAPE, "test D: largest rise as β falls", rises(test))
    yield above(SHAPE, "test D: from largest β down to smallest", large - small)


@claim(
    "When we perform early stopping (see Appendix ??), the RD curve once again becomes monotonic, "
    "which is consistent with this interpretation in terms of overfitting.",
    archs=2,
)
def sparse_early_stopping(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """The sparse split; one layer, the same with early stopping. Only the first curve rises."""
    plain, stopped = (tables.curve(splits[0], arch, "distortion") for arch in archs)
    depth = valley(plain)
    yield above(SHAPE, f"{archs[0]}: test D, depth of the minimum", depth)
    yield below(SHAPE, f"{archs[1]}: test D, largest rise as β falls", rises(stopped))


def _peak(name: str, curve: pd.DataFrame) -> Iterator[Part]:
    """The curve is higher at the paper's β than at any other."""
    peak = at(curve, BEST_BETA)
    for side, others in (("larger", larger), ("smaller", smaller)):
        lead = others(curve, BEST_BETA).sub(peak, axis=0)
        yield below(LEAD, f"{name}: best {side} β minus β = {BEST_BETA:g}", lead)


@claim("we observe that the test-set lower bound […] achieves a maximum at β = 0.1")
def sparse_elbo_peak(tables: Tables, splits: Sequence[str], archs: Sequence[str]) -> Iterator[Part]:
    """The sparse split; three layers. The paper fixes the β."""
    yield from _peak("test ELBO", tables.curve(splits[0], archs[0], "elbo"))


@claim(
    "Additional analysis (see Appendix ??) shows that this maximum also corresponds to the maximum "
    "of the log marginal likelihood log p_θ(x)."
)
def sparse_likelihood_peak(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """The sparse split; three layers. The estimate of most importance samples is taken.

    It is a lower bound, and loosest at small β: this favours 0.1 over smaller β, which the
    effective sample sizes in the tables put in proportion.
    """
    name = _likelihood(tables.runs)
    yield from _peak(f"test {name}", tables.curve(splits[0], archs[0], name))


def _likelihood(runs: pd.DataFrame) -> str:
    """The column of log p(x) with most importance samples."""
    samples = runs.columns.str.extract(r"^log_likelihood_(\d+)$", expand=False).dropna()
    if samples.empty:
        raise Missing("log p(x) was not measured")
    return f"log_likelihood_{max(samples.astype(int))}"


@claim("the generalization gap, in terms of both D and log p_θ(x), is smallest at β = 0.1")
def sparse_smallest_gap(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """The sparse split; three layers. The gaps are those between train and test."""
    yield from _peak("gap in D, negated", -tables.gap(splits[0], archs[0]))
    name = _likelihood(tables.runs)
    train, test = (tables.curve(splits[0], archs[0], name, part) for part in ("train", "test"))
    # the images of the two differ, which shifts the gap, but alike at every β
    yield from _peak(f"gap in {name}, negated", test - train)


@claim(
    "some reconstructions resemble memorized neighbors in the training set. However, "
    "counterintuitively, no memorization is apparent at smaller β values."
)
def sparse_memorization(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """The sparse split; three layers. From β = 1 to the paper's 0.1, memorisation vanishes.

    Measured as the share of test images whose reconstruction is nearer to a training image. One
    that underfits is so, too: at β = 1 the share says no more than that something is wrong, at 0.1
    a small one says that nothing is.
    """
    share = tables.curve(splits[0], archs[0], "memorization")
    small = at(share, BEST_BETA)
    standard = at(share, STANDARD_BETA)
    unit = "of test images"
    yield above(SOME, f"memorised at β = 1 minus β = {BEST_BETA:g}", standard - small, unit)
    yield below(SOME, f"memorised at β = {BEST_BETA:g}", small, unit)


@claim(
    "In the CV splits, the qualitative discrepancy between 1-layer and 3-layer networks becomes "
    "more pronounced as we decrease the size of the training set. However, in the CD splits, "
    "discrepancies are much less pronounced.",
    splits=None,
    archs=2,
)
def discrepancy_needs_sparsity(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """CV and CD splits of two sizes or more each, in any order; one layer, three layers.

    The discrepancy of a split is how much more three layers lose against one at β >= 1, on
    average, than they do at β < 1: 0 for curves of one shape, however far apart, large for an L
    against a U. Its trend is in nats a halving of the training set.
    """
    slopes = {}
    for kind in ("cv", "cd"):
        points = [
            (tables.n_train(split), _discrepancy(tables, split, archs))
            for split in splits
            if tables.kind(split) == kind
        ]
        slopes[kind] = per_halving(points)
    unit = "nats a halving of N"
    yield above(SHAPE, "CV: growth of the discrepancy", slopes["cv"], unit)
    yield below(SHAPE, "CD: growth of the discrepancy", slopes["cd"], unit)
    yield above(LEAD, "CV minus CD", slopes["cv"] - slopes["cd"], unit)


def _discrepancy(tables: Tables, split: str, archs: Sequence[str]) -> pd.Series:
    shallow, deep = (tables.curve(split, arch, "distortion") for arch in archs)
    excess = deep - shallow
    small = smaller(excess, STANDARD_BETA)
    large = excess.drop(columns=small.columns)
    if large.columns.empty:
        raise Missing(f"no β of {STANDARD_BETA:g} or more in the grid")
    return large.mean(axis=1, skipna=False) - small.mean(axis=1, skipna=False)


@claim("RD curves for 3-layer networks are virtually indistinguishable.", splits=None)
def cd_indistinguishable(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """CD splits; three layers. No two of them differ by much at any β, in test D or in R."""
    if len(splits) < 2:
        raise Missing("a comparison takes two splits or more")
    for name, metric in (("D", "excess_distortion"), ("R", "rate")):
        curves = [tables.curve(split, archs[0], metric) for split in splits]
        differences = pd.concat([one - other for one, other in permutations(curves, 2)], axis=1)
        yield below(GAP, f"test {name}: largest difference between splits at a β", differences)


@claim(
    "RD curves for 1-layer networks still exhibit a minimum, but there is a much weaker dependence "
    "on the training set size. Moreover, generalization performance marginally improves as we "
    "decrease the size of the training set.",
    splits=None,
)
def cd_weak_dependence(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """CV and CD splits of two sizes or more each, in any order; one layer.

    Much weaker is less than half as strong, up or down.
    """
    slopes = {}
    for kind in ("cv", "cd"):
        points = []
        for split in splits:
            if tables.kind(split) == kind:
                curve = tables.curve(split, archs[0], "excess_distortion")
                points.append((tables.n_train(split), curve.mean(axis=1, skipna=False)))
                if kind == "cd":
                    yield above(SHAPE, f"{split}: test D, depth of the minimum", valley(curve))
        slopes[kind] = per_halving(points)
    unit = "nats a halving of N"
    name = "test D, mean over β"
    for sign, growth in (("minus", -slopes["cd"]), ("plus", slopes["cd"])):
        excess = slopes["cv"] / 2 + growth
        yield above(LEAD, f"{name}: half the growth in CV {sign} that in CD", excess, unit)
    yield below(LEAD, f"{name}: growth in CD", slopes["cd"], unit)


@claim(
    "RD curves in Figure 5 show similar generalization performance for the Checkerboard and "
    "CV (16k/147k) splits.",
    splits=3,
    archs=None,
)
def checkerboard_distortion(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """The dense split, the sparse, the checkerboard; any architectures.

    Similar is no difference of more than the margin at any β, and nearer to the sparse split than
    to the dense on average.
    """
    for arch in archs:
        dense, sparse, board = (tables.curve(split, arch, "excess_distortion") for split in splits)
        difference = both_signs(board - sparse)
        yield below(GAP, f"{arch}: test D, largest difference at a β", difference)
        halfway = (board - (dense + sparse) / 2).mean(axis=1, skipna=False)
        yield above(LEAD, f"{arch}: test D, past halfway from dense to sparse", halfway)


@claim(
    "This is consistent with the fact that these splits have a similar distribution over "
    "pixel-distances between test set and nearest training set examples",
    splits=3,
    archs=None,
)
def checkerboard_neighbours(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """The dense split, the sparse, the checkerboard; architectures are not looked at.

    The Wasserstein distance (mean difference of quantiles) from checkerboard to sparse, as a share
    of that from dense to sparse. It is exact for these splits: no seed enters.
    """
    dense, sparse, board = (tables.neighbour_distances(split) for split in splits)
    if (dense == sparse).all():
        raise Missing("the dense and the sparse split are equally far from their training images")
    share = float(np.abs(board - sparse).mean() / np.abs(dense - sparse).mean())
    name = "distance to sparse, as a share of dense to sparse"
    yield Part(name, Interval(share, share, share, 0), "below", RESEMBLANCE, "")


@claim(
    "We observe a monotonic curve for 3-layer CNNs and only a small degree of non-monotonicity in "
    "the 1-layer CNN.",
    archs=2,
)
def cnn_monotone(tables: Tables, splits: Sequence[str], archs: Sequence[str]) -> Iterator[Part]:
    """The sparse split; a CNN of one layer, of three. A small degree is less than a small gap."""
    shallow, deep = (tables.curve(splits[0], arch, "distortion") for arch in archs)
    yield below(SHAPE, f"{archs[1]}: test D, largest rise as β falls", rises(deep))
    yield below(GAP, f"{archs[0]}: test D, largest rise as β falls", rises(shallow))


@claim(
    "We see that the RD curves for the 1-layer network exhibits a local minimum in most datasets.",
    splits=None,
    conclude=most_parts,
)
def other_datasets_minimum(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """A split of each dataset; one layer. Supported if more than half of the datasets are."""
    for split in splits:
        test = tables.curve(split, archs[0], "distortion")
        yield above(SHAPE, f"{split}: test D, depth of the minimum", valley(test))


@claim(
    "Curves for the 3-layer network are generally closer to monotonic, although a more subtle "
    "local minimum is visible in certain cases.",
    splits=None,
    archs=2,
    conclude=most_parts,
)
def other_datasets_capacity(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """A split of each dataset but the exception; one layer, three layers."""
    for split in splits:
        yield _deeper(tables, split, *archs)


@claim(
    "The one exception is the 3dShapes dataset, where the 3-layer network exhibits a more "
    "pronounced local minimum than the 1-layer network.",
    archs=2,
)
def shapes3d_exception(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """A split of 3dShapes; one layer, three layers."""
    shallow, deep = archs
    yield _deeper(tables, splits[0], deep, shallow)


def _deeper(tables: Tables, split: str, one: str, other: str) -> Part:
    """The part that test D has a deeper minimum in one architecture than in another."""
    curves = (tables.curve(split, arch, "distortion") for arch in (one, other))
    first, second = (valley(curve).clip(lower=0) for curve in curves)  # 0 is no minimum
    interval = difference(*(frame.to_numpy() for frame in first.align(second, axis=0)))
    return Part(f"{split}: depth of minimum, {one} minus {other}", interval, "above", LEAD)


@claim(
    "As expected, I_q(x; z) decreases when β > 1 but saturates to its maximum log N_train when "
    "β < 1. Conversely, the term KL(q_φ(z) || p(z)) is small when β > 1 but increases when β < 1.",
    archs=None,
)
def information_saturates(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """The sparse split; any architectures. Small is smaller than the other term of the rate."""
    log_n = np.log(tables.n_train(splits[0]))
    for arch in archs:
        information, kl = (
            tables.curve(splits[0], arch, metric, "train")
            for metric in ("mutual_information", "marginal_kl")
        )
        missing = log_n - smaller(information, STANDARD_BETA)
        yield below(SATURATION, f"{arch}: log N minus I, largest at β < 1", missing)
        fall = at(information, STANDARD_BETA) - larger(information, STANDARD_BETA).iloc[:, -1]
        yield above(SATURATION, f"{arch}: fall of I from β = 1 to largest β", fall)
        up_to_1 = kl.drop(columns=larger(kl, STANDARD_BETA).columns)
        steps = up_to_1.diff(axis=1).iloc[:, 1:]  # to the next larger β: negative if KL grows
        yield below(LEAD, f"{arch}: marginal KL, least growth of a step in β < 1, negated", steps)
        excess = larger(kl - information, STANDARD_BETA)
        yield below(LEAD, f"{arch}: marginal KL minus I, largest at β > 1", excess)


@claim(
    "Additional experiments where we train VAEs with either the marginal KL or the MI term removed "
    "from the loss function confirm this effect of the marginal KL term on the generalization "
    "performance of VAEs",
    archs=3,
)
def marginal_kl_matters(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """The sparse split; three layers, without the marginal KL, without the mutual information.

    Where the rate's effect should be that of the marginal KL, at β < 1 (there I is saturated),
    leaving out the marginal KL should lower test D, and lower it more than leaving out I. That is
    our reading: the paper's appendix has these experiments, its text no more than the sentence.
    """
    whole, no_kl, no_information = (
        smaller(tables.curve(splits[0], arch, "distortion"), STANDARD_BETA).mean(
            axis=1, skipna=False
        )
        for arch in archs
    )
    yield above(SHAPE, f"test D at β < 1: {archs[0]} minus {archs[1]}", whole - no_kl)
    yield above(SHAPE, f"test D at β < 1: {archs[2]} minus {archs[1]}", no_information - no_kl)


@claim(
    "Decreasing the strength of the rate paradoxically improves generalization in most settings",
    splits=None,
    archs=None,
)
def less_rate_generalizes(
    tables: Tables, splits: Sequence[str], archs: Sequence[str]
) -> Iterator[Part]:
    """Any splits and architectures; each pair is a setting. Test D from β = 1 to the paper's 0.1.

    The lower median over settings exceeds the margin only when most of them do.
    """
    falls = []
    for split in splits:
        for arch in archs:
            test = tables.curve(split, arch, "distortion")
            falls.append(at(test, STANDARD_BETA) - at(test, BEST_BETA))
    each = pd.concat(falls, axis=1)
    median = each.quantile(0.5, axis=1, interpolation="lower").where(each.notna().all(axis=1))
    name = f"test D, β = 1 minus β = {BEST_BETA:g}, median of {len(falls)} settings"
    yield above(SHAPE, name, median)


def look_up(name: str, splits: Sequence[str], archs: Sequence[str]) -> Claim:
    """A claim by its name, given what it is to be about.

    Raises
    ------
    RdpipeError
        If there is no such claim, or it is about another number of splits or architectures.
    """
    if name not in CLAIMS:
        raise RdpipeError(f"there is no claim {name!r}; there are {', '.join(CLAIMS)}.")
    claim = CLAIMS[name]
    for what, given, takes in (("splits", splits, claim.splits), ("archs", archs, claim.archs)):
        if takes is not None and len(given) != takes:
            raise RdpipeError(f"claim {name!r} lists {len(given)} {what}, but is about {takes}.")
    return claim
