"""Student rows to school-year means: time and peak memory, ours and the plain ways.

``python benchmarks/scale/run.py [--rows 50000000] [--limit 400MB] [--program ...]``. Rows are
made in chunks and written to one Parquet file in a temporary folder, which goes at the end. Every
program runs in a process of its own, whose whole peak memory (maximum resident set) is told.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SEED = 20264
CHUNK = 1_000_000
SCATTER = 2_654_435_761  # odd, so that no two students get one id below 2**32
N_YEARS, N_SCHOOLS = 10, 5_000
PROGRAMS = ("churnstats", "churnstats, any repeats", "polars", "pandas")
KEY = ["unit_id", "school_year_end", "measure"]
NAMES = {"unit_id": "school_id", "school_year_end": "spring", "value": "score"}
COLUMNS = ["student_id", "school_id", "spring", "measure", "grade", "score"]


def write_students(path: Path, n_rows: int) -> None:
    """Write students of ten years and two subjects; 1% have no score, 0.1% stand there twice.

    Ids of students and schools are text, as in most files, and in no order.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(SEED)
    schools = np.char.zfill((np.arange(N_SCHOOLS) * 37 + 10_000_500_000).astype(str), 12)
    effect = rng.normal(0, 20, N_SCHOOLS)
    writer = None
    for first in range(0, n_rows, CHUNK):
        n = min(CHUNK, n_rows - first)
        row = first + np.arange(n)
        school = rng.integers(0, N_SCHOOLS, n)
        score = np.round(500 + effect[school] + rng.normal(0, 80, n))
        score[rng.random(n) < 0.01] = np.nan
        frame = pd.DataFrame(
            {
                "student_id": np.char.zfill((row // 2 * SCATTER % 2**32).astype(str), 10),
                "school_id": schools[school],
                "spring": 2010 + row * N_YEARS // n_rows,
                "measure": np.array(["math", "rla"])[row % 2],
                "grade": 3 + school % 6,
                "score": score,
            }
        )
        twice = rng.random(n) < 0.001
        table = pa.Table.from_pandas(pd.concat([frame, frame[twice]]), preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def ours(path: Path, limit: str, repeats: str) -> pd.DataFrame:
    import ibis

    from churnstats.records.scale.students import StudentRules, unit_year_moments

    with tempfile.TemporaryDirectory() as spill:
        options = {"memory_limit": limit} if limit else {}
        backend = ibis.duckdb.connect(temp_directory=spill, **options)
        rules = StudentRules(limits=(0, 2_000), repeats=repeats)
        made = unit_year_moments(path, columns=NAMES, rules=rules, backend=backend)
        print(made.ledger, file=sys.stderr)
        backend.disconnect()
    return made.frame


def pandas_way(path: Path) -> pd.DataFrame:
    rows = pd.read_parquet(path, columns=COLUMNS).rename(columns={v: k for k, v in NAMES.items()})
    rows = rows[rows["value"].between(0, 2_000)].drop_duplicates()
    once = ~rows.duplicated(["student_id", "school_year_end", "measure"], keep=False)
    made = rows[once].groupby(KEY)["value"].agg(["mean", "sem", "size"]).reset_index()
    return made.set_axis([*KEY, "estimate", "std_error", "n_obs"], axis=1)


def polars_way(path: Path) -> pd.DataFrame:
    import polars as pl

    value = pl.col("value")
    rows = pl.scan_parquet(path).select(COLUMNS).rename({v: k for k, v in NAMES.items()})
    rows = rows.filter(value.is_not_nan() & value.is_between(0, 2_000)).unique()
    once = rows.filter(pl.len().over(["student_id", "school_year_end", "measure"]) == 1)
    made = once.group_by(KEY).agg(
        estimate=value.mean(), std_error=value.std() / pl.len().sqrt(), n_obs=pl.len()
    )
    return pd.DataFrame(made.sort(KEY).collect().to_dict(as_series=False))


def work(program: str, path: Path, limit: str) -> None:
    """Do the job once and print what it took."""
    start = time.perf_counter()
    if program.startswith("churnstats"):
        made = ours(path, limit, "keep" if program.endswith("any repeats") else "set_aside")
    else:
        made = {"pandas": pandas_way, "polars": polars_way}[program](path)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024  # kB, on Linux
    made = made.sort_values(KEY)
    checks = [float(made[c].sum()) for c in ("estimate", "std_error", "n_obs")]
    found = {"seconds": seconds, "cpu": cpu, "peak": peak, "rows": len(made), "checks": checks}
    print(json.dumps(found))


def run(program: str, path: Path, limit: str) -> dict[str, Any]:
    call = [sys.executable, __file__, "--work", program, "--file", str(path), "--limit", limit]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{program} failed:\n{done.stderr}")
    print(done.stderr, end="")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--limit", default="400MB", help="DuckDB's memory_limit; empty for none")
    parser.add_argument("--program", action="append", choices=PROGRAMS, help="all by default")
    parser.add_argument("--work", choices=PROGRAMS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.file, options.limit)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "students.parquet"
        write_students(path, options.rows)
        print(f"{options.rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB of Parquet")
        first = None
        for program in options.program or PROGRAMS:
            found = run(program, path, options.limit)
            took = f"{found['seconds']:8.1f} s ({found['cpu']:.1f} CPU)"
            size = f"peak {found['peak']:7,.0f} MB  {found['rows']:,} means"
            print(f"  {program:<26}{took}  {size}", flush=True)
            if program != PROGRAMS[1]:
                first = first or found["checks"]
                np.testing.assert_allclose(found["checks"], first, rtol=1e-9)


if __name__ == "__main__":
    main()
