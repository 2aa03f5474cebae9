"""The records of the churn benchmark: principals of schools, superintendents, directors."""

from __future__ import annotations

import numpy as np
import pandas as pd

SEED = 20265
FIRST_YEAR, N_YEARS, SCHOOLS_A_DISTRICT, N_DIRECTORS = 2001, 20, 20, 2
HAZARDS = {"principal": 0.44, "superintendent": 0.18, "director": 0.3}
MID_YEAR, VACANT, FROM_WITHIN = 0.2, 0.05, 0.15


def churn_records(n_schools: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return about ten spells a school over 20 years, and the units with their districts.

    A fifth of changes come in mid-year, some posts stand empty for half a year before one, and
    some new leaders had a post in the district before, or still have it.
    """
    rng = np.random.default_rng(SEED)
    n_districts = max(n_schools // SCHOOLS_A_DISTRICT, 2)
    n_schools = n_districts * SCHOOLS_A_DISTRICT
    districts = [f"{d:05d}" for d in range(n_districts)]
    schools = [f"{d}{s:03d}" for d in districts for s in range(SCHOOLS_A_DISTRICT)]
    roles = ["superintendent", *(f"director_{j + 1}" for j in range(N_DIRECTORS))]
    unit = np.array(schools + districts * len(roles), dtype=object)
    role = np.array(["principal"] * n_schools + [r for r in roles for _ in districts], dtype=object)
    home = np.r_[np.arange(n_schools) // SCHOOLS_A_DISTRICT, np.tile(np.arange(n_districts), 3)]
    hazard = np.array([HAZARDS[r.split("_")[0]] for r in role])
    change = rng.random((unit.size, N_YEARS)) < hazard[:, None]
    change[:, 0] = True
    post, year = np.nonzero(change)
    n = post.size
    start = FIRST_YEAR + year + 0.5 * ((rng.random(n) < MID_YEAR) & (year > 0))
    last = np.append(post[1:] != post[:-1], True)
    stop = np.where(last, FIRST_YEAR + N_YEARS, np.append(start[1:], 0.0))
    stop = stop - 0.5 * (~last & (stop - start >= 1) & (rng.random(n) < VACANT))
    # somebody of the same district, who sat in this post or in one of the next few in the list
    other = np.clip(np.arange(n) - rng.integers(1, 60, n), 0, None)
    insider = (rng.random(n) < FROM_WITHIN) & (year > 0) & (home[post[other]] == home[post])
    leader = np.where(insider, other, np.arange(n))
    title = np.array(["Head", "Lead", "Chief"])[rng.integers(0, 3, n)]
    spells = pd.DataFrame(
        {"unit_id": unit[post], "role": role[post], "leader_id": [f"p{i:07d}" for i in leader],
         "start": start, "stop": stop, "left_censored": (year == 0) & (rng.random(n) < 0.5),
         "right_censored": last, "title": title}
    )  # fmt: skip
    units = pd.DataFrame(
        {"unit_id": schools + districts,
         "level": ["school"] * n_schools + ["district"] * n_districts,
         "parent_id": [s[:5] for s in schools] + [None] * n_districts}
    )  # fmt: skip
    text = ("unit_id", "role", "leader_id", "title")
    return spells.astype(dict.fromkeys(text, "str")), units
