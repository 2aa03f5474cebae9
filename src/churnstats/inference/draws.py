"""Random signs for bootstraps, the same whoever asks for them and in whatever pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np

from churnstats.core.errors import SpecError
from churnstats.core.types import FloatArray

Signs: TypeAlias = Literal["rademacher", "webb"]
CHUNK = 1000
POINTS: dict[str, FloatArray] = {
    "rademacher": np.array([-1.0, 1.0]),
    "webb": np.array([-np.sqrt(1.5), -1.0, -np.sqrt(0.5), np.sqrt(0.5), 1.0, np.sqrt(1.5)]),
}


def is_enumerated(weights: Signs, n_groups: int, draws: int) -> bool:
    """Tell whether all 2^G Rademacher vectors are at most the draws asked for."""
    return weights == "rademacher" and n_groups < 50 and 2**n_groups <= draws


def sign_chunks(weights: Signs, n_groups: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """Yield (b, G) arrays of weights with mean 0 and variance 1, up to 1,000 rows at a time.

    Chunk c has a generator of its own, of the seed and c. Where all 2^G Rademacher vectors are
    at most ``draws``, each of them comes once.
    """
    check_draws(weights, draws)
    if is_enumerated(weights, n_groups, draws):
        for first in range(0, 2**n_groups, CHUNK):
            number = np.arange(first, min(first + CHUNK, 2**n_groups))
            bits = (number[:, None] >> np.arange(n_groups)) & 1
            yield POINTS["rademacher"][bits]
        return
    points = POINTS[weights]
    for rng, size in chunks(draws, seed):
        yield points[rng.integers(0, points.size, (size, n_groups))]


def chunks(draws: int, seed: int) -> Iterator[tuple[np.random.Generator, int]]:
    """Yield a generator and a number of draws for each chunk."""
    for c, first in enumerate(range(0, draws, CHUNK)):
        sequence = np.random.SeedSequence(seed, spawn_key=(c,))
        yield np.random.default_rng(sequence), min(CHUNK, draws - first)


def check_draws(weights: str, draws: int) -> None:
    """Raise for weights that there are not, or for too few draws."""
    if weights not in POINTS:
        raise SpecError("weights", f"'{weights}' are no weights", how=f"one of {tuple(POINTS)}")
    if draws < 99:
        raise SpecError("draws", f"{draws} draws are too few", how="at least 99, better 9,999")


def share_at_least(draws: FloatArray, value: float, enumerated: bool) -> float:
    """Return the p-value of a value among draws under the hypothesis.

    If the draws are all there are, the share that is at least the value; if they are random,
    the value counts among them, (1 + count) / (1 + draws), so that the test keeps its size.
    Draws within 1e-9 of the value tie with it.
    """
    if not np.isfinite(value):
        return float("nan")
    count = int((draws >= value - 1e-9 * abs(value)).sum())
    return count / draws.size if enumerated else (1 + count) / (1 + draws.size)


def upper_quantile(draws: FloatArray, level: float) -> float:
    """Return the smallest draw that a share ``level`` of the draws do not exceed."""
    place = min(max(int(np.ceil(level * draws.size - 1e-9)) - 1, 0), draws.size - 1)
    return float(np.partition(draws, place)[place])
