"""Time the slow parts side by side and print ratios: ``python benchmarks/run.py [options]``.

Every program does every job in a process of its own, one after another, on the same data, with
one thread. What counts are ratios of CPU seconds within one run, never seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from data import write_all

JOBS = {
    "linear": ("linear model, 20k units x 12 years, clustered", ("pyfixest", "linearmodels")),
    "cox": ("Cox, 100k start-stop rows, strata, clusters", ("lifelines",)),
    "survival": ("Kaplan-Meier, 1M rows, late entry", ("lifelines", "statsmodels")),
    "stacked": ("stacked event study, 20k units x 20 years", ("pyfixest",)),
    "panel": ("spells to panel, 200k spells", ()),
    "churn": ("200k spells of 20k schools to panel, changes and churn", ("pandas",)),
    "roster": ("100k roster rows to validated spells", ("pandas",)),
    "simulate": ("simulation, 10k districts x 12 years", ()),
}
# The same numbers are asked of every program, relative: iterations stop early in some.
TOLERANCE = {
    "linear": 1e-6,
    "cox": 1e-4,
    "survival": 1e-9,
    "stacked": 1e-6,
    "panel": 0.0,
    "churn": 1e-9,
    "roster": 0.0,
}
ONE_THREAD = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS", "POLARS_MAX_THREADS",
)  # fmt: skip
Found = dict[str, Any]


def run_one(python: str, job: str, program: str, folder: str, n_runs: int) -> Found | None:
    """Run one job by one program; None where the program is not installed."""
    call = [python, str(Path(__file__).parent / "jobs.py"), job, program, folder, str(n_runs)]
    env = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
    done = subprocess.run(call, env=env, capture_output=True, text=True, check=False)
    if done.returncode == 3:
        return None
    if done.returncode:
        raise SystemExit(f"{job} by {program} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def check(job: str, program: str, ours: Found, theirs: Found) -> None:
    """Stop if a program found other numbers."""
    for name, value in theirs["numbers"].items():
        known = ours["numbers"].get(name)
        if known is not None and abs(value - known) > TOLERANCE[job] * max(abs(known), 1e-3):
            raise SystemExit(f"{job}: {name} is {known!r} here, {value!r} in {program}")


def line(label: str, found: Found, ours: float) -> str:
    seconds = statistics.median(found["seconds"])
    spread = max(found["seconds"]) / max(min(found["seconds"]), 1e-9)
    output = f" for {found['output_mb']:.0f} MB of output" if found["output_mb"] else ""
    return (
        f"  {label:<24}{seconds:9.3f} s {seconds / ours:9.2f} x {found['peak_mb']:9.0f} MB{output}"
        f"   (slowest / fastest run {spread:.2f})"
    )


def report(job: str, folder: str, pythons: list[str], n_runs: int, with_peers: bool) -> None:
    """Print one job: churnstats, the floor, and every peer that some interpreter has."""
    title, peers = JOBS[job]
    print(f"\n{title}")
    ours = run_one(sys.executable, job, "churnstats", folder, n_runs)
    floor = run_one(sys.executable, job, "floor", folder, n_runs)
    assert ours is not None
    assert floor is not None
    check(job, "the floor", ours, floor)
    base = statistics.median(ours["seconds"])
    print(line(ours["version"], ours, base))
    print(line("floor", floor, base), flush=True)
    for peer in peers if with_peers else ():
        tries = (run_one(python, job, peer, folder, n_runs) for python in pythons)
        found = next((f for f in tries if f is not None), None)
        if found is None:
            print(f"  {peer:<24}not installed")
            continue
        check(job, peer, ours, found)
        print(line(found["version"], found, base), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", help=f"some of: {', '.join(JOBS)}")
    parser.add_argument(
        "--python", action="append", default=[], metavar="PATH",
        help="another interpreter to look for peers in (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=3, help="runs that count")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    parser.add_argument("--no-peers", action="store_true", help="churnstats and the floor only")
    options = parser.parse_args()
    unknown = set(options.jobs) - set(JOBS)
    if unknown:
        parser.error(f"no such jobs: {', '.join(sorted(unknown))}")
    print(f"{platform.machine()}, Python {platform.python_version()}, one thread; "
          f"median CPU seconds of {options.runs} runs, times churnstats', peak memory")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        jobs = options.jobs or list(JOBS)
        write_all(Path(folder), options.scale, jobs)
        for job in jobs:
            pythons = [sys.executable, *options.python]
            report(job, folder, pythons, options.runs, not options.no_peers)


if __name__ == "__main__":
    main()
