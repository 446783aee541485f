"""The numbers of l2metrics from regimes: the worked examples, the options, and what each trap of it gives here."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.evaluation import Undefined
from lifelong_rl.evaluation.l2m import L2MOptions, Regime, Regimes, area_between_curves, l2metrics_report
from lifelong_rl.evaluation.l2m.comparison import sample_efficiency
from lifelong_rl.evaluation.l2m.segments import smooth
from lifelong_rl.evaluation.l2m.transfer import transfers

EXAMPLES = {
    example["id"]: example for example in json.loads(Path(__file__).with_name("l2m_examples.json").read_text())
}
RAW = L2MOptions(normalization_method="none", smoothing_method="none")


def learned(block, task, *values, **more):
    return Regime(block, "train", task, values, **more)


def evaluated(block, task, *values, **more):
    return Regime(block, "test", task, values, **more)


def report(*regimes, experts=None, options=RAW):
    return l2metrics_report(Regimes.of(regimes), experts, options)


def flat(value, name=""):
    """Tables and rows as one table of numbers and names; a list keeps its length."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    found = {name: len(value)} if isinstance(value, list) else {}
    for key, entry in entries:
        path = f"{name}/{key}"
        found |= flat(entry, path) if isinstance(entry, dict | list) else {path: entry}
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_worked_example_is_met_in_every_number(name):
    example = EXAMPLES[name]
    inputs = EXAMPLES[example["inputs"].get("same_as", name)]["inputs"]
    regimes = Regimes.of([Regime(r["block"], r["type"], r["task"], r["values"]) for r in inputs["regimes"]])
    options = L2MOptions(**example["protocol"]["options"])
    ours = flat(l2metrics_report(regimes, inputs["single_task_experts"], options))
    for key, expected in flat(example["expected"]).items():
        is_number = isinstance(expected, float | int)
        assert ours.get(key) == (pytest.approx(expected, rel=1e-5, abs=1e-9) if is_number else expected), key


# The traps of l2metrics, in the order of the project's specification of metrics


def test_a_ratio_depends_on_the_floor_of_the_normalisation():
    """Trap a: the same scores give other ratios with other preparation."""
    run = [evaluated(0, "u", 1.0), learned(1, "t", 5.0), evaluated(2, "u", 3.0), learned(3, "u", 11.0)]
    raw = report(*run)["lifetime"]["forward_transfer_ratio"]
    scaled = report(*run, options=L2MOptions())["lifetime"]["forward_transfer_ratio"]
    assert (raw, scaled) == (3.0, 21.0)


def test_negative_scores_turn_the_meaning_of_a_ratio_round():
    """Trap b: a loss looks like a gain, and sample efficiency is 0."""
    run = [
        learned(0, "u", -30.0, -20.0, -10.0),
        evaluated(1, "u", -10.0),
        learned(2, "t", 0.0),
        evaluated(3, "u", -12.0),
    ]
    found = report(*run, experts={"u": [[-9.0, -6.0, -3.0]]})
    assert found["lifetime"]["backward_transfer_ratio"] == pytest.approx(1.2)
    assert found["lifetime"]["backward_transfer_contrast"] == pytest.approx(1 / 11)
    assert found["lifetime"]["ste_rel_perf"] == pytest.approx(60 / 18)
    assert found["lifetime"]["sample_efficiency"] == 0.0


def test_a_zero_before_drops_the_cell_of_the_ratio_alone():
    """Trap c: "no transfer" becomes "missing"."""
    found = report(evaluated(0, "u", 0.0), learned(1, "t", 5.0), evaluated(2, "u", 3.0))
    assert found["lifetime"]["forward_transfer_ratio"] is None
    assert found["lifetime"]["forward_transfer_contrast"] == 1.0
    assert found["tasks"]["t"]["forward_transfer_ratio"] == {}
    both = report(evaluated(0, "u", 0.0), learned(1, "t", 5.0), evaluated(2, "u", 0.0))
    assert both["lifetime"]["forward_transfer_contrast"] is None


def test_the_task_that_appeared_last_stands_for_all_between_two_evaluations():
    """Trap d: one cell an evaluated regime; the order of first appearance decides, not the order in the block."""
    run = [learned(0, "late", 0.0), evaluated(1, "early", 1.0), evaluated(1, "u", 2.0)]
    run += [learned(2, "early", 0.0), learned(2, "late", 0.0), learned(2, "early", 0.0), evaluated(3, "u", 4.0)]
    tasks = report(*run)["tasks"]
    assert tasks["early"]["forward_transfer_ratio"] == {"u": [2.0]}
    assert tasks["late"]["forward_transfer_ratio"] == {}


def test_both_directions_can_have_a_cell_at_one_evaluation():
    run = [
        evaluated(0, "u", 1.0),
        learned(1, "t", 0.0),
        learned(1, "u", 0.0),
        learned(1, "s", 0.0),
        learned(1, "t", 0.0),
    ]
    tasks = report(*run, evaluated(2, "u", 2.0))["tasks"]
    assert tasks["t"]["forward_transfer_ratio"] == {"u": [2.0]} and tasks["t"]["backward_transfer_ratio"] == {}
    assert tasks["s"]["backward_transfer_ratio"] == {"u": [2.0]} and tasks["u"]["backward_transfer_ratio"] == {}


def test_only_the_first_value_of_a_pair_counts_for_the_whole_run():
    """Trap e: all are stored."""
    run = [
        learned(0, "u", 0.0),
        evaluated(1, "u", 1.0),
        learned(2, "t", 0.0),
        evaluated(3, "u", 2.0),
        learned(4, "t", 0.0),
    ]
    found = report(*run, evaluated(5, "u", 10.0))
    assert found["tasks"]["t"]["backward_transfer_ratio"] == {"u": [2.0, 5.0]}
    assert found["lifetime"]["backward_transfer_ratio"] == 2.0


def test_recovery_and_saturation_count_episodes():
    """Trap f: an episode is one, however many steps it took."""
    run = [learned(0, "t", 1.0, 2.0, 3.0), learned(1, "t", 0.0, 2.0, 3.0, 4.0), learned(2, "t", 3.0, 3.0)]
    found = report(*run, learned(3, "t", 2.0))
    assert [row[6] for row in found["regimes"]] == [None, 2.0, 3.0, 2.0]  # 3, 2: one more than there are
    assert [row[4:6] for row in found["regimes"]] == [[3.0, 2.0], [4.0, 3.0], [3.0, 0.0], [2.0, 0.0]]
    assert found["lifetime"]["perf_recovery"] == pytest.approx(0.0)
    assert found["tasks"]["t"]["recovery_times"] == [2.0, 3.0, 2.0]


def test_two_agents_share_a_scale_only_with_a_range():
    """Trap g: each run is normalised by its own extremes unless data_range is given."""
    weak, strong = (
        [evaluated(0, "t", 0.0, 0.1), learned(1, "t", 0.1)],
        [evaluated(0, "t", 0.0, 0.1), learned(1, "t", 0.9)],
    )
    own, shared = L2MOptions(), L2MOptions(data_range={"t": (0.0, 1.0)})
    assert report(*weak, options=own)["lifetime"]["avg_train_perf"] == 101.0
    assert report(*strong, options=own)["lifetime"]["avg_train_perf"] == 101.0
    assert report(*weak, options=shared)["lifetime"]["avg_train_perf"] == pytest.approx(11.0)
    assert report(*strong, options=shared)["lifetime"]["avg_train_perf"] == pytest.approx(91.0)


def test_wake_evaluations_are_dropped_once_anything_is_sleep():
    """Trap h."""
    run = [
        evaluated(0, "u", 1.0),
        evaluated(0, "u", 2.0, subtype="sleep"),
        learned(1, "t", 5.0),
        evaluated(2, "u", 8.0),
    ]
    found = report(*run, evaluated(2, "u", 4.0, subtype="sleep"))
    assert found["lifetime"]["avg_eval_perf"] == 3.0
    assert found["lifetime"]["forward_transfer_ratio"] == 2.0
    assert report(*run)["lifetime"]["forward_transfer_ratio"] is None  # one sleep evaluation is not two


def test_gaps_in_the_numbering_can_turn_the_slope_of_sample_efficiency():
    """Trap i: the slope is over the run's numbers of experiences, not over the task's own."""
    values, expert = [0.0, 9.0, 3.0, 3.0], {"t": [[0.0, 9.0]]}
    even = report(learned(0, "t", *values), experts=expert)
    assert even["lifetime"]["sample_efficiency"] == 1.0
    gaps = report(learned(0, "t", *values, experiences=[0, 1, 2, 1000]), experts=expert)
    assert gaps["lifetime"]["sample_efficiency"] == 0.0


def test_experts_come_with_the_call_by_the_exact_name():
    """Trap j: there is no store, so no experiment can pick up another one's experts."""
    run = [learned(0, "t", 0.0, 2.0)]
    assert report(*run, experts={"T": [[0.0, 1.0]]})["lifetime"]["ste_rel_perf"] is None
    assert report(*run, experts={"t": [[0.0, 1.0]]})["lifetime"]["ste_rel_perf"] == 2.0


def test_the_first_two_entries_of_an_even_window_tie_for_a_falling_curve():
    """What l2metrics finds there is rounding; with a tolerance it is the first, so there is no sample efficiency."""
    falling = np.linspace(1, 0, 60) ** 3
    with pytest.raises(Undefined, match="first episode"):
        sample_efficiency(falling, np.arange(60), [falling[::-1]], tie=1e-12)


def test_the_area_between_curves_scales_each_to_its_own_length():
    assert area_between_curves([0.0, 1.0], [[0.0, 0.0, 0.0]]) == 0.5
    assert area_between_curves([1.0, 1.0, 1.0], [[0.0, 2.0], [0.0, 0.0, 9.0]]) == 0.5
    with pytest.raises(Undefined, match="at least two episodes"):
        area_between_curves([1.0, 1.0], [])


# Options


def smoothed(values, **options):
    found = l2metrics_report(
        Regimes.of([learned(0, "t", *values)]), options=L2MOptions(normalization_method="none", **options)
    )
    return found["tasks"]["t"]["max"]


def test_a_window_of_three_averages_neighbours_and_reflects_the_ends():
    values = [0.0, 3.0, 6.0, 0.0, 0.0]
    # windows at -1 to 1, ... 3 to 5 of 3 0 3 6 0 0 0: means 2, 3, 3, 2, 0
    assert smoothed(values, window_length=3) == 3.0
    assert smoothed(values) == 6.0  # a fifth of 5 is a window of 1: untouched
    assert smoothed(values, window_length=6) == 6.0  # longer than the block: a fifth of it again


@pytest.mark.parametrize("window", ["hanning", "hamming", "bartlett", "blackman"])
def test_other_windows_weigh_the_middle(window):
    weights = getattr(np, window)(5)
    assert smoothed([0.0] * 5 + [1.0] + [0.0] * 5, window_length=5, smoothing_method=window) == pytest.approx(
        weights[2] / weights.sum()
    )


def test_many_blocks_are_smoothed_as_each_alone():
    lengths = np.array([40, 3, 40, 700, 15, 41])
    values = np.random.default_rng(0).random(lengths.sum())
    ends = np.cumsum(lengths)
    together = np.split(smooth(values, ends - lengths, lengths), ends[:-1])
    for found, block in zip(together, np.split(values, ends[:-1]), strict=True):
        assert found == pytest.approx(smooth(block, np.array([0]), np.array([len(block)])))
        assert len(block) < 15 or np.std(found) < np.std(block)


def test_outliers_are_clipped_to_quantiles_of_run_and_experts_or_to_the_range():
    run, experts = [learned(0, "t", *range(6))], {"t": [[6.0, 7.0, 8.0, 9.0, 10.0]]}
    raw = {"normalization_method": "none", "smoothing_method": "none", "clamp_outliers": True}
    assert report(*run, experts=experts, options=L2MOptions(**raw))["tasks"]["t"]["min"] == 1.0
    table = report(*run, options=L2MOptions(**raw, data_range=(2.0, 3.0)))["tasks"]["t"]
    assert (table["min"], table["max"]) == (2.0, 3.0)


def test_a_run_can_be_normalised_by_one_range():
    run = [learned(0, "a", 0.0, 1.0), learned(1, "b", 4.0)]
    found = report(*run, options=L2MOptions(normalization_method="run", smoothing_method="none"))
    assert found["tasks"]["a"]["avg_train_perf"] == pytest.approx(13.5)
    assert found["tasks"]["b"]["avg_train_perf"] == 101.0
    assert found["normalisation_range"] == {"a": {"min": 0.0, "max": 1.0}, "b": {"min": 4.0, "max": 4.0}}


def test_a_constant_task_is_one_everywhere_and_a_constant_run_has_no_scale():
    run = [evaluated(0, "t", 7.0), learned(1, "t", 7.0, 7.0)]
    assert report(*run, options=L2MOptions())["tasks"]["t"]["avg_train_perf"] == 1.0
    by_run = report(*run, options=L2MOptions(normalization_method="run"))
    assert by_run["lifetime"]["avg_train_perf"] is None
    assert by_run["normalisation_range"] == {"t": {"min": 7.0, "max": 7.0}}  # as l2metrics reports it


@pytest.mark.parametrize("score", [1.0, 0.7, -120.3])
@pytest.mark.parametrize("method", ["task", "run"])
def test_the_average_of_a_constant_is_that_constant_whatever_rounding_says(score, method):
    """0.1 ten times is not 1: a range of 1e-16 would make such rounding the whole scale from 1 to 101."""
    for n in (30, 40, 55, 60, 65, 70, 75):
        run = [evaluated(0, "t", score), learned(1, "t", *[score] * n), evaluated(2, "t", score)]
        found = report(*run, options=L2MOptions(normalization_method=method))["tasks"]["t"]
        expected = None if method == "run" else 1.0
        assert found["avg_train_perf"] == found["avg_eval_perf"] == expected, n


def test_variants_are_tasks_of_their_own_or_one():
    run = [evaluated(0, "u_1", 1.0), learned(1, "t_1", 0.0), learned(1, "t_2", 2.0), evaluated(2, "u_2", 3.0)]
    assert set(report(*run)["tasks"]) == {"u_1", "t_1", "t_2", "u_2"}
    options = L2MOptions(normalization_method="none", smoothing_method="none", variant_mode="agnostic")
    found = report(*run, options=options, experts={"t_1": [[0.0, 1.0]], "t_2": [[0.0, 4.0]]})
    assert [row[:4] for row in found["regimes"]][1] == [1, "train", "t", 2.0]
    assert found["tasks"]["t"]["forward_transfer_ratio"] == {"u": [3.0]}
    assert found["tasks"]["t"]["ste_rel_perf"] == pytest.approx((2 / 1 + 2 / 4) / 2)


def test_ranges_of_variants_are_joined_without_variants():
    options = L2MOptions(variant_mode="agnostic", data_range={"t_1": (0.0, 1.0), "t_2": (-1.0, 0.5), "tt_1": (9, 10)})
    assert options.range_of("t") == (-1.0, 1.0)


def test_several_experts_give_a_mean_of_ratios_or_a_ratio_to_their_mean_curve():
    run, experts = [learned(0, "t", 1.0, 1.0)], {"t": [[1.0, 1.0, 9.0], [3.0, 3.0]]}
    by_time = L2MOptions(normalization_method="none", smoothing_method="none", ste_averaging_method="time")
    assert report(*run, experts=experts)["lifetime"]["ste_rel_perf"] == pytest.approx((1 + 1 / 3) / 2)
    assert report(*run, experts=experts, options=by_time)["lifetime"]["ste_rel_perf"] == 0.5


def test_an_expert_that_scored_nothing_leaves_the_mean_undefined_as_in_l2metrics():
    run = [learned(0, "t", 1.0, 3.0), learned(1, "u", 1.0, 2.0), learned(2, "v", 0.0, 0.0)]
    experts = {"t": [[0.0, 0.0], [2.0, 2.0]], "u": [[1.0, 1.0]], "v": [[0.0, 0.0], [1.0, 1.0]]}
    found = report(*run, experts=experts)
    assert found["tasks"]["t"]["ste_rel_perf_vals"] == [1.0, None]
    assert found["tasks"]["t"]["ste_rel_perf"] is found["lifetime"]["ste_rel_perf"] is None
    assert found["tasks"]["u"]["ste_rel_perf"] == 1.5
    assert found["tasks"]["v"]["ste_rel_perf"] == 0.0  # 0 / 0 is no number, and left out there too
    median = L2MOptions(normalization_method="none", smoothing_method="none", aggregation_method="median")
    assert report(*run, experts=experts, options=median)["lifetime"]["ste_rel_perf"] == 1.5


def test_infinite_ratios_of_both_signs_are_undefined():
    run, experts = [learned(0, "t", 1.0), learned(1, "u", -1.0)], {"t": [[0.0]], "u": [[0.0]]}
    assert report(*run, experts=experts)["lifetime"]["ste_rel_perf"] is None


def test_an_expert_that_saturates_at_nothing_leaves_sample_efficiency_undefined():
    run, experts = [learned(0, "t", 0.0, 1.0), learned(1, "u", 0.0, 1.0)], {"t": [[-1.0, 0.0]], "u": [[0.0, 1.0]]}
    found = report(*run, experts=experts)
    assert found["tasks"]["t"]["sample_efficiency_vals"] == [None]
    assert found["tasks"]["u"]["sample_efficiency"] == 1.0
    assert found["lifetime"]["sample_efficiency"] is None


def test_a_median_over_tasks_can_stand_for_the_run():
    run = [learned(i, f"t{i}", value) for i, value in enumerate([1.0, 2.0, 9.0])]
    options = L2MOptions(normalization_method="none", aggregation_method="median")
    assert report(*run, options=options)["lifetime"]["avg_train_perf"] == 2.0


def test_evaluations_can_be_smoothed_too():
    run = [evaluated(0, "t", 0.0, 3.0, 6.0, 0.0, 0.0)]
    options = {"normalization_method": "none", "window_length": 3}
    assert report(*run, options=L2MOptions(**options))["tasks"]["t"]["max"] == 6.0
    assert report(*run, options=L2MOptions(**options, smooth_evaluations=True))["tasks"]["t"]["max"] == 3.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalization_method": "tasks"}, "normalization_method must be one of task, run, none, found 'tasks'"),
        ({"window_length": 0}, "window_length must be at least 1"),
        ({"data_range": {"t": (1.0, 0.0)}}, "data_range of task 't' must be two finite rising numbers"),
    ],
)
def test_an_option_that_is_not_offered_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        L2MOptions(**options)


def test_the_report_names_every_range_that_was_given():
    ranges = {"t_1": (0.0, 1.0), "u_1": (0.0, 2.0), "u_2": (-1.0, 1.0)}
    found = report(learned(0, "t_1", 0.5), options=L2MOptions(data_range=ranges))["normalisation_range"]
    assert found == {task: {"min": low, "max": high} for task, (low, high) in ranges.items()}
    agnostic = L2MOptions(data_range=ranges, variant_mode="agnostic")
    joined = report(learned(0, "t_1", 0.5), options=agnostic)["normalisation_range"]
    assert joined == {"t": {"min": 0.0, "max": 1.0}, "u": {"min": -1.0, "max": 2.0}}


def test_a_range_must_hold_every_task():
    with pytest.raises(ValueError, match="data_range must hold every task of the run, found none for 'b'"):
        report(learned(0, "b", 1.0), options=L2MOptions(data_range={"a": (0.0, 1.0)}))


# Regimes


def test_neighbours_alike_are_one_regime():
    regimes = Regimes.of([learned(0, "t", 1.0), learned(0, "t", 2.0), learned(1, "t", 3.0), evaluated(1, "t", 4.0)])
    assert regimes.lengths.tolist() == [2, 1, 1]
    assert regimes.block.tolist() == [0, 1, 1]


def test_values_that_share_a_number_are_averaged_where_order_matters():
    run = [learned(0, "t", 0.0, 4.0, 1.0, 5.0, experiences=[0, 0, 1, 1])]
    row = report(*run)["regimes"][0]
    assert row[3:6] == [3.0, 3.0, 1.0]


@pytest.mark.parametrize(
    ("regime", "message"),
    [
        (Regime(0, "sleep", "t", [1.0]), "regime 0 must be train or test, wake or sleep"),
        (learned(0, "t", np.nan), "values of regime 0 must be finite"),
        (learned(0, "t", 1.0, experiences=[1, 2]), "experiences of regime 0 must be a number a value"),
        (learned(0, "t", 1.0, 1.0, experiences=[2, 1]), "experiences of regime 0 must be a number a value"),
    ],
)
def test_a_bad_regime_is_refused(regime, message):
    with pytest.raises(ValueError, match=message):
        report(regime)


numbers = st.floats(0, 1, allow_subnormal=False)
regimes_of_any_kind = st.lists(
    st.builds(
        Regime,
        block=st.integers(0, 2),
        type=st.sampled_from(["train", "test"]),
        task=st.sampled_from("abc"),
        values=st.lists(numbers, min_size=1, max_size=6),
        subtype=st.sampled_from(["wake", "wake", "wake", "sleep"]),
    ),
    min_size=1,
    max_size=9,
)


def slow_cells(regimes):
    """Forward and backward cells as l2metrics' rule says them, pair by pair."""
    rows = [r for r in range(len(regimes)) if regimes.is_counted[r]]
    order = list(dict.fromkeys(regimes.tasks[regimes.task[r]] for r in rows))
    cells = {}
    for t in order:
        for u in order:
            tests = [r for r in rows if regimes.tasks[regimes.task[r]] == u and regimes.is_test[r]]
            own = [r for r in rows if regimes.tasks[regimes.task[r]] == u and not regimes.is_test[r]]
            for q in (r for r in rows if regimes.tasks[regimes.task[r]] == t and not regimes.is_test[r]):
                for x, y in pairwise(tests):
                    if t != u and x < q < y:
                        cells["forward" if not own or q < own[0] else "backward", y] = (t, u)
    return cells


@settings(deadline=None)
@given(regimes_of_any_kind)
def test_transfer_finds_the_cells_of_the_rule_taken_literally(listed):
    regimes = Regimes.of(listed)
    found = transfers(regimes, np.arange(len(regimes), dtype=float))
    cells = {
        (direction, int(y)): (regimes.tasks[t], regimes.tasks[u])
        for direction, cell in found.items()
        for t, u, y in zip(cell.trained, cell.tested, cell.after, strict=True)
    }
    assert cells == slow_cells(regimes)


@settings(deadline=None)
@given(regimes_of_any_kind, st.permutations("abc"))
def test_renaming_the_tasks_renames_the_tables_and_changes_nothing_else(listed, names):
    renamed = dict(zip("abc", names, strict=True))
    others = [Regime(r.block, r.type, renamed[r.task], r.values, r.subtype) for r in listed]
    ours, theirs = report(*listed, options=L2MOptions()), report(*others, options=L2MOptions())
    assert ours["lifetime"] == theirs["lifetime"]
    for task in ours["tasks"]:
        mine, other = ours["tasks"][task], theirs["tasks"][renamed[task]]
        for key, value in mine.items():
            expected = {renamed[u]: v for u, v in value.items()} if isinstance(value, dict) else value
            assert other[key] == expected


@settings(deadline=None)
@given(regimes_of_any_kind)
def test_a_constant_run_transfers_nothing_and_keeps_everything(listed):
    constant = [Regime(r.block, r.type, r.task, [0.25] * len(r.values), r.subtype) for r in listed]
    for options in (RAW, L2MOptions()):
        found = report(*constant, options=options)["lifetime"]
        for name, value in found.items():
            if "maintenance" in name or "contrast" in name:
                assert value in (None, pytest.approx(0.0))
            elif "ratio" in name:
                assert value in (None, pytest.approx(1.0))
