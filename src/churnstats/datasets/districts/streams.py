"""Random numbers: one stream a purpose, so that a part left out changes no other part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROLES = ("superintendent", "director", "principal")

# A stream's place in this tuple is part of its seed: add new ones at the end.
PURPOSES = (
    "shocks",
    "sizes",
    "districts",
    "years",
    "schools",
    "sampling",
    "school_sampling",
    "leader_effects",
    "event_effects",
    "program_starts",
    "program_traits",
    "program_ends",
    "defects",
    *(f"{role}_{aspect}" for role in ROLES for aspect in ("exits", "timing", "hiring", "reasons")),
)


@dataclass(frozen=True)
class Streams:
    """The streams of one seed.

    Parameters
    ----------
    seed : int or SeedSequence
        A SeedSequence is left as it is: nothing is spawned from it.
    """

    seed: int | np.random.SeedSequence

    def __call__(self, purpose: str) -> np.random.Generator:
        """Return the generator of a purpose, at its start."""
        seed = self.seed
        root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        key = (*root.spawn_key, PURPOSES.index(purpose))
        child = np.random.SeedSequence(root.entropy, spawn_key=key, pool_size=root.pool_size)
        return np.random.default_rng(child)
