"""Draw the picture of the README: docs/three_bases.png."""

from pathlib import Path

import churnstats as cs

data = cs.datasets.load_mlb()
panel = cs.Panel.build(data.tenures, data.outcomes)
bases = cs.three_bases(panel, cs.Stacked(pre=3, post=2), "win_share")
path = Path(__file__).parents[1] / "docs" / "three_bases.png"
bases.plot().savefig(path, metadata={"Software": None})
