"""The paper's claims, each judged from the tables of an experiment.

A claim is a small function. Its keyword parameters are its roles: the splits and architectures
that the claim is about. The function yields the parts of the claim. `entries` says how parts
conclude a claim, and `margins` has the margins, with their reasons.

The tests are made for the paper's design: 12 β, five seeds, and a deviation over seeds of 1.5 nats.
One difference between two β then has a standard error of 0.95 nats if seeds scatter independently.
Five seeds decide it in 80 % of studies if the truth lies 3.6 nats beyond the margin. For the mean
difference of two curves it is 2.1 nats over a stretch of three β, and 1.0 nats over all β. So the
absence of a turn, sought at single β, has a margin of 5 nats. Differences of curves are judged over
stretches and over the whole grid. `tests/claims/test_paper.py` simulates how often the verdicts are
right, wrong and undetermined.
"""

from collections.abc import Callable, Iterator, Sequence
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
    deeper,
    ends,
    larger,
    per_halving,
    rises,
    shown,
    smaller,
    steps,
    stretches,
    valley,
)
from rdpipe.claims.entries import Claim, Test, all_parts, enter, most_parts
from rdpipe.claims.intervals import Interval
from rdpipe.claims.margins import (
    BEST_BETA,
    EVEN,
    GAP,
    LEAD,
    RESEMBLANCE,
    SATURATION,
    SHAPE,
    SMALL,
    SOME,
    STANDARD_BETA,
    TURN,
)
from rdpipe.claims.roles import Arch, Archs, Split, Splits

CLAIMS: dict[str, Claim] = {}
"""Every claim by the name of its function."""


def claim(
    sentence: str, *, conclude: Callable[[Sequence[str]], str] = all_parts
) -> Callable[[Test], Test]:
    """Enter a function in CLAIMS, with the sentence of the paper that it tests."""
    return enter(CLAIMS, sentence, conclude)


def _monotone(name: str, curve: pd.DataFrame) -> Iterator[Part]:
    """D falls as β falls, and turns nowhere: any two β may show a rise, not only the ends."""
    small, large = ends(curve)
    yield above(SHAPE, f"{name}: from largest β down to smallest", large - small)
    yield below(TURN, f"{name}: largest rise as β falls", rises(curve))


@claim("For the dense CV (82k/82k) split (top), we observe no evidence of memorization.")
def dense_no_memorization(tables: Tables, *, dense: Split, archs: Archs) -> Iterator[Part]:
    """The generalisation gap in D is small over every stretch of β.

    In nats, because a decoder that returns training images pays for it on test images, while the
    share of reconstructions that are nearer to a training image than to their input is large for
    one that underfits, too.
    """
    for arch in archs:
        gap = stretches(tables.gap(dense, arch))
        yield below(GAP, f"{arch}: largest gap in D, test over train", gap)


@claim(
    "increasing model capacity uniformly improves generalization, in the sense that it decreases "
    "both the rate and the distortion, shifting the curve to the bottom left"
)
def dense_capacity_helps(
    tables: Tables, *, dense: Split, shallow: Arch, deep: Arch
) -> Iterator[Part]:
    """Test D and R of the deep network are higher over no stretch of β, and lower on average.

    "Uniformly" is that there is no stretch where they are higher, and absence takes a margin. At a
    single β five seeds need a lead of 2.6 nats to show it, and a larger one at all 12 at once.
    """
    for metric in ("distortion", "rate"):
        excess = tables.curve(dense, deep, metric) - tables.curve(dense, shallow, metric)
        yield below(SHAPE, f"{metric}: largest excess of {deep}", stretches(excess))
        lead = -excess.mean(axis=1, skipna=False)
        yield above(SHAPE, f"{metric}: lead of {deep}, mean over β", lead)


@claim(
    "The distortion on the training set decreases monotonically as we reduce β, whereas the "
    "distortion on the test set initially decreases, achieves a minimum, and somewhat increases "
    "afterwards."
)
def sparse_u_shape(tables: Tables, *, sparse: Split, shallow: Arch) -> Iterator[Part]:
    """Train D is monotonic; test D falls to a minimum, and turns before the smallest β.

    The minimum of each seed's test D is where the minimum of the other seeds is.
    """
    train, test = (tables.curve(sparse, shallow, "distortion", part) for part in ("train", "test"))
    small, large = ends(test)
    yield from _monotone("train D", train)
    yield above(SHAPE, "test D: from largest β down to the minimum", above_minimum(large, test))
    yield above(TURN, "test D: from the minimum up to smallest β", above_minimum(small, test))


@claim("L-shaped curves in which generalization improves as we reduce β")
def sparse_l_shape(tables: Tables, *, sparse: Split, deep: Arch) -> Iterator[Part]:
    """Test D falls from the largest β to the smallest, and does not turn before the smallest.

    An L differs from a U at the small end alone: how far the smallest β lies above the minimum. A
    bump in the middle is on the way down, and the curve after it lies below the curve before. So
    the largest rise that ends before the smallest β is shown, but does not decide.
    """
    test = tables.curve(sparse, deep, "distortion")
    small, large = ends(test)
    yield above(SHAPE, "test D: from largest β down to smallest", large - small)
    yield below(TURN, "test D: from the minimum up to smallest β", above_minimum(small, test))
    before = rises(test.iloc[:, 1:])
    yield shown(below(TURN, "test D: largest rise before smallest β", before))


@claim(
    "When we perform early stopping (see Appendix ??), the RD curve once again becomes monotonic, "
    "which is consistent with this interpretation in terms of overfitting."
)
def sparse_early_stopping(
    tables: Tables, *, sparse: Split, shallow: Arch, stopped: Arch
) -> Iterator[Part]:
    """Test D of the shallow network has a minimum; with early stopping it is monotonic.

    "Once again" says that stopping removes what makes the other curve a U, so the minimum must be
    as deep as a turn.
    """
    depth = valley(tables.curve(sparse, shallow, "distortion"))
    yield above(TURN, f"{shallow}: test D, depth of the minimum", depth)
    yield from _monotone(f"{stopped}: test D", tables.curve(sparse, stopped, "distortion"))


def _peak(name: str, curve: pd.DataFrame) -> Iterator[Part]:
    """The curve is higher at the paper's β than at any other."""
    peak = at(curve, BEST_BETA)
    for side, others in (("larger", larger), ("smaller", smaller)):
        lead = others(curve, BEST_BETA).sub(peak, axis=0)
        yield below(LEAD, f"{name}: best {side} β minus β = {BEST_BETA:g}", lead)


@claim("we observe that the test-set lower bound […] achieves a maximum at β = 0.1")
def sparse_elbo_peak(tables: Tables, *, sparse: Split, deep: Arch) -> Iterator[Part]:
    """The test ELBO is highest at the β that the paper names."""
    yield from _peak("test ELBO", tables.curve(sparse, deep, "elbo"))


@claim(
    "Additional analysis (see Appendix ??) shows that this maximum also corresponds to the maximum "
    "of the log marginal likelihood log p_θ(x)."
)
def sparse_likelihood_peak(tables: Tables, *, sparse: Split, deep: Arch) -> Iterator[Part]:
    """The estimate of log p(x) from most importance samples is highest at the paper's β.

    It is a lower bound, and loosest at small β: this favours 0.1 over smaller β, which the
    effective sample sizes in the tables put in proportion.
    """
    name = _likelihood(tables.runs)
    yield from _peak(f"test {name}", tables.curve(sparse, deep, name))


def _likelihood(runs: pd.DataFrame) -> str:
    """The column of log p(x) with most importance samples."""
    samples = runs.columns.str.extract(r"^log_likelihood_(\d+)$", expand=False).dropna()
    if samples.empty:
        raise Missing("log p(x) was not measured")
    return f"log_likelihood_{max(samples.astype(int))}"


@claim("the generalization gap, in terms of both D and log p_θ(x), is smallest at β = 0.1")
def sparse_smallest_gap(tables: Tables, *, sparse: Split, deep: Arch) -> Iterator[Part]:
    """The gaps between train and test are smallest at the β that the paper names."""
    yield from _peak("gap in D, negated", -tables.gap(sparse, deep))
    name = _likelihood(tables.runs)
    train, test = (tables.curve(sparse, deep, name, part) for part in ("train", "test"))
    # the images of the two differ, which shifts the gap, but alike at every β
    yield from _peak(f"gap in {name}, negated", test - train)


@claim(
    "some reconstructions resemble memorized neighbors in the training set. However, "
    "counterintuitively, no memorization is apparent at smaller β values."
)
def sparse_memorization(tables: Tables, *, sparse: Split, deep: Arch) -> Iterator[Part]:
    """At β = 1 some test images are memorised; at the paper's 0.1 none are, beyond chance.

    Decided by the decoder's own likelihood: the share of test images whose reconstruction is nearer
    to the mean of the training images of their code than to them. A model that underfits treats
    both alike and has a share of ½, so only what exceeds ½ is memorised. The share by distance of
    pixels is only shown: it is large for a model that underfits, too.
    """
    unit = "of test images"
    share = tables.curve(sparse, deep, "decoder_memorization") - EVEN
    standard, small = (at(share, beta) for beta in (STANDARD_BETA, BEST_BETA))
    yield above(SOME, "memorised at β = 1, beyond a half", standard, unit)
    yield below(SOME, f"memorised at β = {BEST_BETA:g}, beyond a half", small, unit)
    pixels = tables.curve(sparse, deep, "memorization")
    fall = at(pixels, STANDARD_BETA) - at(pixels, BEST_BETA)
    yield shown(above(SOME, f"by pixels: at β = 1 minus β = {BEST_BETA:g}", fall, unit))


@claim(
    "In the CV splits, the qualitative discrepancy between 1-layer and 3-layer networks becomes "
    "more pronounced as we decrease the size of the training set. However, in the CD splits, "
    "discrepancies are much less pronounced."
)
def discrepancy_needs_sparsity(
    tables: Tables, *, splits: Splits, shallow: Arch, deep: Arch
) -> Iterator[Part]:
    """With smaller training sets the discrepancy grows in CV splits, and not in CD splits.

    The splits are CV and CD splits of two sizes or more each, in any order. The discrepancy of a
    split is how much more the deep network loses against the shallow one at β >= 1, on average,
    than at β < 1: 0 for curves of one shape, however far apart, large for an L against a U. Its
    trend is in nats a halving of the training set.
    """
    slopes = {}
    for kind in ("cv", "cd"):
        points = [
            (tables.n_train(split), _discrepancy(tables, split, shallow, deep))
            for split in splits
            if tables.kind(split) == kind
        ]
        slopes[kind] = per_halving(points)
    unit = "nats a halving of N"
    yield above(SHAPE, "CV: growth of the discrepancy", slopes["cv"], unit)
    yield below(SHAPE, "CD: growth of the discrepancy", slopes["cd"], unit)
    yield above(LEAD, "CV minus CD", slopes["cv"] - slopes["cd"], unit)


def _discrepancy(tables: Tables, split: str, shallow: Arch, deep: Arch) -> pd.Series:
    excess = tables.curve(split, deep, "distortion") - tables.curve(split, shallow, "distortion")
    small = smaller(excess, STANDARD_BETA)
    large = excess.drop(columns=small.columns)
    if large.columns.empty:
        raise Missing(f"no β of {STANDARD_BETA:g} or more in the grid")
    return large.mean(axis=1, skipna=False) - small.mean(axis=1, skipna=False)


@claim("RD curves for 3-layer networks are virtually indistinguishable.")
def cd_indistinguishable(tables: Tables, *, splits: Splits, deep: Arch) -> Iterator[Part]:
    """No two of the CD splits differ by much over any stretch of β, in test D or in R.

    Four splits have 12 ordered pairs, and 12 β each: at single β, five seeds could hardly show
    that all of these 144 differences are small.
    """
    if len(splits) < 2:
        raise Missing("a comparison takes two splits or more")
    for name, metric in (("D", "excess_distortion"), ("R", "rate")):
        curves = [tables.curve(split, deep, metric) for split in splits]
        pairs = [stretches(one - other) for one, other in permutations(curves, 2)]
        yield below(
            GAP, f"test {name}: largest difference between splits", pd.concat(pairs, axis=1)
        )


@claim(
    "RD curves for 1-layer networks still exhibit a minimum, but there is a much weaker dependence "
    "on the training set size. Moreover, generalization performance marginally improves as we "
    "decrease the size of the training set."
)
def cd_weak_dependence(tables: Tables, *, splits: Splits, shallow: Arch) -> Iterator[Part]:
    """CD curves have a minimum, and depend on the size less than half as strongly as CV curves.

    The splits are CV and CD splits of two sizes or more each, in any order. Half as strongly is
    meant up or down.
    """
    slopes = {}
    for kind in ("cv", "cd"):
        points = []
        for split in splits:
            if tables.kind(split) == kind:
                curve = tables.curve(split, shallow, "excess_distortion")
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
    "CV (16k/147k) splits."
)
def checkerboard_distortion(
    tables: Tables, *, dense: Split, sparse: Split, checkerboard: Split, archs: Archs
) -> Iterator[Part]:
    """Test D of checkerboard and sparse are similar.

    Similar is no difference of more than the margin over any stretch of β, and nearer to the
    sparse split than to the dense on average.
    """
    for arch in archs:
        one, other, board = (
            tables.curve(split, arch, "excess_distortion")
            for split in (dense, sparse, checkerboard)
        )
        size = both_signs(stretches(board - other))
        yield below(GAP, f"{arch}: test D, largest difference", size)
        halfway = (board - (one + other) / 2).mean(axis=1, skipna=False)
        yield above(LEAD, f"{arch}: test D, past halfway from dense to sparse", halfway)


@claim(
    "This is consistent with the fact that these splits have a similar distribution over "
    "pixel-distances between test set and nearest training set examples"
)
def checkerboard_neighbours(
    tables: Tables, *, dense: Split, sparse: Split, checkerboard: Split
) -> Iterator[Part]:
    """The nearest neighbours of checkerboard are as far as those of the sparse split.

    The Wasserstein distance (mean difference of quantiles) from checkerboard to sparse, as a share
    of that from dense to sparse. It is exact for these splits: no seed enters.
    """
    one, other, board = (
        tables.neighbour_distances(split) for split in (dense, sparse, checkerboard)
    )
    if (one == other).all():
        raise Missing("the dense and the sparse split are equally far from their training images")
    share = float(np.abs(board - other).mean() / np.abs(one - other).mean())
    name = "distance to sparse, as a share of dense to sparse"
    yield Part(name, Interval(share, share, share, 0), "below", RESEMBLANCE, "")


@claim(
    "We observe a monotonic curve for 3-layer CNNs and only a small degree of non-monotonicity in "
    "the 1-layer CNN."
)
def cnn_monotone(tables: Tables, *, sparse: Split, shallow: Arch, deep: Arch) -> Iterator[Part]:
    """Test D of the deep CNN is monotonic; the shallow one's rises by a small share of its fall."""
    yield from _monotone(f"{deep}: test D", tables.curve(sparse, deep, "distortion"))
    curve = tables.curve(sparse, shallow, "distortion")
    small, large = ends(curve)
    beyond = rises(curve).sub(SMALL * (large - small), axis=0)
    yield below(LEAD, f"{shallow}: test D, largest rise minus {SMALL:g} of its fall", beyond)


@claim(
    "We see that the RD curves for the 1-layer network exhibits a local minimum in most datasets.",
    conclude=most_parts,
)
def other_datasets_minimum(tables: Tables, *, splits: Splits, shallow: Arch) -> Iterator[Part]:
    """Test D has a minimum on more than half of the splits, one of each dataset."""
    for split in splits:
        depth = valley(tables.curve(split, shallow, "distortion"))
        yield above(SHAPE, f"{split}: test D, depth of the minimum", depth)


@claim(
    "Curves for the 3-layer network are generally closer to monotonic, although a more subtle "
    "local minimum is visible in certain cases.",
    conclude=most_parts,
)
def other_datasets_capacity(
    tables: Tables, *, splits: Splits, shallow: Arch, deep: Arch
) -> Iterator[Part]:
    """The shallow network's minimum is deeper on more than half of the splits.

    They are one of each dataset but the exception.
    """
    for split in splits:
        yield _deeper(tables, split, shallow, deep)


@claim(
    "The one exception is the 3dShapes dataset, where the 3-layer network exhibits a more "
    "pronounced local minimum than the 1-layer network."
)
def shapes3d_exception(
    tables: Tables, *, shapes3d: Split, shallow: Arch, deep: Arch
) -> Iterator[Part]:
    """The deep network's minimum is deeper on a split of 3dShapes."""
    yield _deeper(tables, shapes3d, deep, shallow)


def _deeper(tables: Tables, split: Split, one: Arch, other: Arch) -> Part:
    """The part that test D has a deeper minimum in one architecture than in another."""
    curves = (tables.curve(split, arch, "distortion") for arch in (one, other))
    return deeper(LEAD, f"{split}: depth of minimum, {one} minus {other}", *curves)


@claim(
    "As expected, I_q(x; z) decreases when β > 1 but saturates to its maximum log N_train when "
    "β < 1. Conversely, the term KL(q_φ(z) || p(z)) is small when β > 1 but increases when β < 1."
)
def information_saturates(tables: Tables, *, sparse: Split, archs: Archs) -> Iterator[Part]:
    """I is at log N below β = 1 and falls above; the marginal KL is small above and grows below.

    Small is smaller than the other term of the rate. The KL grows from each stretch of β to the
    next: between β = 1 and 0.9, five seeds could not tell its growth from none.
    """
    log_n = np.log(tables.n_train(sparse))
    for arch in archs:
        information, kl = (
            tables.curve(sparse, arch, metric, "train")
            for metric in ("mutual_information", "marginal_kl")
        )
        missing = log_n - smaller(information, STANDARD_BETA)
        yield below(SATURATION, f"{arch}: log N minus I, largest at β < 1", missing)
        fall = at(information, STANDARD_BETA) - larger(information, STANDARD_BETA).iloc[:, -1]
        yield above(SATURATION, f"{arch}: fall of I from β = 1 to largest β", fall)
        up_to_1 = kl.drop(columns=larger(kl, STANDARD_BETA).columns)
        # steps go to larger β: negative if the KL grows as β falls
        growth = steps(up_to_1)
        yield below(LEAD, f"{arch}: marginal KL, least growth of a step in β < 1, negated", growth)
        excess = larger(kl - information, STANDARD_BETA)
        yield below(LEAD, f"{arch}: marginal KL minus I, largest at β > 1", excess)


@claim(
    "Additional experiments where we train VAEs with either the marginal KL or the MI term removed "
    "from the loss function confirm this effect of the marginal KL term on the generalization "
    "performance of VAEs"
)
def marginal_kl_matters(
    tables: Tables, *, sparse: Split, deep: Arch, no_marginal_kl: Arch, no_mi: Arch
) -> Iterator[Part]:
    """Leaving out the marginal KL lowers test D, and lowers it more than leaving out I.

    This is judged where the rate's effect should be that of the marginal KL, at β < 1 (there I is
    saturated). It is our reading: the paper's appendix has these experiments, its text no more than
    the sentence.
    """
    whole, without_kl, without_information = (
        smaller(tables.curve(sparse, arch, "distortion"), STANDARD_BETA).mean(axis=1, skipna=False)
        for arch in (deep, no_marginal_kl, no_mi)
    )
    yield above(SHAPE, f"test D at β < 1: {deep} minus {no_marginal_kl}", whole - without_kl)
    lead = without_information - without_kl
    yield above(SHAPE, f"test D at β < 1: {no_mi} minus {no_marginal_kl}", lead)


@claim("Decreasing the strength of the rate paradoxically improves generalization in most settings")
def less_rate_generalizes(tables: Tables, *, splits: Splits, archs: Archs) -> Iterator[Part]:
    """Test D falls from β = 1 to the paper's 0.1 in most settings: pairs of split and architecture.

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
