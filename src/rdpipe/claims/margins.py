"""Margins against which claims and questions are judged, and the β that the paper names.

All of them were written before any result.
"""

# In nats an image unless said otherwise.
SHAPE = 1.0
"""The smallest fall, minimum or difference of RD curves that counts: an image becomes e times more
or less likely, 2 % of the entropy of a Tetromino (49 nats), too small to see in the figures."""
TURN = 5.0
"""The rise of D, as β falls, from which on a curve turns: a tenth of that entropy.

The paper sets U against L ("depending on model capacity, we either observe U-shaped … or L-shaped
curves"), so one margin parts them, and no curve can be both. It was 1 nat, and all pairs of 12 β
could then never show that a curve does not rise: the largest upper limit of pairs that are truly
level lies near 4 nats, at 1.5 nats of deviation and five seeds. At 5 nats, these seeds show in more
than 80 % of studies that a level curve does not turn, and also that a curve that rises by 11 nats
does. The U is asked for more than before, the L for less: both for what can be told.
"""
GAP = 5.0
"""What is still "virtually" nothing between two parts or splits: a tenth of that entropy."""
SMALL = 0.1
"""The share of its fall that a curve may rise again if its non-monotonicity is of "small degree".

A degree is relative. Where a curve falls by 50 nats, it is the 5 nats that this margin was before;
TURN is now the margin of a monotonic curve.
"""
SATURATION = 0.1
"""How near to log N, the most it can be, mutual information is saturated: 1 % of log 16,384."""
LEAD = 0.0
"""For an optimum: any lead counts."""
SOME = 0.05
"""The share of reconstructions from which on "some" of them resemble memorised neighbours."""
EVEN = 0.5
"""The share of test images that count as memorised by chance: where the decoder treats a test image
as it treats the training images of its code, either is as likely to be nearer."""
RESEMBLANCE = 0.5
"""How near, as a share of the distance between dense and sparse, a split resembles the sparse."""

BEST_BETA = 0.1  # the optimum that the paper names for three layers on the sparse split
STANDARD_BETA = 1.0  # the standard VAE
