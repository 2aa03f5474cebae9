"""Make the rows of linear_models.R: ``python linear_rows.py ../data``.

``linear_rows.csv`` has units nested in regions and a category; ``three_effects.csv`` has leaders
who walk along a chain of schools, one neighbour at a time, in three chains that no leader links:
a graph that is as badly connected as can be.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

N_UNITS, N_YEARS, N_REGIONS = 36, 9, 11
N_SCHOOLS, N_CHAINS = 45, 3


def rows_with_units(rng: np.random.Generator) -> pd.DataFrame:
    unit = np.repeat(np.arange(N_UNITS), N_YEARS)
    year = np.tile(np.arange(2011, 2011 + N_YEARS), N_UNITS)
    region = rng.permutation(np.arange(N_UNITS) % N_REGIONS)[unit]
    kind = rng.choice(["rural", "town", "urban"], unit.size)
    x = rng.normal(size=unit.size) + 0.5 * rng.normal(size=N_UNITS)[unit]
    z = rng.exponential(size=unit.size) + 0.3 * x
    noise = rng.normal(size=unit.size) * (0.5 + 0.5 * np.abs(x))
    noise = (
        noise
        + 0.6 * rng.normal(size=N_REGIONS)[region]
        + 0.3 * rng.normal(size=N_YEARS)[year - 2011]
    )
    y = 1 + 0.4 * x - 0.2 * z + 0.3 * (kind == "town") + rng.normal(size=N_UNITS)[unit] + noise
    frame = pd.DataFrame(
        {
            "unit": unit + 1,
            "year": year,
            "region": region + 1,
            "kind": kind,
            "w": rng.uniform(0.2, 3, unit.size),
            "x": x,
            "z": z,
            "y": y,
        }
    )
    return frame[rng.random(len(frame)) > 0.1].round(7)


def chains(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for chain in range(N_CHAINS):
        for link in range(N_SCHOOLS // N_CHAINS):
            school = chain * (N_SCHOOLS // N_CHAINS) + link
            stay, begin = rng.integers(3, 6), rng.integers(2008, 2014)
            last = link == N_SCHOOLS // N_CHAINS - 1
            for k in range(stay):
                at = school + int(k == stay - 1 and not last)
                rows += [(school + 100, at, begin + k)] * int(rng.integers(1, 3))
    frame = pd.DataFrame(rows, columns=["leader", "school", "year"])
    n = len(frame)
    frame["w"], frame["x"], frame["z"] = rng.uniform(0.2, 3, n), rng.normal(size=n), rng.random(n)
    frame["y"] = (
        0.5 * frame["x"]
        - frame["z"]
        + 0.1 * (frame["year"] - 2010)
        + rng.normal(size=n)
        + rng.normal(size=200)[frame["leader"]]
        + rng.normal(size=200)[frame["school"]]
    )
    return frame.round(7)


if __name__ == "__main__":
    random = np.random.default_rng(20)
    rows_with_units(random).to_csv(Path(sys.argv[1]) / "linear_rows.csv", index=False)
    chains(random).to_csv(Path(sys.argv[1]) / "three_effects.csv", index=False)
