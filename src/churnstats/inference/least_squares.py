r"""Weighted least squares with absorbed effects, as a Fit: shared by all linear estimators.

.. math:: \hat\beta = (\tilde X'W\tilde X)^{-1}\tilde X'W\tilde y, \qquad
          \psi_i = (\tilde X'W\tilde X)^{-1}\tilde x_i w_i \hat e_i ,

where the tilde marks columns from which all effects were swept (Frisch, Waugh and Lovell).
"""

from __future__ import annotations

import numpy as np

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.designs.design import Continuous, Design
from churnstats.inference.fit import Fit, ScoreInfluence
from churnstats.numerics.absorb import absorb, rank_of_effects
from churnstats.numerics.solve import collinear_columns, symmetric_inverse


def fit_least_squares(design: Design, estimator: str = "least squares") -> Fit:
    """Fit a linear model by weighted least squares after absorbing the design's effects.

    Raises
    ------
    IdentificationError
        When a regressor is spanned by the effects and the regressors before it, or no degree
        of freedom is left.
    """
    if not isinstance(design.response, Continuous):
        raise SpecError("response", f"{estimator} needs a continuous response")
    y, x, w = design.response.y, design.x, design.weights
    effects = tuple(design.effects.values())
    swept = absorb(np.column_stack([y, x]), effects, w)
    y_swept, x_swept = swept[:, 0], swept[:, 1:]
    weighted = x_swept * w[:, None]
    gram = weighted.T @ x_swept
    lost = collinear_columns(gram, np.einsum("ij,ij,i->j", x, x, w))
    if lost.size:
        raise IdentificationError(
            "collinear",
            "these terms are spanned by the effects or by the terms before them",
            where=[design.names[j] for j in lost],
            how="leave them out, or absorb fewer effects",
        )
    bread = symmetric_inverse(gram) if design.names else np.zeros((0, 0))
    coef = bread @ (weighted.T @ y_swept)
    residuals = y_swept - x_swept @ coef
    df_absorbed = rank_of_effects(effects)
    df_residual = design.n - coef.size - df_absorbed
    if df_residual <= 0:
        raise IdentificationError(
            "no_df", f"{design.n} rows for {coef.size + df_absorbed} parameters"
        )
    sigma2 = float(w @ residuals**2) / df_residual
    return Fit(
        estimator=estimator,
        design=design,
        coef=coef,
        names=design.names,
        influence=ScoreInfluence(weighted * residuals[:, None], bread),
        model_vcov=bread * sigma2,
        model_vcov_name="equal variances (classical)",
        absorbed=tuple(design.effects),
        df_absorbed=df_absorbed,
        fitted=y - residuals,
        residuals=residuals,
    )
