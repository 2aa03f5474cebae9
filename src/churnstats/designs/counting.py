"""Survival designs: frames with entry, exit and event to a counting-process response."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churnstats.core.errors import DataError, Fault
from churnstats.core.provenance import RowLedger
from churnstats.core.types import IntArray
from churnstats.designs import terms
from churnstats.designs.design import Counting, Design
from churnstats.numerics.groups import encode

CLOCK_DECIMALS = 9


def counting_rows(
    data: pd.DataFrame,
    entry: str | None,
    exit_: str,
    event: str,
    others: tuple[str, ...],
    weights: str | None,
) -> tuple[Counting, IntArray, RowLedger]:
    """Return the response of complete rows, their positions and the ledger.

    Times are rounded to nine decimals, so that equal durations that were computed in different
    ways (0.1 + 0.2 and 0.3) stay ties.

    Raises
    ------
    SpecError
        Missing columns, text where numbers belong, no complete row.
    DataError
        Rows that end before they start, or an event that is neither 0 nor 1.
    """
    wanted = tuple(dict.fromkeys(filter(None, [entry, exit_, event, *others, weights])))
    terms.require_columns(data, wanted)
    numbers = [c for c in (entry, exit_, event) if c is not None]
    for column in numbers:
        terms.numeric(data, column)
    rows, ledger = terms.complete_rows(data, wanted, weights)
    kept = data.iloc[rows]
    stop = np.round(terms.numeric(kept, exit_), CLOCK_DECIMALS)
    start = np.zeros(rows.size)
    if entry is not None:
        start = np.round(terms.numeric(kept, entry), CLOCK_DECIMALS)
    happened = terms.numeric(kept, event)
    index, faults = kept.index.to_numpy(), []
    bad = start >= stop
    if bad.any():
        places = [f"row {index[i]}: ({start[i]:g}, {stop[i]:g}]" for i in np.flatnonzero(bad)]
        faults.append(
            Fault(
                "entry_after_exit",
                "survival rows",
                "a row must enter before it exits",
                "correct the times, or drop rows without time at risk and say so",
                int(bad.sum()),
                tuple(places[:5]),
            )
        )
    odd = ~np.isin(happened, (0.0, 1.0))
    if odd.any():
        places = [f"row {index[i]}: {happened[i]:g}" for i in np.flatnonzero(odd)]
        faults.append(
            Fault(
                "event_not_0_1",
                "survival rows",
                f"'{event}' must be 0 or 1",
                "make one column of 0 and 1 for the cause you study",
                int(odd.sum()),
                tuple(places[:5]),
            )
        )
    if faults:
        raise DataError(faults)
    return Counting(start, stop, happened), rows, ledger


def joint_codes(design: Design) -> IntArray:
    """Return one code for the combination of all effects of a design (0 where there are none)."""
    codes = np.zeros(design.n, dtype=np.int64)
    for more in design.effects.values():
        codes = encode(codes * (int(more.max(initial=0)) + 1) + more)[0]
    return codes
