"""The interval of Continual World's forward transfer draws the agent's seeds and the reference runs independently."""

import json
from pathlib import Path

import numpy as np
import pytest

from lifelong_rl.evaluation import Undefined
from lifelong_rl.evaluation.cw_interval import forward_transfer_interval

THEIRS = {"finetuning": (-0.0298289, 0.0110988), "ewc": (-0.0837185, 0.0470408)}
"""The intervals of Continual World's own code for the example."""

AREAS, REFERENCES = [[0.5, 0.6], [0.7, 0.8], [0.6, 0.9]], [[0.5, 0.4], [0.3, 0.6]]


def test_the_worked_example_of_the_paper_is_met():
    example = json.loads(Path(__file__).with_name("cw_three_tasks.json").read_text())
    tasks, n = example["tasks"], example["evaluations_per_task"]
    runs = np.transpose([example["references"][task] for task in tasks], (1, 0, 2)).mean(axis=2)
    for method, expected in example["expected"].items():
        curves = np.array(example["curves_method_seed_task"][method])
        areas = np.stack([curves[:, k, k * n : (k + 1) * n].mean(axis=1) for k in range(len(tasks))], axis=1)
        found = forward_transfer_interval(areas, runs)
        assert found.estimate == pytest.approx(expected["forward_transfer"], rel=1e-5)
        # of another draw: the ends move by a few thousandths
        assert [found.low, found.high] == pytest.approx(THEIRS[method], abs=0.005)


def test_means_are_taken_before_the_ratio():
    found = forward_transfer_interval(AREAS, REFERENCES)
    by_hand = ((0.6 - 0.4) / 0.6 + (2.3 / 3 - 0.5) / 0.5) / 2
    assert found.estimate == pytest.approx(by_hand)
    assert found.low < found.estimate < found.high
    assert (found.level, found.n_values, found.n_resamples) == (0.9, 5, 4000)
    assert found == forward_transfer_interval(AREAS, REFERENCES)


def test_reference_runs_vary_by_themselves():
    """With one and the same agent in each seed all the width comes from the runs it is compared with."""
    alike = forward_transfer_interval([AREAS[0]] * 3, REFERENCES)
    assert alike.high - alike.low > 0.03
    none = forward_transfer_interval([AREAS[0]] * 3, [REFERENCES[0]] * 2)
    assert none.low == pytest.approx(none.high)


@pytest.mark.parametrize(
    ("areas", "references", "message"),
    [
        (AREAS[:1], REFERENCES, "found 1 in areas"),
        (AREAS, REFERENCES[:1], "found 1 in reference_areas"),
        (AREAS, [[0.5], [0.6]], "the same blocks, found 2, 1"),
        ([[-3.0, 2.0]] * 2, REFERENCES, r"areas must lie in \[0, 1\]"),
    ],
)
def test_what_has_no_interval_is_refused(areas, references, message):
    with pytest.raises(ValueError, match=message):
        forward_transfer_interval(areas, references)


def test_an_easy_task_leaves_it_undefined():
    with pytest.raises(Undefined, match=r"in a resample, below the 0\.01"):
        forward_transfer_interval(AREAS, [[0.5, 0.999], [0.5, 0.5]])
