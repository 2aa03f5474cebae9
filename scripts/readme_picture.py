"""Draw the pictures of the README: three_bases, stale_years and swimlane in docs/."""

from pathlib import Path

import churnstats as cs

DOCS = Path(__file__).parents[1] / "docs"
PLAIN = {"Software": None}

data = cs.datasets.load_mlb()
panel = cs.Panel.build(data.tenures, data.outcomes)
bases = cs.three_bases(panel, cs.Stacked(pre=3, post=2), "win_share")
bases.plot().savefig(DOCS / "three_bases.png", metadata=PLAIN)

districts = cs.datasets.simulate_districts(
    600, 14, n_schools=0, defects={"gap": 3, "return": 2, "stale_year": 1}, seed=7
)
roster = districts.roster.query("role == 'superintendent'")
roster = roster.assign(group_id=roster["unit_id"].str[:2])
tenures = cs.Tenures.from_roster(roster, rules=cs.RosterRules(max_gap_years=1))
found = cs.find_stale_years(cs.turnover_by_group(roster))
found.plot().savefig(DOCS / "stale_years.png", metadata=PLAIN)
lanes = cs.swimlane(tenures, "most changes", max_units=12)
lanes.savefig(DOCS / "swimlane.png", metadata=PLAIN)
