"""What is asked of every design of an event study."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.designs.terms import Terms, numeric, require_columns


@dataclass(frozen=True)
class Ask:
    """What is asked of a design, the same of each.

    Parameters
    ----------
    outcome : str
        A measure of the data.
    covariates : str
        Right side of a formula, such as ``"poverty + log(enrollment)"``; empty for none.
    effects : tuple of str
        Effects to absorb besides those of the design, such as ``"state^school_year_end"``.
    weights : str or None
        Column of weights.
    clusters : tuple of str
        Columns by which errors may be clustered.
    """

    outcome: str
    covariates: str = ""
    effects: tuple[str, ...] = ()
    weights: str | None = None
    clusters: tuple[str, ...] = ("unit_id",)

    def refuse(self, design: object, **reasons: str) -> None:
        """Raise for each part that is asked for and that a design can't do.

        Parameters
        ----------
        design : object
            Its class is named in the error.
        **reasons : str
            Name of the part (``covariates``, ``effects`` or ``weights``) to how to mend it.
        """
        asked = [f"{part}: {how}" for part, how in reasons.items() if getattr(self, part)]
        if asked:
            name = type(design).__name__
            raise SpecError("unsupported", f"{name} can't do what is asked", where=asked)

    @property
    def covariate_columns(self) -> tuple[str, ...]:
        """Columns that the formula names."""
        return Terms("", self.covariates).columns() if self.covariates else ()

    @property
    def effect_columns(self) -> tuple[str, ...]:
        """Columns that further effects are made of."""
        return Terms("", "1", self.effects).columns()

    def check(self, frame: pd.DataFrame) -> None:
        """Raise for columns that are not there, and for an outcome that is no number."""
        more = (self.outcome, *self.covariate_columns, *self.effect_columns, *self.clusters)
        require_columns(frame, tuple(dict.fromkeys([*more, *filter(None, [self.weights])])))
        numeric(frame, self.outcome)
