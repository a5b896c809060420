"""Questions that the paper leaves open, judged like its claims, but apart from them.

They are ours: what learned priors, other likelihoods, the dimension of the latent space and the
length of training change, and where the gap between training and test lies. A question is a
function like those of `rdpipe.claims.paper`. Its hypothesis, its margins and their reason stand
here, and were written before any result. A verdict "not supported" is an answer as well. Intervals
and their limits are those of the paper's claims.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from rdpipe.claims.contrasts import (
    Missing,
    Part,
    Tables,
    above,
    at,
    below,
    both_signs,
    deeper,
    higher,
    smaller,
    stretches,
    valley,
)
from rdpipe.claims.entries import Claim, Test, all_parts, enter
from rdpipe.claims.margins import GAP, LEAD, SHAPE, STANDARD_BETA
from rdpipe.claims.roles import Arch, Archs, Split

SHARE = 0.05
"""The smallest change of a mean square error that counts, as a share: in a scale of its own."""
BITS = 0.1
"""The smallest change of mutual information that counts, in nats, as SATURATION in the claims."""

QUESTIONS: dict[str, Claim] = {}
"""Every question by the name of its function."""


def question(hypothesis: str, *, reason: str) -> Callable[[Test], Test]:
    """Enter a function in QUESTIONS, with its hypothesis and the reason for its margins."""
    return enter(QUESTIONS, hypothesis, all_parts, reason)


# --- priors ---------------------------------------------------------------------------------------


@question(
    "A learned prior lowers the marginal KL wherever the rate is weakly penalised (β < 1).",
    reason="1 nat, as for the paper's curves: codes become e times more likely.",
)
def prior_lowers_marginal_kl(
    tables: Tables, *, split: Split, standard: Arch, learned: Archs
) -> Iterator[Part]:
    """KL(q(z)‖p(z)) on train, mean over β < 1: the standard prior's minus each learned one's."""
    whole = smaller(tables.curve(split, standard, "marginal_kl", "train"), STANDARD_BETA)
    for arch in learned:
        own = smaller(tables.curve(split, arch, "marginal_kl", "train"), STANDARD_BETA)
        yield above(SHAPE, f"marginal KL at β < 1: {standard} minus {arch}", _mean(whole - own))


@question(
    "A learned prior raises the test ELBO at the best β of each.",
    reason="1 nat: an image becomes e times more likely. Any smaller gain is not worth a prior.",
)
def prior_raises_elbo(
    tables: Tables, *, split: Split, standard: Arch, learned: Archs
) -> Iterator[Part]:
    """The highest test ELBO over β: each learned prior's minus the standard one's."""
    plain = tables.curve(split, standard, "elbo")
    for arch in learned:
        own = tables.curve(split, arch, "elbo")
        yield higher(SHAPE, f"best test ELBO: {arch} minus {standard}", own, plain)


@question(
    "A learned prior changes the rate of a model, and not its test distortion at the same β.",
    reason="5 nats, a tenth of the entropy of a Tetromino: as between two splits in the claims.",
)
def prior_leaves_distortion(
    tables: Tables, *, split: Split, standard: Arch, learned: Archs
) -> Iterator[Part]:
    """Test D: the largest difference from the standard prior over any stretch of β."""
    plain = tables.curve(split, standard, "distortion")
    for arch in learned:
        size = both_signs(stretches(tables.curve(split, arch, "distortion") - plain))
        yield below(GAP, f"test D: largest difference of {arch} from {standard}", size)


# --- likelihoods ----------------------------------------------------------------------------------


@question(
    "That test error has a minimum inside the grid of β does not depend on the likelihood.",
    reason="5 % of the error, which all likelihoods share; about what 1 nat is of 49.",
)
def likelihood_leaves_minimum(tables: Tables, *, split: Split, archs: Archs) -> Iterator[Part]:
    """Depth of the minimum of the logarithm of the test MSE, for each likelihood.

    D cannot be compared between likelihoods, the MSE can. Its logarithm makes depths shares.
    """
    for arch in archs:
        depth = valley(tables.curve(split, arch, "mse").transform(np.log))
        yield above(SHARE, f"{arch}: log test MSE, depth of the minimum", depth, "")


@question(
    "At β = 1 a density over intensities makes a model store more of its training images.",
    reason="0.1 nats, as near as the claims call information saturated.",
)
def density_raises_information(
    tables: Tables, *, split: Split, bernoulli: Arch, densities: Archs
) -> Iterator[Part]:
    """I(x;z) on train at β = 1: each density's minus the Bernoulli's."""
    plain = at(tables.curve(split, bernoulli, "mutual_information", "train"), STANDARD_BETA)
    for arch in densities:
        own = at(tables.curve(split, arch, "mutual_information", "train"), STANDARD_BETA)
        yield above(BITS, f"I at β = 1: {arch} minus {bernoulli}", own - plain)


# --- dimension of the latent space ----------------------------------------------------------------


@question(
    "Fewer dimensions than the data has factors cost test distortion at β < 1.",
    reason="5 nats, a tenth of the entropy of a Tetromino. Tetrominoes have five factors.",
)
def few_dimensions_cost_distortion(
    tables: Tables, *, split: Split, few: Arch, paper: Arch
) -> Iterator[Part]:
    """Test D, mean over β < 1: fewer dimensions minus the paper's ten."""
    one, other = (
        smaller(tables.curve(split, arch, "distortion"), STANDARD_BETA) for arch in (few, paper)
    )
    yield above(GAP, f"test D at β < 1: {few} minus {paper}", _mean(one - other))


@question(
    "More than ten dimensions change nothing from β = 1 on: the rate leaves the others unused.",
    reason="1 nat of D, as for the shapes of the paper's curves; 0.1 nats of information.",
)
def more_dimensions_stay_unused(
    tables: Tables, *, split: Split, paper: Arch, more: Archs
) -> Iterator[Part]:
    """Test D and I(x;z) on train, mean over β ≥ 1: the size of the difference from ten."""
    for metric, name, part, margin in (
        ("distortion", "test D", "test", SHAPE),
        ("mutual_information", "I", "train", BITS),
    ):
        plain = _from_standard(tables.curve(split, paper, metric, part))
        for arch in more:
            own = _mean(_from_standard(tables.curve(split, arch, metric, part)) - plain)
            size = both_signs(own.to_frame())
            yield below(margin, f"{name} at β ≥ 1: difference of {arch} from {paper}", size)


@question(
    "With more dimensions a model overfits more at small β: the minimum of test D is deeper.",
    reason="Any lead counts, as where the claims compare two minima.",
)
def more_dimensions_overfit(
    tables: Tables, *, split: Split, paper: Arch, more: Archs
) -> Iterator[Part]:
    """Depth of the minimum of test D: of more dimensions minus of ten."""
    plain = tables.curve(split, paper, "distortion")
    for arch in more:
        own = tables.curve(split, arch, "distortion")
        yield deeper(LEAD, f"depth of the minimum of test D: {arch} minus {paper}", own, plain)


# --- where the gap lies ---------------------------------------------------------------------------


@question(
    "At β < 1 most of the gap in D lies in inference: fitted posteriors close over half of it.",
    reason="Half of the gap: then inference dominates. Any lead counts.",
)
def gap_lies_in_inference(tables: Tables, *, split: Split, archs: Archs) -> Iterator[Part]:
    """Mean over β < 1: what fitted posteriors close of the gap in D, minus half of the gap."""
    for arch in archs:
        lead = _inference(tables, split, arch) - tables.gap(split, arch) / 2
        lead = smaller(lead, STANDARD_BETA)
        yield above(LEAD, f"{arch}: gap closed at β < 1, less half of it", _mean(lead))


@question(
    "From β = 1 on, most of a deep network's gap in D lies in its decoder, not in inference.",
    reason="Half of the gap, as above. The paper sees memorised neighbours there.",
)
def deep_gap_lies_in_decoder(tables: Tables, *, split: Split, deep: Arch) -> Iterator[Part]:
    """Mean over β ≥ 1: half of the gap in D, minus what fitted posteriors close of it."""
    lead = tables.gap(split, deep) / 2 - _inference(tables, split, deep)
    yield above(
        LEAD, f"{deep}: half of the gap at β ≥ 1, less what is closed", _mean(_from_standard(lead))
    )


@question(
    "At β < 1 most of the marginal KL is mismatch that a mixture of Gaussians would save.",
    reason="Half of the marginal KL: then it is the prior's shape that costs. Any lead counts.",
)
def marginal_kl_is_mismatch(tables: Tables, *, split: Split, archs: Archs) -> Iterator[Part]:
    """Mean over β < 1, on train: what the mixture saves, minus half of the marginal KL."""
    for arch in archs:
        saved, whole = (
            tables.curve(split, arch, metric, "train")
            for metric in ("mixture_saving", "marginal_kl")
        )
        lead = smaller(saved - whole / 2, STANDARD_BETA)
        yield above(LEAD, f"{arch}: saved at β < 1, less half of the marginal KL", _mean(lead))


def _inference(tables: Tables, split: str, arch: str) -> pd.DataFrame:
    """The part of inference in the gap in D: what fitted posteriors gain on test beyond train."""
    test, train = (
        tables.curve(split, arch, "inference_gap_distortion", part) for part in ("test", "train")
    )
    return test - train


# --- length of training ---------------------------------------------------------------------------


@question(
    "Longer training deepens the U: test D at the smallest β rises against that at its minimum.",
    reason="1 nat, from which on the claims count a minimum.",
)
def length_deepens_minimum(tables: Tables, *, split: Split, shallow: Arch) -> Iterator[Part]:
    """Depth of the minimum of test D: after the whole training minus at the first checkpoint."""
    first, last = _ends(tables)
    early, late = (tables.curve(split, shallow, "distortion", iteration=n) for n in (first, last))
    name = f"depth of the minimum of test D: after {last:,} minus after {first:,} iterations"
    yield deeper(SHAPE, name, late, early)


@question(
    "Where the rate is penalised in full, from β = 1 on, longer training does not raise test D.",
    reason="1 nat: the rate should prevent overfitting there, however long the training is.",
)
def length_is_harmless_at_large_beta(
    tables: Tables, *, split: Split, archs: Archs
) -> Iterator[Part]:
    """Test D, mean over β ≥ 1: after the whole training minus at the first checkpoint."""
    first, last = _ends(tables)
    for arch in archs:
        early, late = (
            _from_standard(tables.curve(split, arch, "distortion", iteration=n))
            for n in (first, last)
        )
        name = f"{arch}: test D at β ≥ 1, after {last:,} minus after {first:,} iterations"
        yield below(SHAPE, name, _mean(late - early))


def _ends(tables: Tables) -> tuple[int, int]:
    """The first and the last length of training that was evaluated."""
    lengths = tables.iterations()
    if len(lengths) < 2:
        raise Missing("it takes a checkpoint before the end of training")
    return lengths[0], lengths[-1]


def _from_standard(curve: pd.DataFrame) -> pd.DataFrame:
    """The curve at β = 1 and above."""
    part = curve.loc[:, curve.columns.to_numpy(float) >= STANDARD_BETA]
    if part.columns.empty:
        raise Missing(f"no β of {STANDARD_BETA:g} or more in the grid")
    return part


def _mean(curve: pd.DataFrame) -> pd.Series:
    """The mean over β, for each seed."""
    return curve.mean(axis=1, skipna=False)
