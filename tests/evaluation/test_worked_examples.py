"""The script that compares us with worked examples: it accepts right values, and nothing is passed over."""

import json
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

R = [[0.8, 0.22], [0.65, 0.85]]
MATRIX = {
    "id": "two_tasks",
    "system": "GEM / Avalanche",
    "inputs": {"R_before_training": [0.1, 0.12], "R": R},
    "expected": {
        "gem": {"ACC": 0.75, "BWT": -0.15, "FWT": 0.1},
        "diaz_rodriguez": {"A": 2.3 / 3, "BWT": -0.15, "FWT": 0.22, "REM": 0.85, "BWT_plus": 0},
        "chaudhry": {"forgetting_final": 0.15},
        "cw_style": {"forgetting_incl_last": 0.075, "forgetting_excl_last": 0.15, "average_incremental": 0.775},
        "avalanche": {"forgetting_per_exp": {"0": 0.15, "1": 0.0}, "forward_transfer_per_exp": {"1": 0.1}},
    },
}
WITHOUT_START = {
    "id": "no_start",
    "system": "GEM",
    "inputs": {"R": R},
    "expected": {
        "gem": {"BWT": -0.15, "FWT": None},
        "avalanche": {
            "forward_transfer_per_exp": {},
            "stream_forward_transfer": None,
            "bwt_per_exp": {"0": -0.15, "1": -0.0},
        },
    },
}
ONE_TASK = {
    "id": "one_task",
    "system": "Diaz-Rodriguez 2018",
    "inputs": {"R_before_training": [0.1], "R": [[0.6]]},
    "expected": {
        "gem": {"ACC": 0.6, "BWT": None, "FWT": None},
        "diaz_rodriguez": {"A": 0.6, "BWT": None, "FWT": None, "REM": None, "BWT_plus": None},
        "chaudhry": {"forgetting_final": None, "forgetting_final_max_from_own_training": None},
        "cw_style": {"forgetting_incl_last": 0.0, "forgetting_excl_last": None, "average_incremental": 0.6},
        "avalanche": {"forgetting_per_exp": {"0": 0.0}, "stream_forgetting": None, "forward_transfer_per_exp": {}},
    },
}
LIBERO = {
    "id": "libero_one_seed",
    "system": "LIBERO",
    "inputs": {
        "success_curves_task_eval_seed": [[[0.0], [0.6], [0.4]], [[0.2], [0.2], [0.8]]],
        "S_conf_mat_seed": {"7": [[0.6, 0.0], [0.3, 0.8]]},
    },
    "expected": {"FWT": [0.4], "NBT": [0.15], "AUC": [(0.7 / 2 + 0.4) / 2], "note": "per seed"},
}

RNG = np.random.default_rng(0)
SEQUENCE = ["a", "b", "a", "b"]
SEEDS = RNG.uniform(0, 1, (3, 4, 24)).round(2)  # seed, block, evaluation; 6 evaluations a block
SINGLE = RNG.uniform(0, 1, (2, 5, 6)).round(2)  # task, run, evaluation


def continual_world():
    """An example as CW20 has them: a task that comes again is an index of its own, with the same baseline."""
    blocks = [SEEDS[:, k, 6 * k : 6 * k + 6] for k in range(4)]
    final = SEEDS[:, :, -5:].mean(axis=(0, 2))
    learned = np.array([block[:, -5:].mean() for block in blocks])
    areas = np.array([block.mean() for block in blocks])
    base = SINGLE[[0, 1, 0, 1]].mean(axis=(1, 2))
    return {
        "id": "repeated",
        "system": "continual_world",
        "inputs": {
            "task_sequence": SEQUENCE,
            "evals_per_task": 6,
            "curves_method_seed_task_eval": {"fine": SEEDS.tolist()},
            "single_task_curves_task_run_eval": dict(zip("ab", SINGLE.tolist(), strict=True)),
        },
        "expected": {
            "fine": {
                "average_performance": final.mean(),
                "forgetting": (learned - final).mean(),
                "forward_transfer": ((areas - base) / (1 - base)).mean(),
                "per_task_auc_baseline": base.tolist(),
                "per_task_forgetting": (learned - final).tolist(),
                "per_seed_average_performance": SEEDS[:, :, -5:].mean(axis=(1, 2)).tolist(),
            }
        },
    }


def cora():
    """Two tasks in two cycles, one model with two runs, every number by its own formula."""
    runs = SEEDS[:2, :2, :8]  # run, task, evaluation; two evaluations a region
    scaled = runs / np.abs(runs).max(axis=(0, 2), keepdims=True)
    ends = scaled[:, :, 1::2].mean(axis=0)  # task, region
    first = scaled[:, :, 0].mean(axis=0)
    return {
        "id": "cora_two_cycles",
        "system": "CORA metrics.py",
        "inputs": {"curves_model_run_task_eval": {"ewc": runs.tolist()}, "evals_per_task": 2, "n_cycles": 2},
        "expected": {
            "ewc": {
                "isolated_forgetting": {
                    "0": {"by 1": {"0": ends[0, 0] - ends[0, 1]}, "by 0": {"1": ends[0, 1] - ends[0, 2]}},
                    "1": {"by 0": {"1": ends[1, 1] - ends[1, 2]}, "by 1": {"0": None, "1": ends[1, 2] - ends[1, 3]}},
                },
                "zero_shot_forward_transfer": [[None, None], [ends[1, 0] - first[1], None]],
            }
        },
    }


def coom():
    seeds = SEEDS[:, :, :].copy()
    seeds[:, 1, 18:] = 0.0  # a pair of exactly 0, which their code drops
    mean = seeds.mean(axis=0)
    pairs = [mean[i, 6 * j : 6 * j + 6].mean() for i in range(4) for j in range(i, 4) if (i, j) != (1, 3)]
    drops = [mean[i, 6 * i : 6 * i + 6].mean() - mean[i, -6:].mean() for i in range(3)]
    base = SINGLE[[0, 1, 0, 1]].mean()
    areas = np.array([[seeds[s, k, 6 * k : 6 * k + 6].mean() for k in range(4)] for s in range(3)]).mean(axis=1)
    return {
        "id": "coom",
        "system": "COOM results/common.py",
        "inputs": {
            "task_sequence": SEQUENCE,
            "curves_seed_env_eval": seeds.tolist(),
            "baseline_curves_env_seed_eval": SINGLE.tolist(),
        },
        "expected": {
            "average_performance": np.mean(pairs),
            "forgetting": np.mean(drops),
            "forward_transfer": ((areas - base) / (1 - base)).mean(),
            "per_seed_forward_transfer": ((areas - base) / (1 - base)).tolist(),
        },
    }


def meal():
    curves = SEEDS[0]
    weighted, transfers = [], []
    for k, end in enumerate((5, 11, 17)):
        later = curves[k, end + 1 :]
        weights = np.exp(-2 * np.arange(len(later)) / (len(later) - 1))
        drops = np.maximum(0, curves[k, end] - later) / curves[k, end]
        weighted.append((weights * drops).sum() / weights.sum())
    for k in range(4):
        base = np.mean([np.trapezoid(run) / 6 for run in SINGLE[k % 2]])
        transfers.append((np.trapezoid(curves[k, 6 * k : 6 * k + 6]) / 6 - base) / base)
    return {
        "id": "meal",
        "system": "MEAL",
        "inputs": {
            "task_sequence": SEQUENCE,
            "curves_task_eval": curves.tolist(),
            "baseline_curves_task_run_eval": SINGLE.tolist(),
            "k": 3,
        },
        "expected": {
            "weighted_forgetting": [*weighted, 0.0],
            "peak_final": np.maximum(0, curves.max(axis=1) - curves[:, -3:].mean(axis=1)).tolist(),
            "forward_transfer": np.mean(transfers),
        },
    }


EXAMPLES = [MATRIX, WITHOUT_START, ONE_TASK, LIBERO, continual_world(), cora(), coom(), meal()]


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


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["id"])
def test_the_values_of_an_example_are_met(example, compare):
    status, printed = compare(example)
    assert status == 0, printed


def leaf_paths(expected, path=()):
    for key, value in expected.items() if isinstance(expected, dict) else enumerate(expected):
        if isinstance(value, (dict, list)):
            yield from leaf_paths(value, (*path, key))
        elif not isinstance(value, str):
            yield (*path, key)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["id"])
def test_any_changed_value_of_an_example_is_found(example, compare):
    for path in leaf_paths(example["expected"]):
        changed = json.loads(json.dumps(example))
        inside = changed["expected"]
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = 0.7123 if inside[path[-1]] is None else inside[path[-1]] + 0.001
        assert compare(changed)[0] == 1, path


def test_an_expected_null_is_met_by_a_reason_and_not_by_a_number(compare):
    status, printed = compare(WITHOUT_START)
    assert status == 0
    assert "undefined (there is no evaluation before training to compare with)" in printed
    assert compare(MATRIX | {"expected": {"gem": {"FWT": None}}})[0] == 1


def test_a_zero_that_our_rules_refuse_is_named(compare):
    _, printed = compare(ONE_TASK)
    assert "0 by the formula (the formula's 0 of a single task, which we leave undefined)" in printed


@pytest.mark.parametrize(
    "example",
    [
        {"id": "x", "system": "something else", "inputs": {"numbers": [1]}, "expected": {"a": 1.0}},
        MATRIX | {"expected": {"gem": {"ACC": 0.75, "sparkle": 0.5}}},
        MATRIX | {"expected": {"new family": {"a": 0.5}}},
        {"id": "x", "system": "LIBERO", "inputs": {}, "expected": {"FWT": [0.5]}},
        LIBERO | {"expected": {"FWT": [0.4, 0.4]}},
        MATRIX | {"expected": {}},
    ],
    ids=["system", "value", "family", "inputs", "length", "nothing"],
)
def test_what_has_no_comparison_fails(example, compare):
    assert compare(example)[0] == 1


def test_inputs_may_be_those_of_another_example(compare):
    same = {"id": "again", "system": "GEM", "inputs": {"same_as": "two_tasks"}, "expected": {"gem": {"ACC": 0.75}}}
    assert compare(MATRIX, same)[0] == 0


def test_the_interval_of_forward_transfer_is_the_draw_of_the_reference_or_near_it(compare):
    example = continual_world()
    _, printed = compare(example | {"expected": {"fine": {"forward_transfer_ci90": [9.0, 9.0]}}})
    low, high = (float(number) for number in printed.split("ours [")[1].split("]")[0].split(", "))
    for change, word in ((0.0, "equal"), (0.004, "near"), (0.5 * (high - low), "DIFFERENT")):
        expected = {"fine": {"forward_transfer_ci90": [low + change, high + change]}}
        assert word in compare(example | {"expected": expected})[1]
