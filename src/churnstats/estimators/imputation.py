"""The imputation event study of Borusyak, Jaravel and Spiess (2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from churnstats.core.errors import IdentificationError, SpecError
from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.designs.absorbing import Absorbing, CohortRows, cohort_rows
from churnstats.designs.ask import Ask
from churnstats.designs.cohort_paths import (
    OVERALL,
    anticipation_note,
    cells_of,
    count_events,
    event_times,
    horizon_targets,
    imputable_rows,
    later_changes_note,
    path_keys,
    regression_design,
    sample_counts,
    support_table,
)
from churnstats.designs.design import Continuous, Design
from churnstats.designs.stacked import term_name
from churnstats.inference.event_study import Answer
from churnstats.inference.fit import Fit, kernel
from churnstats.inference.least_squares import fit_least_squares
from churnstats.inference.untreated import Imputed, JoinedInfluence, fit_averages, impute
from churnstats.numerics.groups import group_sums


@kernel(Continuous)
def fit_imputation(
    design: Design,
    targets: Sequence[str] = (),
    cells: IntArray | None = None,
    leave_out: bool = False,
) -> Fit:
    """Impute untreated outcomes of treated rows and average the gaps.

    Parameters
    ----------
    design : Design
        Its first columns are the ``targets``, one where a treated row is in an average; the
        others are covariates. Rows in no target are untreated.
    targets : sequence of str
    cells : (n,) array, optional
        Cells of treated rows (-1 for untreated) whose mean effect is taken off in the
        influence, for conservative errors. Without them each target's own mean is.
    leave_out : bool
        Take off the mean of the cell's other rows.
    """
    treated = (design.x[:, : len(targets)] != 0).any(axis=1)
    found = impute(design, targets, treated)
    own = found.gaps_from_means() if cells is None else _conservative(found, cells, leave_out)
    return fit_averages("imputation event study", design, found, own)


def _conservative(found: Imputed, cells: IntArray, leave_out: bool) -> sparse.csr_matrix:
    r"""Return shares times gaps, each gap less the mean of its cell.

    .. math:: \bar\tau_c = \sum_{i \in c} v_i^2 \hat\tau_i \Big/ \sum_{i \in c} v_i^2

    without row i itself if it is to be left out: the difference then grows by
    :math:`1 / (1 - v_i^2 / \sum v^2)`. On treated rows v is a.
    """
    a = found.averages.tocoo()
    gap, squares = found.gap[a.row], a.data**2
    n_terms = a.shape[1]
    group, n_groups = cells[a.row] * n_terms + a.col, (int(cells.max()) + 1) * n_terms
    total = group_sums(squares, group, n_groups)[group]
    away = gap - group_sums(squares * gap, group, n_groups)[group] / total
    if leave_out:
        away = away / (1 - squares / total)
    return sparse.csr_matrix((a.data * away, (a.row, a.col)), shape=a.shape)


@dataclass(frozen=True)
class Imputation:
    r"""Effects as gaps between outcomes and what untreated rows say they would have been.

    Untreated rows give :math:`y_{it} = \alpha_i + \lambda_t + x_{it}'\gamma + e_{it}`; an effect
    is :math:`\hat\tau_{it} = y_{it} - \hat\alpha_i - \hat\lambda_t - x_{it}'\hat\gamma`, averaged
    by event time and over all treated rows (by weights, if there are any).

    Parameters
    ----------
    pre : int
        Leads of the pre-trend test: a regression on untreated rows with dummies for the last
        ``pre`` years before treatment, the years before these as base. 0 for none.
    post : int, optional
        Last event time; all unless told. Later rows are left out.
    anticipation : int
        Years before the change from which a unit counts as treated.
    leave_out : bool
        Take each unit out of the mean effect it is compared with in the errors.

    Notes
    -----
    Borusyak, Jaravel and Spiess (2024). Estimates are linear in outcomes with weights
    :math:`v_{it}`; the influence of a row is :math:`v_{it} \tilde\varepsilon_{it}`, its residual
    on treated rows being :math:`\hat\tau_{it}` less the mean of its cohort and year, so that
    errors are conservative if effects differ within a cohort and year. A treated row that is
    alone there adds nothing to them: such rows are counted in a note.
    ``Cluster("unit_id", "none")`` gives the errors of R didimputation. Terms: leads, event
    times, ``att`` (all rows at k >= 0), then the covariates. Treated rows of units or years
    without an untreated row can't be imputed: they are left out, and counted.

    Examples
    --------
    >>> Imputation(pre=2, leave_out=True)
    Imputation(pre=2, post=None, anticipation=0, leave_out=True)
    """

    pre: int = 3
    post: int | None = None
    anticipation: int = 0
    leave_out: bool = False

    def __post_init__(self) -> None:
        wrong = [
            f"{name}: {value} is negative"
            for name, value in vars(self).items()
            if value is not None and value < 0
        ]
        if wrong:
            raise SpecError("design", "Imputation can't be built so", where=wrong)

    def answer(self, data: Absorbing, ask: Ask) -> Answer:
        """Return leads, the mean effect by event time and over all treated rows."""
        rows = imputable_rows(cohort_rows(data, ask), self.anticipation, self.post)
        times = event_times(rows)
        treated = times >= -self.anticipation
        columns, names, at = horizon_targets(times, -self.anticipation)
        cells = cells_of(rows, treated)
        n_alone = self._alone(cells.codes)
        design = regression_design(rows, columns, names)
        fit = fit_imputation(design, names, cells.codes, self.leave_out)
        lead_times = np.arange(-self.anticipation - self.pre, -self.anticipation)
        if lead_times.size:
            leads = _lead_fit(rows, times, ~treated, lead_times)
            fit = _with_leads(fit, leads, lead_times, ~treated)
        sample = sample_counts(rows)
        at = np.r_[lead_times, at, np.full(len(rows.x_names), np.nan)]
        fit = replace(
            fit,
            model_vcov=None,
            keys=path_keys(at, count_events(rows, times), sample["n_events"]),
            frames={
                "base": path_keys(np.zeros(0), {}, 0, in_base=True),
                "support": support_table(rows, times),
                "fates": data.fates,
            },
        )
        title = "Event study of a first change (imputation)"
        return Answer(fit, title, sample, (*self._notes(n_alone), *later_changes_note(data)))

    def _alone(self, cells: IntArray) -> int:
        """Return the number of treated rows that are alone in their cohort and year."""
        sizes = np.bincount(cells[cells >= 0])
        n_alone = int((sizes == 1).sum())
        if n_alone and self.leave_out:
            raise IdentificationError(
                "alone",
                f"{n_alone} treated rows are alone in their cohort and year: nothing is left "
                "when they are left out",
                how="use leave_out=False",
            )
        return n_alone

    def _notes(self, n_alone: int) -> list[str]:
        means = "leave-one-out means" if self.leave_out else "means"
        notes = [
            "Controls: units that never change, and the others before they do. Base: all "
            f"untreated years; leads by a regression on untreated rows. {OVERALL} over all rows "
            f"from event time 0 on. Errors are conservative ({means} by cohort and year)."
        ]
        notes += anticipation_note(self.anticipation)
        if n_alone:
            notes.append(
                f"{n_alone} treated rows are alone in their cohort and year: the errors count "
                "only what was learnt from untreated rows for them."
            )
        return notes


def _lead_fit(
    rows: CohortRows, times: FloatArray, untreated: BoolArray, lead_times: IntArray
) -> Fit:
    """Return the regression of untreated rows on leads.

    Raises
    ------
    IdentificationError
        When no unit is seen at a lead, or none before all leads.
    """
    seen = np.unique(times[untreated & ~np.isnan(times)])
    if not np.isin(lead_times, seen).all() or seen[0] >= lead_times[0]:
        raise IdentificationError(
            "leads",
            f"{lead_times.size} leads need untreated rows at each and before them; seen are "
            f"event times {[int(k) for k in seen]}",
            how="take fewer: Imputation(pre=...), 0 for none",
        )
    columns = (times[:, None] == lead_times).astype(float)
    names = tuple(term_name(int(k)) for k in lead_times)
    design = regression_design(rows, columns, names).take(np.flatnonzero(untreated))
    return fit_least_squares(design, "pre-trend regression")


def _with_leads(fit: Fit, leads: Fit, lead_times: IntArray, untreated: BoolArray) -> Fit:
    """Put the leads before the other terms; their influence is zero on treated rows."""
    n_leads = lead_times.size
    at = np.flatnonzero(untreated)
    return replace(
        fit,
        coef=np.r_[leads.coef[:n_leads], fit.coef],
        names=(*leads.names[:n_leads], *fit.names),
        influence=JoinedInfluence(leads.influence, at, n_leads, fit.influence),
    )
