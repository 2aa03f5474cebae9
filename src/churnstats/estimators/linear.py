"""Linear models with any number of absorbed effects."""

from __future__ import annotations

import pandas as pd

from churnstats.designs import terms
from churnstats.designs.design import Continuous, Design, codes_of
from churnstats.inference.fit import Fit, kernel
from churnstats.inference.least_squares import fit_least_squares
from churnstats.inference.result import Description, Result, infer
from churnstats.inference.vcov import Vcov, cluster_variables


@kernel(Continuous)
def fit_linear(design: Design) -> Fit:
    """Fit a linear model by weighted least squares after absorbing its effects."""
    return fit_least_squares(design, "linear model")


def linear_model(
    data: pd.DataFrame,
    formula: str,
    *,
    vcov: Vcov,
    weights: str | None = None,
    clusters: tuple[str, ...] = (),
    level: float = 0.95,
) -> Result:
    """Fit a linear model with absorbed effects.

    Parameters
    ----------
    data : DataFrame
        One row an observation. It is not changed.
    formula : str
        ``"y ~ x + C(g) | unit + year"``: regressors in formulaic's language, then the effects
        to absorb; ``a^b`` absorbs each pair. Without effects there is an intercept.
    vcov : Classical, Robust, Cluster, TwoWay, CR2 or CR3
        There is no default: name your standard error.
    weights : str, optional
        Column of analytic weights, such as the inverse of the sampling variance.
    clusters : tuple of str
        Further columns that `Result.with_vcov` may cluster by later.
    level : float
        Coverage of the intervals.

    Returns
    -------
    Result

    Raises
    ------
    SpecError
        Missing columns, a formula that can't be read, no complete row.
    IdentificationError
        Collinear terms, each named.

    Notes
    -----
    Effects are swept out exactly (Frisch, Waugh and Lovell), weighted; rows with a missing
    value are left out and counted. Singletons stay and are counted by nobody's rule: they move
    no estimate.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> data = pd.DataFrame({"y": [1., 2., 4., 3.], "x": [0., 1., 2., 3.]})
    >>> cs.linear_model(data, "y ~ x", vcov=cs.Robust("HC1")).coef.round(2).tolist()
    [1.3, 0.8]
    """
    spec = terms.parse(formula)
    named = tuple(dict.fromkeys([*cluster_variables(vcov), *clusters]))
    wanted = tuple(dict.fromkeys([*spec.columns(), *named, *filter(None, [weights])]))
    terms.require_columns(data, wanted)
    terms.numeric(data, spec.left)
    rows, ledger = terms.complete_rows(data, wanted, weights)
    sample = data.iloc[rows]
    x, names = terms.regressors(sample, spec.right, intercept=not spec.effects)
    design = Design(
        response=Continuous(terms.numeric(sample, spec.left)),
        x=x,
        names=names,
        weights=terms.weights_of(sample, weights),
        effects=codes_of(sample, spec.effects),
        clusters=codes_of(sample, named),
        rows=rows,
        ledger=ledger,
    )
    notes = [f"Absorbed: {', '.join(spec.effects)}."] if spec.effects else []
    if weights:
        notes.append(f"Weighted by {weights}.")
    about = Description("regression", "Linear model", spec.left, {}, tuple(notes))
    return infer(fit_linear(design), vcov, about, level)
