"""The picture of a row ledger: its boxes, its lines, and that everything fits."""

from __future__ import annotations

from typing import Any

import pytest

import churnstats as cs
from churnstats.core.errors import SpecError
from churnstats.core.provenance import RowLedger
from churnstats.display.flow import NOTE, flow_chain, flow_figure, flow_levels
from record_tables import spells

LEDGER = (
    RowLedger()
    .step("rows with a holder", "roster rows", 1200, 1043, {"empty posts": 150, "copies": 7})
    .step("spells", "spells", 300, 300)
    .step("spells of role head", "spells", 300, 210, {"of other roles": 90})
    .step("panel", "unit-years", 950, 950)
    .step("outcomes joined", "outcome rows", 2000, 2000)
    .step(
        "sample", "unit-years", 950, 20,
        {"without an outcome in every one of the years that their window of time needs": 930},
    )
)  # fmt: skip
SPACED = RowLedger().step(
    "a step whose name is long enough to need a second line in its box",
    "rows",
    12_345_678,
    1,
    {f"reason {i} " + "that needs many words " * i: 10**i for i in range(7)}
    | {"the rest": 11_234_566},
)


def shown(ledger: RowLedger) -> list[tuple[str, str, str]]:
    """Return each level as how it is reached, its box, and what was left out."""
    return [
        (
            "follows" if level.follows else "begins",
            " | ".join([level.box.count, *(line for _, line in level.box.lines)]),
            ""
            if level.lost is None
            else " | ".join([level.lost.count, *(f"{n} {line}" for n, line in level.lost.lines)]),
        )
        for level in flow_levels(ledger)
    ]


def test_levels_say_what_came_in_what_was_left_out_and_what_is_left() -> None:
    sample = "930 left out |  without an outcome in every one of the |  years that their window of"
    assert shown(LEDGER) == [
        ("begins", "1,200 roster rows | came in", ""),
        (
            "follows",
            "1,043 roster rows | rows with a holder",
            "157 left out | 150 empty posts | 7 copies",
        ),
        ("begins", "300 spells | spells", ""),
        ("follows", "210 spells | spells of role head", "90 left out |  of other roles"),
        ("begins", "950 unit-years | panel", ""),
        ("begins", "2,000 outcome rows | outcomes joined", ""),
        ("begins", "950 unit-years | as above", ""),
        ("follows", "20 unit-years | sample", f"{sample} time needs"),
    ]


def texts(figure: Any) -> list[str]:
    return [t.get_text() for t in figure.axes[0].texts if t.get_text()]


def test_the_picture_shows_the_levels_from_top_to_bottom() -> None:
    figure = flow_figure(RowLedger(LEDGER.steps[:3]), "From the roster")
    assert texts(figure) == [
        "From the roster",
        "1,200 roster rows", "came in",
        "157 left out", "150", "empty posts", "7", "copies",
        "1,043 roster rows", "rows with a holder",
        "300 spells", "spells",
        "90 left out", "of other roles",
        "210 spells", "spells of role head",
        NOTE,
    ]  # fmt: skip
    lines = figure.axes[0].lines
    assert [line.get_linestyle() for line in lines] == ["-", ":", "-"]
    assert sum(t.arrow_patch is not None for t in arrows(figure)) == 2


def arrows(figure: Any) -> list[Any]:
    from matplotlib.text import Annotation

    return [t for t in figure.axes[0].texts if isinstance(t, Annotation)]


@pytest.mark.parametrize(
    "ledger", [LEDGER, SPACED, RowLedger(LEDGER.steps[3:4])], ids=["many", "long", "one"]
)
@pytest.mark.parametrize("title", ["", "A title that goes on for so long that it needs two lines"])
def test_boxes_do_not_overlap_and_letters_stay_in_them(ledger: RowLedger, title: str) -> None:
    figure = flow_figure(ledger, title)
    ax = figure.axes[0]
    figure.canvas.draw()
    page = figure.bbox
    boxes = [patch.get_window_extent() for patch in ax.patches]
    assert len(boxes) == sum(1 + (level.lost is not None) for level in flow_levels(ledger))
    for i, box in enumerate(boxes):
        assert page.x0 < box.x0 < box.x1 < page.x1
        assert page.y0 < box.y0 < box.y1 < page.y1
        assert not any(box.overlaps(other) for other in boxes[:i])
    for text in [t for t in ax.texts if t.get_text()]:
        place = text.get_window_extent()
        assert page.x0 < place.x0 < place.x1 < page.x1
        assert page.y0 < place.y0 < place.y1 < page.y1
        around = [b for b in boxes if b.overlaps(place)]
        if text.get_text() == NOTE or text is ax.texts[0]:
            assert not around
        else:
            (box,) = around
            assert box.x0 < place.x0 < place.x1 < box.x1
            assert box.y0 < place.y0 < place.y1 < box.y1


def test_letters_do_not_run_into_one_another() -> None:
    figure = flow_figure(SPACED)
    figure.canvas.draw()
    places = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text()]
    for i, place in enumerate(places):
        assert not any(place.overlaps(other) for other in places[:i])


def test_without_losses_the_picture_is_narrow_and_without_a_note() -> None:
    plain = flow_figure(RowLedger().step("a", "rows", 5, 5).step("b", "rows", 5, 5))
    assert texts(plain) == ["5 rows", "a", "5 rows", "b"]
    assert plain.get_size_inches()[0] < flow_figure(LEDGER).get_size_inches()[0] / 2 + 0.1


def test_a_panel_s_ledger_can_be_drawn() -> None:
    made = cs.Panel.build(
        spells("""
        role  leader_id  start  stop
        head  a          2010   2012
        aide  b          2010   2014
    """),
        role="head",
    )
    assert texts(flow_figure(made.ledger))[-4:] == ["spells of role head", "2 unit-years", "panel",
                                                    NOTE]  # fmt: skip


def test_a_ledger_without_steps_has_no_picture() -> None:
    with pytest.raises(SpecError, match="without steps"):
        flow_figure(RowLedger())


def test_a_panel_draws_its_own_flow() -> None:
    panel = cs.Panel.build(cs.datasets.load_mlb().tenures)
    figure = panel.plot_flow("Managers")
    assert any("992" in text.get_text() for text in figure.axes[0].texts)


def test_what_is_looked_up_is_found_or_not_and_never_left_out() -> None:
    ledger = RowLedger().step("one for each unit-year", "look-ups in scores", 9, 9)
    ledger = ledger.step("found", "look-ups in scores", 9, 7, {"of units it lacks": 2})
    assert shown(ledger)[1] == (
        "follows",
        "7 look-ups in scores | found",
        "2 not found |  of units it lacks",
    )


PANEL = RowLedger().step("spells", "spells", 30, 30).step("panel", "unit-years", 95, 95)


def test_the_sample_of_a_frame_goes_on_with_the_panel_s_unit_years() -> None:
    sample = RowLedger().step("sample", "rows", 95, 90, {"without math": 5})
    sample = sample.step("at risk", "rows", 90, 88, {"late": 2})
    chain = flow_chain(PANEL, sample)
    assert [(s.name, s.unit, s.n_in, s.n_out) for s in chain.steps] == [
        ("spells", "spells", 30, 30),
        ("panel", "unit-years", 95, 95),
        ("sample", "unit-years", 95, 90),
        ("at risk", "unit-years", 90, 88),
    ]
    assert [level[0] for level in shown(chain)] == ["begins", "begins", "follows", "follows"]


def test_a_ledger_that_holds_the_panel_s_steps_is_the_chain_itself() -> None:
    longer = PANEL.step("changes", "changes", 12, 8, {"undated": 4})
    assert flow_chain(PANEL, longer) is longer
    assert flow_chain(PANEL, RowLedger()) is PANEL
    assert flow_chain(RowLedger(), longer) is longer


@pytest.mark.parametrize(("unit", "n"), [("rows", 94), ("unit-years", 94), ("cells", 95)])
def test_a_ledger_of_other_rows_is_no_part_of_the_chain(unit: str, n: int) -> None:
    with pytest.raises(SpecError, match="which nothing before left"):
        flow_chain(PANEL, RowLedger().step("sample", unit, n, n))


def test_results_go_back_to_the_first_record() -> None:
    data = cs.datasets.load_mlb()
    panel = cs.Panel.build(data.tenures, data.outcomes)
    study = cs.event_study(panel, cs.Stacked(pre=2, post=1), "win_share")
    line = cs.linear_model(panel.frame, "win_share ~ turnover_lag", vcov=cs.Cluster("unit_id"))
    for result, last in ((study, "192 changes"), (line, "2,526 unit-years")):
        chain = flow_chain(panel.ledger, result.ledger)
        assert chain.steps[0].name == "valid spells"
        assert chain.steps[: len(panel.ledger.steps)] == panel.ledger.steps
        assert flow_levels(chain)[-1].box.count == last
