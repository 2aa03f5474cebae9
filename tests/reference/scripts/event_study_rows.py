"""Make the unit-years of the event-study reference: python event_study_rows.py <seed> <file>.

Sixty units over fifteen years. The store has what real rosters have: changes that come thick and
fast, units that hardly ever change, years in which nobody looked (no row), outcomes that are
missing. Some gaps hide a change, some have the same leader on both sides.
"""

import sys

import numpy as np
import pandas as pd

N_UNITS, FIRST, LAST = 60, 2001, 2015
COLUMNS = ["unit", "region", "year", "leader", "y"]


def make(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    years = np.arange(FIRST, LAST + 1)
    common = 0.3 * rng.normal(size=years.size)
    rows = []
    for i in range(N_UNITS):
        hazard = rng.choice([0.03, 0.12, 0.25])
        change = rng.random(years.size) < hazard
        change[0] = False
        leader = np.cumsum(change)
        shock = rng.normal(size=years.size)
        for t in range(1, years.size):
            shock[t] = 0.6 * shock[t - 1] + 0.8 * shock[t]
        since = years - np.maximum.accumulate(np.where(change, years, FIRST - 9))
        y = rng.normal() + common + 0.5 * shock - 0.2 * (since == 0) - 0.1 * (since == 1)
        y[rng.random(years.size) < 0.015] = np.nan
        seen = np.ones(years.size, dtype=bool)
        if rng.random() < 0.3:
            at = rng.integers(2, years.size - 3)
            seen[at : at + rng.integers(1, 3)] = False
        seen[: rng.choice([0, 0, 0, 2])] = False
        for t in np.flatnonzero(seen):
            person = f"p{i + 1:02d}{chr(97 + leader[t])}"
            rows.append((f"u{i + 1:02d}", f"r{i % 8 + 1}", years[t], person, round(y[t], 6)))
    return pd.DataFrame(rows, columns=COLUMNS)


if __name__ == "__main__":
    make(int(sys.argv[1])).to_csv(sys.argv[2], index=False, na_rep="", lineterminator="\n")
