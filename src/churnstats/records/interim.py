"""Who was interim or acting: by what the source says, by title, by dates or by length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray, FloatArray

TITLE = r"(?i)\b(?:interim|acting|temporary|pro[ -]tem(?:pore)?)\b"


@dataclass(frozen=True)
class InterimRules:
    """By which marks a spell is taken for interim; what the source says comes first.

    Parameters
    ----------
    by_title : bool
        The title says "interim", "acting", "temporary" or "pro tem"; another title says that the
        holder is not. Who had both in one spell is not; of a roster, such spells are listed.
    by_dates : bool
        Spells that begin after the first day of a school year and end by its last.
    shorter_than_years : float, optional
        Completed spells with known ends that are shorter than this.

    Notes
    -----
    A spell without any of these marks is unknown, unless one of the rules that is on says that
    it is none.
    """

    by_title: bool = True
    by_dates: bool = False
    shorter_than_years: float | None = None

    def __post_init__(self) -> None:
        if self.shorter_than_years is not None and not self.shorter_than_years > 0:
            raise SpecError("shorter_than_years", f"{self.shorter_than_years} is no length")


def said_by_titles(title: pd.Series) -> FloatArray:
    """Return 1 for titles that say interim, 0 for others and NaN where there is none."""
    if title.isna().all():
        return np.full(len(title), np.nan)
    number, titles = pd.factorize(title)
    says = pd.Series(titles, dtype="str").str.contains(TITLE).to_numpy(dtype=float)
    return np.where(number < 0, np.nan, np.append(says, np.nan)[number])


def by_share(share: FloatArray) -> tuple[pd.arrays.BooleanArray, pd.Series, BoolArray]:
    """Return who is interim by the share of a spell whose titles say so: all of it, or not.

    Returns
    -------
    interim, basis : arrays
        Missing where no row of the spell has a title.
    mixed : array of bool
        Part of the spell was interim.
    """
    told = ~np.isnan(share)
    interim = pd.array(share >= 1 - CLOCK, dtype="boolean")
    interim[~told] = pd.NA
    basis = pd.Series("title", index=range(share.size), dtype="str").where(told)
    return interim, basis, told & (share > CLOCK) & (share < 1 - CLOCK)


def mark_interim(frame: pd.DataFrame, rules: InterimRules) -> pd.DataFrame:
    """Return spells with ``interim`` and ``interim_basis`` filled.

    ``interim_basis`` is "given", "title", "dates", "length" or, where nothing tells, "unknown".
    """
    start, stop = (frame[c].to_numpy(dtype=float) for c in ("start", "stop"))
    known = ~(frame["left_censored"] | frame["right_censored"]).to_numpy(dtype=bool)
    interim = frame["interim"].astype("boolean").copy()
    basis = np.where(interim.notna(), _basis_given(frame), "unknown").astype(object)
    titled = frame["title"].notna().to_numpy()
    titles = titled & (rules.by_title and titled.any())
    begun, year = start > np.floor(start + CLOCK) + CLOCK, np.floor(start + CLOCK)
    within = begun & (stop <= year + 1 + CLOCK)
    length = np.inf if rules.shorter_than_years is None else rules.shorter_than_years
    tests = [
        ("title", titles, frame["title"].fillna("").str.contains(TITLE).to_numpy(dtype=bool)),
        ("dates", known & rules.by_dates, within),
        ("length", known & np.isfinite(length), stop - start < length - CLOCK),
    ]
    for name, applies, says in tests:
        open_ = applies & ((basis == "unknown") | (_denied(interim, basis) & (basis != name)))
        take = open_ & ((basis == "unknown") | says)
        interim[take] = says[take]
        basis[take] = name
    text = pd.Series(basis, frame.index, dtype="str")
    return frame.assign(interim=interim, interim_basis=text)


def _basis_given(frame: pd.DataFrame) -> np.ndarray:
    """Return the basis that spells come with, "given" where they come without one."""
    if "interim_basis" not in frame.columns:
        return np.full(len(frame), "given", dtype=object)
    basis = frame["interim_basis"].astype(object)
    return basis.where(basis.isin(("title", "dates", "length")), "given").to_numpy()


def _denied(interim: pd.Series, basis: np.ndarray) -> np.ndarray:
    """Mark spells that a rule, not the source, takes for none: a later rule may know better."""
    no = interim.eq(False).to_numpy(dtype=bool, na_value=False)
    return np.asarray(no & (basis != "given"))
