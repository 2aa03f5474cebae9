"""Make program spells on a yearly clock: ``python program.py 5 program 900``.

Programs live in districts whose leaders change; they end by two causes, some are seen late only,
and a shared gamma frailty makes districts differ. Writes ``<name>_spells.csv``; program.R adds
what is expected.
"""

import sys

import numpy as np
import pandas as pd

COLUMNS = [
    "program",
    "district",
    "state",
    "start",
    "stop",
    "cause",
    "recent_change",
    "capacity",
    "partner",
    "weight",
]


def make(seed: int, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n_districts = max(30, n // 8)
    district = rng.integers(0, n_districts, n)
    state = rng.integers(0, 4, n_districts)[district]
    frailty = rng.gamma(2, 0.5, n_districts)[district]
    rows = []
    for i in range(n):
        x = rng.normal()
        partner = rng.integers(0, 2)
        entry = rng.integers(0, 4) if rng.random() < 0.3 else 0
        censored_at = rng.integers(entry + 1, 16)
        t = since = 0
        while True:
            change = int(rng.random() < 0.18)
            since = 0 if change else since + 1
            recent = int(change or since <= 1)
            base = 0.05 + 0.01 * min(t, 6)
            risk = frailty[i] * np.exp(0.5 * recent + 0.3 * x - 0.4 * partner)
            first = 1 - np.exp(-base * risk)
            second = 1 - np.exp(-0.03 * np.exp(0.2 * x + 0.3 * partner))
            draw = rng.random()
            cause = 1 if draw < first else (2 if draw < first + second else 0)
            if t >= entry:
                seen = cause if t + 1 <= censored_at else 0
                rows.append(
                    (
                        i + 1,
                        district[i] + 1,
                        state[i] + 1,
                        t,
                        t + 1,
                        seen,
                        recent,
                        round(x, 6),
                        partner,
                        round(0.5 + rng.random(), 6),
                    )
                )
            elif cause:
                break
            t += 1
            if cause or t >= censored_at:
                break
    return pd.DataFrame(rows, columns=COLUMNS)


if __name__ == "__main__":
    make(int(sys.argv[1]), int(sys.argv[3])).to_csv(f"{sys.argv[2]}_spells.csv", index=False)
