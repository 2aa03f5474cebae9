"""Make the staggered panel: ``python event_panel.py 11 event_panel 400 10``.

Writes ``<name>_balanced.csv`` and ``<name>_unbalanced.csv``; event_panel.R adds what is expected.
"""

import sys

import numpy as np
import pandas as pd

N_DISTRICTS = 40
COHORTS = np.array([4, 5, 6, 7, 8])


def make(seed: int, n: int, n_years: int) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    district = rng.integers(0, N_DISTRICTS, n)
    first = np.where(rng.random(n) < 0.35, 0, COHORTS[rng.integers(0, 5, n)])
    x = rng.normal(size=n) + 0.3 * (first > 0)
    w = rng.uniform(0.5, 2, n)
    level = rng.normal(size=n) + 0.5 * rng.normal(size=N_DISTRICTS)[district]
    year = np.arange(1, n_years + 1)
    trend = np.cumsum(rng.normal(0, 0.2, n_years))
    shock = np.zeros((n, n_years))
    shock[:, 0] = rng.normal(size=n)
    for k in range(1, n_years):
        shock[:, k] = 0.5 * shock[:, k - 1] + rng.normal(0, 0.8, n)
    since = year[None] - first[:, None]
    on = (first[:, None] > 0) & (since >= 0)
    effect = np.where(on, -0.3 * np.exp(-0.3 * since) + 0.05 * since * (first[:, None] == 5), 0)
    y = level[:, None] + trend + 0.08 * x[:, None] * year + effect + shock
    y = y + 0.3 * rng.normal(size=(N_DISTRICTS, n_years))[district]
    z = rng.normal(size=(n, n_years))
    panel = pd.DataFrame(
        {
            "unit": np.repeat(np.arange(1, n + 1), n_years),
            "year": np.tile(year, n),
            "district": np.repeat(district + 1, n_years),
            "first_change": np.repeat(first, n_years),
            "x": np.repeat(x, n_years),
            "w": np.repeat(w, n_years),
            "z": z.ravel(),
            "y": (y + 0.2 * z).ravel(),
        }
    )
    return panel.round(8), rng.random(len(panel)) > 0.07


if __name__ == "__main__":
    panel, kept = make(int(sys.argv[1]), int(sys.argv[3]), int(sys.argv[4]))
    panel.to_csv(f"{sys.argv[2]}_balanced.csv", index=False)
    panel[kept].to_csv(f"{sys.argv[2]}_unbalanced.csv", index=False)
