"""The script that compares us with worked examples takes them in other words, shapes and places as well."""

import json
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

R, BEFORE = [[0.8, 0.22], [0.65, 0.85]], [0.1, 0.12]
NULLS = [[0.8, None], [0.65, 0.85]]
CURVES = np.random.default_rng(3).uniform(0.1, 1, (2, 3, 12)).round(2)  # run, task, evaluation; 4 evaluations a block
SINGLE = np.random.default_rng(4).uniform(0.1, 0.9, (3, 2, 4)).round(2)  # task, run, evaluation


def matrix(expected, inputs=None, system="GEM"):
    inputs = {"R": R, "R_before_training": BEFORE} if inputs is None else inputs
    return {"id": "matrix", "system": system, "inputs": inputs, "expected": expected}


MATRICES = {
    "one family without a level": matrix({"ACC": 0.75, "BWT": -0.15, "FWT": 0.1}),
    "the first family named": matrix({"A": 2.3 / 3, "FWT": 0.22, "ACC": 0.75}, system="Diaz-Rodriguez, GEM"),
    "names written out": matrix({"average_accuracy": 0.75, "backward transfer": -0.15, "ForwardTransfer": 0.1}),
    "avalanche": matrix({"stream_backward_transfer": -0.15, "bwt_per_experience": [-0.15, 0.0]}, system="Avalanche"),
    "a task by itself": matrix({"forgetting": 0.15, "forgetting_per_task": [0.15]}, system="Chaudhry 2018"),
    "a value with its reason": matrix(
        {"gem": {"ACC": {"value": 0.75}, "FWT": {"value": None, "reason": "no start"}}}, {"R": R}
    ),
    "another input": matrix({"gem": {"FWT": 0.1}}, {"accuracy_matrix": R, "initial": BEFORE}),
    "a row before training": matrix({"gem": {"FWT": 0.1, "BWT": -0.15}}, {"R": [BEFORE, *R]}),
    "seeds": matrix({"gem": {"ACC": [0.75, 0.75], "BWT": -0.15}}, {"R_seed": [R, R], "b": BEFORE}),
    "never evaluated": matrix(
        {
            "gem": {"ACC": 0.75, "BWT": -0.15, "FWT": None},
            "diaz_rodriguez": {"A": 2.3 / 3, "FWT": None},
            "chaudhry": {"forgetting_final": 0.15},
            "avalanche": {"forgetting_per_exp": {"0": 0.15}, "forward_transfer_per_exp": {}},
        },
        {"R": NULLS, "R_before_training": BEFORE},
    ),
}


def libero():
    """Seed first, nulls for what was never evaluated, and the mode without selection in the protocol."""
    return {
        "id": "libero",
        "system": "LIBERO",
        "protocol": {"mode": "last"},
        "inputs": {
            "success_curves_seed_task_eval": [[[0.0, 0.6, 0.3], [0.2, 0.2, 0.8]]],
            "S_conf_mat_seed": {"7": [[0.6, None], [0.3, 0.8]]},
        },
        "expected": {"FWT": [0.35], "NBT": [0.15], "AUC": [(0.6 / 2 + 0.4) / 2]},
    }


def cora():
    """Returns of two signs, the smoothing and the regions in the protocol, and one key a number."""
    smoothed = np.array([[[np.mean(c[max(0, i - 1) : i + 1]) for i in range(12)] for c in run] for run in CURVES])
    scaled = (smoothed / np.abs(smoothed).max(axis=(0, 2), keepdims=True)).mean(axis=0)
    ends = scaled[:, 3::4]  # task, region
    per_run = smoothed / np.abs(smoothed).max(axis=(0, 2), keepdims=True)
    drops = [np.mean([r[i, 4 * j - 1] - r[i, 4 * j + 3] for i, j in ((0, 1), (0, 2), (1, 2))]) for r in per_run]
    return {
        "id": "cora",
        "system": "CORA",
        "protocol": {"rolling_mean_count": 2, "num_task_steps": 100, "eval_steps": list(range(10, 310, 25))},
        "inputs": {"tasks": ["a", "b", "c"], "returns_run_task_eval": CURVES.tolist()},
        "expected": {
            "F[0 by 2, cycle 0]": ends[0, 1] - ends[0, 2],
            "F[a by b]": ends[0, 0] - ends[0, 1],
            "Z[2 from 1]": ends[2, 1] - ends[2, 0],
            "isolated_forgetting_mean": np.mean(drops),
            "isolated_forgetting_sem": abs(drops[0] - drops[1]) / 2,
        },
    }


def cora_before_training():
    """One evaluation more than the blocks have is the one before training."""
    runs = np.random.default_rng(5).uniform(0.1, 1, (2, 3, 13)).round(2)
    scaled = (runs / runs.max(axis=(0, 2), keepdims=True)).mean(axis=0)
    return {
        "id": "cora_before",
        "system": "CORA",
        "inputs": {"curves_run_task_eval": runs.tolist()},
        "expected": {
            "Z[1 from 0]": scaled[1, 4] - scaled[1, 0],
            "Z[2 from 1]": scaled[2, 8] - scaled[2, 4],
            "F[0 by 2]": scaled[0, 8] - scaled[0, 12],
        },
    }


def coom():
    mean = CURVES.mean(axis=0)
    drops = [mean[k, 4 * k : 4 * k + 4].mean() - mean[k, -4:].mean() for k in range(2)]
    own = np.array([[run[k, 4 * k : 4 * k + 4] for k in range(3)] for run in CURVES]).mean(axis=(1, 2))
    return {
        "id": "coom",
        "system": "COOM",
        "inputs": {
            "envs": ["a", "b", "c"],
            "curves_seed_env_period_iteration": CURVES.reshape(2, 3, 3, 4).tolist(),
            "single_curves_env_seed_iteration": dict(zip("abc", SINGLE.tolist(), strict=True)),
        },
        "expected": {
            "forgetting_individual": drops,
            "forward_transfer_per_seed": ((own - SINGLE.mean()) / (1 - SINGLE.mean())).tolist(),
        },
    }


def meal(inputs):
    own, base = CURVES[0, 0].reshape(3, 4), SINGLE[:, 0]
    gains = [(np.trapezoid(a) - np.trapezoid(b)) / np.trapezoid(b) for a, b in zip(own, base, strict=True)]
    return {
        "id": "meal",
        "system": "MEAL",
        "inputs": inputs | {"baseline_curves_task_eval": base.tolist()},
        "expected": {"forward_transfer": np.mean(gains)},
    }


def forgetting_of_one_curve():
    curve = CURVES[0, 0]
    drops, weights = np.maximum(0, curve[3] - curve[4:]) / curve[3], np.exp(-2 * np.arange(8) / 7)
    return {
        "id": "meal_one",
        "system": "MEAL",
        "inputs": {"task_curve": curve.tolist(), "training_end_idx": 3, "end_window_evals": 5},
        "expected": {
            "weighted_forgetting": (drops * weights).sum() / weights.sum(),
            "peak_final": curve.max() - curve[-5:].mean(),
        },
    }


def uneven_baselines(n_used):
    """Their code takes as many baseline runs as every task has; we take all."""
    base = [SINGLE[0], SINGLE[1, :1], SINGLE[2]]
    of_task = np.array([runs[:n_used].mean() for runs in base])
    own = np.array([CURVES[:, k, 4 * k : 4 * k + 4].mean() for k in range(3)])
    return {
        "id": "cw",
        "system": "continual_world",
        "inputs": {
            "curves_seed_task_eval": CURVES.tolist(),
            "single_task_curves_task_run_eval": [runs.tolist() for runs in base],
        },
        "expected": {"forward_transfer": ((own - of_task) / (1 - of_task)).mean()},
    }


def returns(system):
    """Transfer by area of negative returns: the formula's number, or null, since nothing is left to gain up to 1."""
    own = np.array([[-9 * run[k, 4 * k : 4 * k + 4] for k in range(3)] for run in CURVES])
    base = -9 * SINGLE.mean(axis=(1, 2))
    whole = (own.mean(axis=(1, 2)) - base.mean()) / (1 - base.mean())
    by_task = (own.mean(axis=(0, 2)) - base) / (1 - base)
    return {
        "id": system,
        "system": system,
        "inputs": {
            "curves_seed_task_eval": (-9 * CURVES).tolist(),
            "baseline_curves_task_run_eval": (-9 * SINGLE).tolist(),
        },
        "expected": {"forward_transfer": whole.mean() if system == "COOM" else by_task.mean()},
    }


TEST_SET = {
    "id": "test_set",
    "system": "generalisation over a fixed test set",
    "inputs": {"scores": [0.9, 0.8, 0.1, 0.3, 0.75, 0.2, 0.5, 0.95, 1.0, 0.6], "alpha": 0.2},
    "expected": {"mastery_rate": 0.4, "mean_return": 0.61, "CVaR": 0.15},
}
CURRICULUM = {
    "id": "curriculum",
    "system": "curriculum, two evaluations",
    "protocol": {"threshold": 0.0},
    "inputs": {"test_returns": [[-1.0, -3.0], [2.0, -1.0]], "steps": [0, 100]},
    "expected": {"mastery_rate": 0.5, "worst_tenth": -1.0, "mean_performance_area": -0.75},
}

EXAMPLES = MATRICES | {
    "libero": libero(),
    "cora": cora(),
    "cora, before training": cora_before_training(),
    "coom": coom(),
    "meal, the training curve": meal({"training_curve": CURVES[0, 0].tolist()}),
    "meal, the curve of each training": meal({"curves_task_eval": CURVES[0, 0].reshape(3, 4).tolist()}),
    "meal, one curve": forgetting_of_one_curve(),
    "all baselines": uneven_baselines(2),
    "baselines cut": uneven_baselines(1),
    "cw, returns": returns("continual_world"),
    "cw, returns have none": returns("continual_world") | {"expected": {"forward_transfer": None}},
    "coom, returns": returns("COOM"),
    "coom, returns have none": returns("COOM") | {"expected": {"forward_transfer": None}},
    "test set": TEST_SET,
    "curriculum": CURRICULUM,
}


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """The script as a function: from examples to the exit status and the printed text."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    from metric_examples import main

    def run(*examples):
        path = tmp_path / "examples.json"
        path.write_text(json.dumps({"examples": examples}))
        status = main(str(path))
        return status, capsys.readouterr().out

    return run


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_in_other_words_is_met(example, compare):
    status, printed = compare(example)
    assert status == 0, printed


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_no_value_of_it_is_passed_over(example, compare):
    assert compare(example | {"expected": changed(example["expected"])})[1].count("DIFFERENT ") == n_values(example)


def changed(expected):
    if isinstance(expected, dict):
        return {key: changed(value) for key, value in expected.items()} or [0.7123]
    if isinstance(expected, list):
        return [changed(value) for value in expected]
    if isinstance(expected, str):
        return expected
    return 0.7123 if expected is None else expected + 0.001


def n_values(example):
    """How many values are compared: a list or table of one metric is one."""
    inside = [value if isinstance(value, dict) else {"": value} for value in example["expected"].values()]
    return sum(map(len, inside))


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (matrix({"gem": {"ACC": 0.75}}, {"numbers": [1.0]}), "expected R or R_seed or"),
        (matrix({"gem": {"ACC": 0.75}}, {"R": [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]}), "a row and a column a task"),
        (cora() | {"inputs": {"numbers": [1.0]}}, "expected one such as curves_seed_task_eval"),
        (coom() | {"inputs": {"curves_seed_task": [[[[0.1]]]]}}, "give a word for each level"),
        (coom() | {"inputs": {"curves_task_eval": [[0.1]] * 3}}, "too few for 3 blocks"),
        (libero() | {"inputs": {"numbers": [1.0]}}, "expected curves and a matrix"),
        (TEST_SET | {"inputs": {}}, "expected one of scores"),
        (matrix({"sparkle": 0.5}), "known here: ACC, BWT"),
        (matrix({"a": 0.5}, {}, "a new system"), "known are l2metrics, continual_world"),
    ],
)
def test_what_cannot_be_compared_says_what_is_expected(example, message, compare):
    status, printed = compare(example)
    assert status == 1
    assert message in printed


# l2metrics: what rounding decides, and lists whose order nobody promises

FLAT = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0] * 2
"""A curve of 20 successes, whose moving average over 4 is 1 at its beginning, in its middle and at its end."""


def l2m(expected, regimes=None, experts=None, **options):
    return {
        "id": "l2m",
        "system": "l2metrics 3.1.0",
        "protocol": {"options": {"normalization_method": "none", "smoothing_method": "none"} | options},
        "inputs": {"regimes": regimes or [learned(0, "t", FLAT)], "single_task_experts": experts},
        "expected": expected,
    }


def learned(block, task, values):
    return {"block": block, "type": "train", "task": task, "values": values}


@pytest.mark.parametrize(("at", "status"), [(0, 0), (9, 0), (4, 1)])
def test_any_of_several_equal_maxima_may_be_the_expected_one(at, status, compare):
    assert compare(l2m({"regimes": [[0, "train", "t", 1.0, 1.0, at, None]]}))[0] == status


def test_the_sample_efficiency_follows_the_maxima_that_are_expected(compare):
    rising = [learned(0, "t", [0.0] * 10 + [1.0] * 10)]
    experts = {"t": [FLAT]}
    found = {
        "se_task_exp_to_sat": 12,
        "ste_saturation_vals": [1.0],
        "ste_exp_to_sat_vals": [9],
        "sample_efficiency": 9 / 12,
    }
    none = {"se_task_exp_to_sat": 12, "ste_exp_to_sat_vals": [], "sample_efficiency": None}
    wrong = {
        "se_task_exp_to_sat": 12,
        "ste_saturation_vals": [1.0],
        "ste_exp_to_sat_vals": [4],
        "sample_efficiency": 4 / 12,
    }
    for table, status in ((found, 0), (none, 0), (wrong, 1)):
        lifetime = {"sample_efficiency": table["sample_efficiency"]}
        found_status, printed = compare(l2m({"tasks": {"t": table}, "lifetime": lifetime}, rising, experts))
        assert found_status == status, printed


def test_a_threshold_may_be_reached_where_rounding_decides(compare):
    third = 0.1 + 0.2  # 0.30000000000000004, more than 0.3
    regimes = [learned(0, "t", [third]), learned(1, "u", [0.0]), learned(2, "t", [0.2, 0.3, 0.4])]
    rows = [[0, "train", "t", third, third, 0, None], [1, "train", "u", 0.0, 0.0, 0, None]]
    for times, status in ((1.0, 0), (2.0, 0), (0.0, 1)):
        last = [2, "train", "t", 0.4, 0.4, 2, times]
        assert compare(l2m({"regimes": [*rows, last]}, regimes))[0] == status


def test_experts_of_several_variants_may_stand_in_any_order(compare):
    experts = {"t_1": [[1.0, 1.0]], "t_2": [[2.0, 2.0], [0.0, 0.0]]}
    regimes = [learned(0, "t_1", [1.0, 1.0])]
    for values, status in (([None, 1.0, 0.5], 0), ([0.5, None, 1.0], 0), ([0.5, 1.0, 1.0], 1)):
        expected = {"tasks": {"t": {"ste_rel_perf_vals": values}}}
        assert compare(l2m(expected, regimes, experts, variant_mode="agnostic"))[0] == status


def test_a_list_of_nulls_is_nothing(compare):
    constant = [learned(0, "t", [1.0, 1.0])]
    expected = {"tasks": {"t": {"ste_rel_perf": None, "ste_rel_perf_vals": [None]}}}
    assert compare(l2m(expected, constant, {"t": [[1.0]]}, normalization_method="run"))[0] == 0


def test_what_an_example_leaves_out_is_not_asked_for(compare):
    regimes = [learned(0, "T_1", [1.0, 3.0]), learned(1, "u_1", [5.0, 5.0])]
    assert compare(l2m({"lifetime": {"avg_train_perf": 3.5}}, regimes))[0] == 0
    assert compare(l2m({"tasks": {"T_1": {"avg_train_perf": 2.0}}}, regimes))[0] == 0
    assert compare(l2m({"tasks": {"v_1": {"avg_train_perf": 2.0}}}, regimes))[0] == 1
    assert compare(l2m({"lifetime": {"sparkle": 1.0}}, regimes))[0] == 1


def test_rows_without_a_number_are_dropped_and_keep_their_place(compare):
    regimes = [learned(0, "t", [1.0, None, 3.0]), learned(1, "u", [None, 2.0])]
    found = {"avg_train_perf": 2.0, "num_lx": 2}
    assert (
        compare(l2m({"tasks": {"t": found}, "avg_train_perf": 2.0}, regimes, {"t": {"run 0": [1.0, None]}}))[0] == 0
    )
    assert compare(l2m({"tasks": {"t": {"ste_rel_perf": 1.0}}}, regimes, {"t": {"run 0": [1.0, None]}}))[0] == 0


def test_one_range_may_stand_for_all_tasks(compare):
    expected = {"lifetime": {"avg_train_perf": 51.0}}
    assert compare(l2m(expected, [learned(0, "t", [5.0])], normalization_method="task", data_range=[0, 10]))[0] == 0


def test_two_examples_of_one_name_are_both_compared(compare):
    assert compare(matrix({"ACC": 0.7}), matrix({"ACC": 0.75}))[0] == 1


def test_examples_may_be_a_table_by_name(tmp_path, compare):
    from metric_examples import main

    path = tmp_path / "table.json"
    path.write_text(json.dumps({"examples": {"first": {"inputs": {"R": R}, "expected": {"gem": {"ACC": 0.75}}}}}))
    assert main(str(path)) == 0
    path.write_text(json.dumps({"examples": []}))
    assert main(str(path)) == 1
    path.write_text(json.dumps({"cases": []}))
    with pytest.raises(ValueError, match="a list of examples under 'examples'"):
        main(str(path))


def test_nan_in_a_file_is_null_and_never_equal_to_a_number(compare):
    nan = float("nan")
    inputs = {"R": [[0.8, nan], [0.65, 0.85]], "R_before_training": BEFORE}
    assert compare(matrix({"FWT": nan, "BWT": -0.15}, inputs))[0] == 0
    assert compare(matrix({"BWT": nan}, inputs))[0] == 1
    from metric_examples import judged

    assert judged(None, nan)[0] == "DIFFERENT"
