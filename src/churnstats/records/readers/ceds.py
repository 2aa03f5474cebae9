"""CEDS: why employment ended, as codes or as labels, in our short list of reasons."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

import pandas as pd
import yaml

from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray

_DIGITS = re.compile(r"0*(\d{1,5})(\.0+)?")


@lru_cache
def _reasons() -> dict[str, str]:
    """Return our reason by code and by label, both as `_key` writes them."""
    path = files("churnstats.records.readers") / "ceds_exit_reasons.yaml"
    table = yaml.safe_load(path.read_text(encoding="utf-8"))["codes"]
    by_code = {code: entry["reason"] for code, entry in table.items()}
    return by_code | {_key(entry["label"]): entry["reason"] for entry in table.values()}


def _key(value: Any) -> str:
    """Return a code with its zeros, or the words of a label, also from an Ed-Fi descriptor."""
    plain = str(value).rsplit("#", maxsplit=1)[-1].strip()
    code = _DIGITS.fullmatch(plain)
    return code[1].zfill(5) if code else " ".join(re.findall(r"[a-z]+", plain.lower()))


def ceds_exit_reason(value: Any) -> str:
    """Return our exit reason for a CEDS separation reason (element 000620).

    Parameters
    ----------
    value : str or int
        A code (``"01389"``, also without its zero), a label ("Retirement") or an Ed-Fi descriptor
        that ends in one.

    Returns
    -------
    str
        One of ``involuntary, leave, voluntary_other, death_or_illness, budget, restructured,
        reassigned, retirement, term_ended, interim_ended, nonrenewal, other, unknown``.

    Raises
    ------
    SpecError
        For a code or label that the element does not have.

    Examples
    --------
    >>> ceds_exit_reason("01389"), ceds_exit_reason(1391), ceds_exit_reason("Death")
    ('retirement', 'reassigned', 'death_or_illness')
    """
    key = _key(value)
    if key not in _reasons():
        raise SpecError(
            "exit_reason",
            f"{value!r} is no code or label of CEDS element 000620",
            how="see ceds_exit_reasons.yaml for the 31 that there are",
        )
    return _reasons()[key]


def ceds_exit_reasons(values: pd.Series) -> tuple[pd.Series, BoolArray]:
    """Return the reasons of a column, missing where there is none, and cells not in CEDS.

    Those become "other": a reason was given, and it is none that CEDS has.
    """
    known = {value: _reasons().get(_key(value)) for value in values.dropna().unique()}
    reason = values.map(known).astype("str")
    strange = (values.notna() & reason.isna()).to_numpy(dtype=bool)
    return reason.mask(pd.Series(strange, index=values.index), "other"), strange
