"""The smallest gain that pairs can show: of a configuration with itself, of a study in turns."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.support.in_heats import baseline_heat, in_heat
from tests.support.runs import recorded, study_record
from tuner.evidence.conclude import conclude
from tuner.evidence.floor import Gain, floor, of_pairs, of_study
from tuner.evidence.intervals import effect_shown
from tuner.evidence.pairs import floor_of
from tuner.evidence.summary import Summary, summarize
from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.worker.protocol import Role

IN_TURNS = Setup("m", trials=10, heat_size=3)
# Of a companion of 10 ms: three fresh baselines of 10, 11 and 12.1 ms, the host twice as slow once.
HEATS = [*baseline_heat(1, 10, 10), *baseline_heat(2, 20, 22), *baseline_heat(3, 10, 12.1)]


def study(runs: list[RecordedRun], asked: Setup = IN_TURNS) -> Summary:
    return summarize(study_record(asked), [recorded(0, 10), *runs])


def test_ratios_that_never_differ_leave_only_what_matters_to_be_shown() -> None:
    assert floor(None, 0.0, 8).gains == (Gain(8, 0.01), Gain(16, 0.01), Gain(24, 0.01))


def test_a_ratio_of_a_pair_needs_no_root_of_two() -> None:
    by_pairs = floor(None, 0.06, 8).gains[0].gain
    assert by_pairs == pytest.approx(effect_shown(8, 0.06 / math.sqrt(2), 0.01), abs=1e-4)


@pytest.mark.parametrize(("ratios", "too_busy"), [(0.5, False), (1.0, True)])
def test_too_busy_is_where_the_most_pairs_show_nothing_below_two(
    ratios: float, too_busy: bool
) -> None:
    assert floor(None, ratios, 8).too_busy is too_busy


def test_pairs_of_a_configuration_with_itself_give_the_host_and_the_ratios_apart() -> None:
    result = of_pairs([0.0, 0.2, 0.4], [0.01, -0.01, 0.0])
    assert result is not None
    assert (result.host, result.ratios, result.values) == (0.2, 0.01, 3)
    assert of_pairs([0.0, 0.2], [0.01, -0.01]) is None


def test_the_baselines_of_a_study_count_root_two_times_and_are_pooled_with_its_pairs() -> None:
    alone = of_study(0.3, 0.01, 5, [])
    assert alone is not None
    assert (alone.host, alone.ratios, alone.values) == (0.3, 0.0141, 5)
    pooled = of_study(0.3, 0.01, 5, [0.1, 0.1, 0.1])  # 4 of 2e-4, 2 of 0
    assert pooled is not None
    assert (pooled.ratios, pooled.values) == (0.0115, 8)
    assert of_study(0.3, None, 2, [0.1]) is None


def test_a_study_in_turns_has_the_floor_of_its_fresh_baselines() -> None:
    result = floor_of(study(HEATS))
    assert result is not None
    # Steps of log(1.1) between the ratios; log(2) between the companion's costs.
    assert result.ratios == pytest.approx(math.sqrt(2) * math.log(1.1), abs=1e-4)
    assert result.host == pytest.approx(math.log(2) / math.sqrt(3), abs=1e-4)
    assert result.values == 3


def test_a_study_alone_has_none() -> None:
    runs = [recorded(0, ms) for ms in (10, 11, 12)]
    assert floor_of(study(runs, Setup("m", trials=10))) is None


@pytest.mark.parametrize("heat", [0, 1])
def test_pairs_of_the_baseline_with_itself_are_what_the_floor_is_of(heat: int) -> None:
    times_ms = [(10.0, 11.0), (22.0, 20.0), (10.0, 10.0), (10.0, 10.0)]
    runs = [
        in_heat(heat and number + 1, [ms] * 2, Role.HOLD_OUT, companion=0, block=number)
        for number, pair in enumerate(times_ms)
        for ms in pair
    ]
    result = floor_of(study(runs, replace(IN_TURNS, heat_size=2 if heat else 1)))
    assert result is not None
    assert result.values == 4
    assert result.ratios == pytest.approx(math.log(1.1) * math.sqrt(2 / 3), abs=1e-4)


def test_the_evidence_says_how_it_was_measured() -> None:
    noise = conclude(study(HEATS)).evidence.noise
    assert (noise.in_turns, noise.heat_size, noise.heats, noise.turns) == (True, 2, 3, 6)
    assert noise.floor == floor_of(study(HEATS))
    alone = conclude(study([], Setup("m", trials=10))).evidence.noise
    assert (alone.in_turns, alone.heat_size, alone.heats, alone.floor) == (False, 1, 0, None)
