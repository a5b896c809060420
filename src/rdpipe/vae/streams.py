"""Random streams of a training: initial weights, order of the examples, noise.

Every number is a function of the seed and the step alone: not of β, of the runs packed together, of
the device, of where an interrupted training goes on, or of how many steps are asked for at a time.
Runs of one seed thus share weights, batches and noise, which pairs the points of an RD curve.
"""

import numpy as np

CHUNK = 256  # steps drawn at a time

# What numbers are drawn for, by training and by evaluation. New uses come last: the others' numbers
# stay.
WEIGHTS, ORDER, NOISE, TRAIN_SAMPLES, TEST_SAMPLES, OUTER_SAMPLES = range(6)
HOLD_OUT, HELD_OUT_NOISE, MEMORIZATION, LIKELIHOOD = range(6, 10)
PRIOR, RATE_SAMPLES = range(10, 12)


def generator(seed: int, use: int, index: int = 0) -> np.random.Generator:
    """An independent generator for part `index` of one use of `seed`."""
    return np.random.Generator(
        np.random.Philox(np.random.SeedSequence(seed, spawn_key=(use, index)))
    )


def weights(seed: int) -> np.random.Generator:
    """The generator of a model's initial weights."""
    return generator(seed, WEIGHTS)


def rows(seed: int, chunk: int, n: int, batch_size: int) -> np.ndarray:
    """Examples of the batches of steps `chunk * CHUNK` onwards: int64 (CHUNK, B), below `n`.

    The examples are shuffled anew for every epoch, each comes once an epoch, and batches run on
    across the ends of epochs.
    """
    start = chunk * CHUNK * batch_size
    stop = start + CHUNK * batch_size
    first, last = start // n, (stop - 1) // n
    epochs = [generator(seed, ORDER, epoch).permutation(n) for epoch in range(first, last + 1)]
    order = np.concatenate(epochs)[start - first * n : stop - first * n]
    return order.reshape(CHUNK, batch_size)


def noise(seed: int, chunk: int, batch_size: int, latent: int) -> np.ndarray:
    """Standard normal noise of steps `chunk * CHUNK` onwards: float32 (CHUNK, B, D)."""
    shape = (CHUNK, batch_size, latent)
    return generator(seed, NOISE, chunk).standard_normal(shape, dtype=np.float32)
