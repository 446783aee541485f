"""Groups against each other: paired by seed, by definition, and never more said than the runs can bear."""

import json
from dataclasses import replace

import pytest
from synthetic_runs import CONFIG, PROVENANCE, WITH_COMPONENT, write_run

from lifelong_rl.evaluation.metrics import MetricValue
from lifelong_rl.scenarios import condensed
from lifelong_rl.tracking.report import compare_groups, compare_runs, group_runs, read_runs, write_report
from lifelong_rl.tracking.report.comparing import ablations, caveats
from lifelong_rl.training.config import AgentConfig


def no_references(folder):
    return {}


def groups_of(folders):
    return group_runs(read_runs(folders, no_references)[0])[0]


def group(place, config, kept, seeds):
    """Write runs of one configuration, ``kept`` a seed, and give their group."""
    pairs = zip(kept, seeds, strict=True)
    (found,) = groups_of(
        [write_run(place / f"s{seed}", replace(config, seed=seed), kept=score) for score, seed in pairs]
    )
    return found


def by_name(found):
    return {comparison.metric: comparison for comparison in found[1]}


# What each component does


def test_groups_that_differ_by_components_only_are_compared_with_the_one_without(tmp_path):
    both = AgentConfig("dqn", components=["distillation", "reservoir-replay"])
    configs = {
        "none": CONFIG,
        "one": WITH_COMPONENT,
        "other": replace(CONFIG, agent=AgentConfig("dqn", components=["reservoir-replay"])),
        "both": replace(CONFIG, agent=both),
        "elsewhere": replace(WITH_COMPONENT, n_envs=2),
    }
    groups = groups_of([write_run(tmp_path / name, config) for name, config in configs.items()])
    labels = {label: name for name, label in zip(configs, (g.label for g in groups), strict=True)}
    found = {(labels[without.label], labels[with_it.label], added) for without, with_it, added in ablations(groups)}
    assert found == {
        ("none", "one", "distillation"),
        ("none", "other", "reservoir-replay"),
        ("none", "both", "distillation + reservoir-replay"),
        ("one", "both", "reservoir-replay"),
        ("other", "both", "distillation"),
    }


def test_a_component_with_other_hyper_parameters_is_no_addition(tmp_path):
    small = replace(CONFIG, agent=AgentConfig("dqn", components=[("distillation", {"n_states": 10})]))
    groups = groups_of([write_run(tmp_path / "a", WITH_COMPONENT), write_run(tmp_path / "b", small)])
    assert ablations(groups) == []


def test_the_report_says_what_a_component_does_with_intervals_over_pairs(tmp_path):
    folders = []
    for seed, (without, with_it) in enumerate([(0.0, 0.5), (0.2, 0.8), (0.4, 1.0)]):
        folders.append(write_run(tmp_path / f"a{seed}", replace(CONFIG, seed=seed), kept=without))
        folders.append(write_run(tmp_path / f"b{seed}", replace(WITH_COMPONENT, seed=seed), kept=with_it))
    text = (write_report(folders, no_references, tmp_path / "out").page.parent / "report.md").read_text()
    table = text.split("**Effects of components**")[1]
    (row,) = [line for line in table.splitlines() if "| gem/backward_transfer" in line and "+ distillation" in line]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[3:] == ["3", "+0.57 [0.50, 0.60]", "1.00 [1.00, 1.00]", "better"]
    assert "Nothing is corrected for looking at several metrics" in text


# Pairs


def test_runs_are_paired_by_seed_and_differences_are_those_of_the_pairs(tmp_path):
    before = group(tmp_path / "a", CONFIG, [0.0, 0.3, 0.6], [0, 1, 2])
    after = group(tmp_path / "b", WITH_COMPONENT, [0.7, 0.4, 0.1], [2, 1, 0])
    found = by_name(compare_groups(before, after))["gem/backward_transfer"]
    assert (found.is_paired, found.n_pairs) == (True, 3)
    assert found.difference == pytest.approx(0.1)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.1, 0.1))  # each pair differs by as much
    assert found.probability.estimate == pytest.approx(6 / 9)  # all against all
    assert (found.better, found.is_clear) == ("after", True)


def test_seeds_without_a_partner_are_left_out_of_pairs_and_said_so(tmp_path):
    before = group(tmp_path / "a", CONFIG, [0.0, 0.2, 0.9], [0, 1, 2])
    after = group(tmp_path / "b", WITH_COMPONENT, [0.5, 0.7], [0, 1])
    pairing, found = compare_groups(before, after)
    assert pairing.explanation == "2 pair(s) of one seed and scenario; 1 run(s) without a partner left out"
    assert {c.metric: c for c in found}["gem/backward_transfer"].difference == pytest.approx(0.5)


@pytest.mark.parametrize(("seeds", "n_pairs"), [([5, 6], 0), ([1, 6], 0), ([0, 1], 2)])
def test_too_few_common_seeds_are_not_paired(seeds, n_pairs, tmp_path):
    before = group(tmp_path / "a", CONFIG, [0.0, 0.2], [0, 1])
    after = group(tmp_path / "b", WITH_COMPONENT, [0.5, 0.9], seeds)
    pairing, found = compare_groups(before, after)
    metric = {c.metric: c for c in found}["gem/backward_transfer"]
    assert metric.n_pairs == n_pairs
    assert metric.difference == pytest.approx(0.6)
    assert metric.interval.low <= 0.6 <= metric.interval.high
    if not n_pairs:
        assert "not paired" in pairing.explanation
        assert metric.interval.low == pytest.approx(0.3) and metric.interval.high == pytest.approx(0.9)


def test_one_pair_has_a_difference_and_no_interval(tmp_path):
    before = group(tmp_path / "a", CONFIG, [0.25], [3])
    after = group(tmp_path / "b", WITH_COMPONENT, [0.75], [3])
    found = by_name(compare_groups(before, after))["chaudhry/forgetting"]
    assert (found.difference, found.interval, found.probability) == (-0.5, None, None)
    assert found.reason == "an interval needs at least two pairs"
    assert (found.better, found.is_clear) == ("after", False)  # less forgetting is better


def test_equal_runs_are_equal(tmp_path):
    before = group(tmp_path / "a", CONFIG, [0.5, 0.5], [0, 1])
    after = group(tmp_path / "b", WITH_COMPONENT, [0.5, 0.5], [0, 1])
    found = by_name(compare_groups(before, after))["gem/backward_transfer"]
    assert (found.better, found.probability.estimate) == ("equal", 0.5)


# What keeps numbers from being compared


def test_undefined_numbers_are_not_compared_and_say_why(tmp_path):
    before = group(tmp_path / "a", CONFIG, [0.5, 0.5], [0, 1])
    after = group(tmp_path / "b", WITH_COMPONENT, [0.5, 0.5], [0, 1])
    found = by_name(compare_groups(before, after))["cw/forgetting"]
    assert (found.mean_before, found.difference, found.better) == (None, None, None)
    assert "window of 5" in found.reason and "without" not in found.reason


def test_numbers_of_different_definitions_are_not_compared(tmp_path):
    before = group(tmp_path / "a", CONFIG, [0.5, 0.5], [0, 1])
    after = group(tmp_path / "b", WITH_COMPONENT, [0.5, 0.5], [0, 1])
    shared = {"family": "f", "name": "m", "sign": "higher is better", "reference": "r", "source": "s"}

    def with_window(old, window):
        metric = MetricValue(**shared, value=0.5, window=window)
        return replace(old, runs=tuple(replace(run, metrics=(metric,)) for run in old.runs))

    found = by_name(compare_groups(with_window(before, "last 5"), with_window(after, "last 3")))["f/m"]
    assert (found.mean_before, found.mean_after, found.difference) == (0.5, 0.5, None)
    assert found.reason == "the definitions differ in their window: last 5 | last 3"


def test_what_makes_groups_hard_to_compare_is_said(tmp_path):
    config = replace(CONFIG, scenario=condensed("point-goal", n_tasks=2, steps=400), eval_episodes=3)
    folders = [
        write_run(tmp_path / "a", CONFIG),
        write_run(tmp_path / "b", config, provenance=PROVENANCE | {"packages": {"torch": "2.9.0"}}, n_blocks=1),
    ]
    before, after = groups_of(folders)
    said = " ".join(caveats(before, after))
    for words in (
        "scenarios differ",
        "200 and 400 environment steps",
        "eval_episodes differs: 5 and 3",
        "versions differ: lifelong-rl, torch",
        "1 run(s) are unfinished",
    ):
        assert words in said
    assert "reference" not in said  # there are none
    assert caveats(before, before) == []


def test_other_reference_runs_are_said(tmp_path):
    ppo = replace(CONFIG, agent=AgentConfig("ppo"))
    folders = [write_run(tmp_path / "a", CONFIG), write_run(tmp_path / "b", ppo)]
    runs = read_runs(folders, lambda folder: {"east": [[0.1, 0.2]]})[0]
    before, after = group_runs(runs)[0]
    assert any("reference runs differ" in said for said in caveats(before, after))
    assert caveats(before, before) == []


# The command's words


@pytest.fixture
def place(tmp_path):
    for seed, (without, with_it) in enumerate([(0.0, 0.5), (0.2, 0.8)]):
        write_run(tmp_path / "runs" / f"dqn-s{seed}", replace(CONFIG, seed=seed), kept=without)
        write_run(tmp_path / "runs" / f"dqn+distillation-s{seed}", replace(WITH_COMPONENT, seed=seed), kept=with_it)
    return tmp_path / "runs"


def test_two_groups_in_one_folder_or_by_patterns_are_the_same_comparison(place):
    together = compare_runs(str(place), "", no_references)
    apart = compare_runs(f"{place}/dqn-s*", f"{place}/dqn+distillation-s*", no_references)
    assert together.to_json() == apart.to_json()
    text = together.to_text()
    assert "A: dqn on point-goal (condensed), 2 seeds: 0, 1" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| chaudhry/forgetting")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        *("chaudhry/forgetting ↓", "0.90", "0.35", "-0.55 [-0.60, -0.50]", "1.00 [1.00, 1.00]", "B", "2")
    ]
    assert "With fewer than 5 seeds" in text and "window of 5" in text


def test_the_json_holds_every_number_and_reason(place):
    found = json.loads(json.dumps(compare_runs(str(place), "", no_references).to_json(), allow_nan=False))
    metrics = {metric["metric"]: metric for metric in found["metrics"]}
    forgetting = metrics["chaudhry/forgetting"]
    assert forgetting["difference"] == pytest.approx(-0.55)
    assert forgetting["difference_interval"] == pytest.approx([-0.6, -0.5])
    assert (forgetting["better"], forgetting["is_clear"], forgetting["n_pairs"]) == ("b", True, 2)
    assert metrics["cw/forgetting"]["better"] is None and metrics["cw/forgetting"]["reason"]
    assert found["a"]["seeds"] == [0, 1] and found["warnings"] == []


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ("runs", "runs/dqn-s0", "must differ by their seed only, found 2 group"),
        ("runs/dqn-s0", "", "must hold two groups"),
        ("runs/ppo-*", "runs", "no folder fits the pattern"),
        ("nowhere", "runs", "does not exist"),
    ],
)
def test_what_is_no_comparison_is_one_clear_error(a, b, words, place, monkeypatch):
    monkeypatch.chdir(place.parent)
    with pytest.raises(ValueError, match=words):
        compare_runs(a, b, no_references)


def test_a_damaged_run_is_left_out_of_a_comparison_and_named(place):
    (place / "dqn-s1" / "evaluations.jsonl").write_text("{}\n{}\n")
    found = compare_runs(str(place), "", no_references)
    assert any("dqn-s1: left out" in warning for warning in found.warnings)
    assert found.pairing.explanation.startswith("1 pair(s)")
