"""Value rules of contracts as a pandera schema.

The schema is built from our own contracts. Every check stops collecting after one failing case,
because a table of all of them costs more than all other work; the rows come from the check's
own marks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnstats.core.types import BoolArray
from churnstats.schemas.contract import Contract, Field

if TYPE_CHECKING:
    from pandera.pandas import Check, DataFrameSchema


def schema_for(contract: Contract, columns: Iterable[str]) -> DataFrameSchema:
    """Return the value rules of some columns of a contract as a schema.

    Parameters
    ----------
    contract : Contract
    columns : iterable of str
        Columns to be checked; those without a rule get none.

    Returns
    -------
    DataFrameSchema
        Its checks are named ``missing_value``, ``too_small``, ``too_large``, ``not_allowed`` and
        ``bad_pattern``.
    """
    with warnings.catch_warnings():
        # pandera loads PySpark where it is installed, which then warns of pandas 3
        warnings.filterwarnings("ignore", "PySpark does not yet", FutureWarning)
        import pandera.pandas as pa

    wanted = set(columns)
    return pa.DataFrameSchema(
        {
            field.name: pa.Column(checks=_checks(field), nullable=True)
            for field in contract.fields
            if field.name in wanted
        },
        name=contract.name,
    )


def _checks(field: Field) -> list[Check]:
    """Return the checks of a column; all but the first pass over missing cells."""
    from pandera.pandas import Check

    low, high, allowed, pattern = field.minimum, field.maximum, field.enum, field.pattern
    rules: list[tuple[str, bool, Callable[[pd.Series], pd.Series]]] = [
        ("missing_value", field.required, lambda s: s.notna()),
        ("too_small", low is not None, lambda s: ~(s < low).fillna(False)),
        ("too_large", high is not None, lambda s: ~(s > high).fillna(False)),
        ("not_allowed", bool(allowed), lambda s: s.isin(allowed) | s.isna()),
        ("bad_pattern", bool(pattern), lambda s: s.str.fullmatch(pattern) | s.isna()),
    ]
    return [
        Check(rule, name=name, ignore_na=False, n_failure_cases=1)
        for name, holds, rule in rules
        if holds
    ]


def broken_rules(frame: pd.DataFrame, contract: Contract) -> dict[tuple[str, str], BoolArray]:
    """Return the rows that break each value rule of a contract.

    Parameters
    ----------
    frame : DataFrame
        Columns of the contract in their types.
    contract : Contract

    Returns
    -------
    dict
        By column and rule, the rows that break it. Rules that all rows keep are left out.
    """
    from pandera.errors import SchemaErrors

    ruled = [f.name for f in contract.fields if f.name in frame.columns and f.has_rule]
    if not ruled:
        return {}
    try:
        schema_for(contract, ruled).validate(frame[ruled], lazy=True, inplace=True)
    except SchemaErrors as found:
        return {
            (str(e.schema.name), str(e.check.name)): ~np.asarray(e.check_output, dtype=bool)
            for e in found.schema_errors
        }
    return {}
