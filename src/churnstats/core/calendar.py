"""The school calendar: one clock for spells, one key for years.

School-year time is a float whose whole part is ``school_year_end``: school year 2019 (2018-19)
covers [2019, 2020), and 2019.5 is the middle of it. Spells are half-open on this clock.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray, FloatArray

# Two moments of school-year time that differ by less (a thirtieth of a second) are one.
CLOCK = 1e-9


@dataclass(frozen=True)
class SchoolCalendar:
    """When school years start, and which of them exist.

    Parameters
    ----------
    start_month, start_day : int
        First day of a school year; 1 July by default, the start of most superintendents'
        contracts. A school year has the number of the calendar year in which it ends: with
        1 January, that is the calendar year itself.
    first, last : int
        The school years (by their spring) that records may name. A year outside is a fault of
        the data, nearly always a typing error.

    Examples
    --------
    >>> import pandas as pd
    >>> SchoolCalendar().to_time(pd.Series(pd.to_datetime(["2018-07-01", "2019-01-01"]))).round(3)
    array([2019.   , 2019.504])
    """

    start_month: int = 7
    start_day: int = 1
    first: int = 1850
    last: int = 2100

    def __post_init__(self) -> None:
        try:
            pd.Timestamp(2001, self.start_month, self.start_day)
        except ValueError as error:
            raise SpecError(
                "calendar",
                f"month {self.start_month}, day {self.start_day} is no day of the year",
                how="give a month from 1 to 12 and a day that the month has (29 February has none)",
            ) from error
        if self.first > self.last:
            raise SpecError("calendar", f"first year {self.first} is after the last, {self.last}")

    def to_time(self, dates: pd.Series) -> FloatArray:
        """Convert dates to school-year time; a missing date becomes NaN."""
        year = dates.dt.year
        begun = (dates.dt.month > self.start_month) | (
            (dates.dt.month == self.start_month) & (dates.dt.day >= self.start_day)
        )
        start_year = (year - (~begun).astype("int64")).to_numpy(dtype=float, na_value=np.nan)
        missing = dates.isna().to_numpy()
        filled = np.where(missing, 2000, start_year).astype(int)
        start, stop = self._first_day(filled), self._first_day(filled + 1)
        days = (dates.to_numpy().astype("datetime64[D]") - start).astype(float)
        share = days / (stop - start).astype(float)
        return np.where(missing, np.nan, filled + self._years_to_end + share)

    @property
    def _years_to_end(self) -> int:
        """Calendar years from the first day of a school year to its last."""
        return 0 if (self.start_month, self.start_day) == (1, 1) else 1

    def _first_day(self, years: np.ndarray) -> np.ndarray:
        months = (years - 1970) * 12 + (self.start_month - 1)
        return months.astype("datetime64[M]").astype("datetime64[D]") + (self.start_day - 1)

    def to_dates(self, time: FloatArray) -> pd.Series:
        """Convert school-year time to dates, to the nearest day."""
        missing = np.isnan(time)
        year = np.floor(np.where(missing, 2000.0, time)).astype(int)
        begun = year - self._years_to_end
        start, stop = self._first_day(begun), self._first_day(begun + 1)
        share = np.where(missing, 0.0, time - year)
        days = np.rint(share * (stop - start).astype(float)).astype("timedelta64[D]")
        dates = pd.Series((start + days).astype("datetime64[s]"))
        return dates.mask(pd.Series(missing))

    def outside(self, time: FloatArray) -> BoolArray:
        """Mark times that lie in no school year of this calendar (NaN is not marked)."""
        return np.asarray((time < self.first) | (time > self.last + 1))

    @staticmethod
    def label(school_year_end: int) -> str:
        """Return the usual name of a school year: 2019 is ``"2018-19"``."""
        return f"{school_year_end - 1}-{school_year_end % 100:02d}"
