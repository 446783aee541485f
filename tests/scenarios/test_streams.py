"""What each kind's stream must be, by exact values and by statistics."""

from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from lifelong_rl.envs.factory import family
from lifelong_rl.scenarios import (
    alternating,
    blurry,
    composability,
    condensed,
    cycles,
    dispersed,
    distraction,
    drift,
    forgetting,
    hierarchical,
    pairs,
    permuted,
    power_law,
    recurring,
    transfer,
)
from lifelong_rl.scenarios.recurrence import recurrence_order

POINT = family("point-goal")
SPACE = POINT.task_space
EAST, NORTH, WEST, SOUTH = POINT.standard_tasks(4)


def order_of(scenario):
    return [block.task.id for block in scenario.blocks]


def steps_by_task(scenario):
    """Give the expected steps of each task over the whole stream."""
    steps = Counter()
    for block in scenario.blocks:
        shares = [1.0] if block.task else block.distribution.probabilities
        for task, share in zip(block.tasks, shares, strict=True):
            steps[task.id] += float(share) * block.steps
    return steps


# Orders of fixed tasks


def test_dispersed_gives_every_task_the_same_steps_in_rounds_that_differ():
    scenario = dispersed("point-goal", n_tasks=3, steps=3600, cycles=12, order_seed=4)
    rounds = [tuple(order_of(scenario)[k : k + 3]) for k in range(0, 36, 3)]
    assert all(len(set(order)) == 3 for order in rounds)
    assert all(first != second for first, second in pairwise(rounds))
    assert len(set(rounds)) > 2
    assert {block.steps for block in scenario.blocks} == {100}
    assert set(steps_by_task(scenario).values()) == {1200.0}
    assert steps_by_task(scenario) == steps_by_task(condensed("point-goal", n_tasks=3, steps=3600))


def test_the_rounds_of_dispersed_are_all_permutations_alike():
    first_rounds = Counter(
        tuple(order_of(dispersed("point-goal", n_tasks=3, steps=300, cycles=1, order_seed=seed)))
        for seed in range(600)
    )
    assert len(first_rounds) == 6
    assert all(abs(count - 100) < 35 for count in first_rounds.values())  # 100 expected, standard deviation 9


def test_permuted_is_one_random_order_of_condensed():
    orders = {tuple(order_of(permuted("point-goal", order_seed=seed))) for seed in range(40)}
    assert all(sorted(order) == ["east", "north", "south", "west"] for order in orders)
    assert len(orders) > 10
    assert permuted("point-goal").steps == condensed("point-goal").steps


def test_alternating_and_cycles_repeat_one_order():
    assert order_of(alternating("point-goal", cycles=3, steps=600)) == ["east", "west"] * 3
    assert order_of(cycles("point-goal", cycles=2, steps=800)) == ["east", "north", "west", "south"] * 2


def test_pairs_have_every_ordered_pair_with_its_repeats():
    order = order_of(pairs("point-goal", tasks=[EAST, NORTH, WEST], steps=2400, repeats=2))
    assert order[:4] == ["east", "north", "east", "north"]
    runs = [tuple(order[k : k + 4]) for k in range(0, len(order), 4)]
    assert {run[:2] for run in runs} == set(permutations(("east", "north", "west"), 2))
    assert all(run[:2] == run[2:] for run in runs) and len(runs) == 6


# Diagnostics


def params(task):
    return tuple(task.params.values())


def test_forgetting_moves_another_feature_for_each_task_and_then_the_other_ways():
    scenario = forgetting("point-goal", n_tasks=6, steps=600, strength=0.5)
    # defaults 0.8, 0, 0, 0 in [-1, 1]: half of the way to the far ends, then down where there was as much room
    assert {task.name: params(task) for task in scenario.evaluation_tasks} == {
        "default": (0.8, 0.0, 0.0, 0.0),
        "goal_x-": pytest.approx((-0.1, 0.0, 0.0, 0.0)),
        "goal_y+": (0.8, 0.5, 0.0, 0.0),
        "start_x+": (0.8, 0.0, 0.5, 0.0),
        "start_y+": (0.8, 0.0, 0.0, 0.5),
        "goal_y-": (0.8, -0.5, 0.0, 0.0),
    }  # and not up from 0.8, where there is no room
    assert order_of(scenario) == [task.name for task in scenario.evaluation_tasks]


def test_transfer_goes_to_a_close_task_at_once():
    first, second = transfer("point-goal", steps=200, distance=0.1).evaluation_tasks
    assert params(first) == (0.8, 0.0, 0.0, 0.0)
    assert params(second) == pytest.approx((0.62, 0.0, 0.0, 0.0))


def test_distraction_comes_back_to_a_task_close_to_the_first_after_distractors():
    scenario = distraction("point-goal", steps=500, n_distractors=3, strength=1.0, distance=0.1)
    assert order_of(scenario) == ["default", "all-far", "all-near", "all-far", "close"]
    far, near = scenario.blocks[1].task, scenario.blocks[2].task
    assert params(far) == (-1.0, 1.0, 1.0, 1.0)
    assert params(near)[1:] == (-1.0, -1.0, -1.0)
    units = [SPACE.coordinates(scenario.blocks[k].task) for k in (0, 1, 2, 4)]
    distances = [float(np.linalg.norm(unit - units[0])) for unit in units]
    assert distances[3] < 0.1 < 0.8 < min(distances[1:3])


def test_composability_ends_with_the_task_that_has_every_part():
    scenario = composability("point-goal", n_parts=3, steps=600, n_distractors=2, strength=1.0)
    assert order_of(scenario) == ["goal_x-", "goal_y+", "start_x+", *["all-near"] * 2, "goal_x-,goal_y+,start_x+"]
    assert params(scenario.blocks[-1].task) == (-1.0, 1.0, 1.0, 0.0)
    own = composability(
        "point-goal", tasks=[NORTH, SPACE.task({"start_x": 0.3}, "right")], steps=300, n_distractors=0
    )
    assert own.blocks[-1].task == SPACE.task({"goal_x": 0.0, "goal_y": 0.8, "start_x": 0.3}, "north,right")


def test_a_feature_whose_nearest_value_is_its_default_has_no_room_there_and_moves_far():
    near = distraction("n-parity", steps=400).blocks[2].task  # n = 2 of 2 .. 32, multi_head = 0 of 0 and 1
    assert near.params["n"] > 20 and near.params["multi_head"] == 1
    parts = composability("n-parity", n_distractors=0, steps=300)
    assert [params(block.task)[1] for block in parts.blocks] == [0, 1, 1]
    with pytest.raises(ValueError, match=r"another task than each of them and than the distractor.*n_distractors=0"):
        composability("n-parity", steps=300)


@pytest.mark.parametrize("name", ["toy-grid-2d-50", "cartpole-physics", "pendulum-physics", "far-goal"])
def test_diagnostics_change_what_they_say_in_every_family(name):
    default = family(name).task_space.default.params
    for scenario in (forgetting(name, n_tasks=3, steps=300), composability(name, n_distractors=0, steps=300)):
        for task in scenario.evaluation_tasks:
            changed = [feature for feature, value in task.params.items() if value != default[feature]]
            assert len(changed) == (0 if task.name == "default" else task.name.count(",") + 1)


# Recurrence


def test_recurring_blocks_hold_random_subsets_of_equal_chance():
    scenario = recurring("point-goal", n_tasks=5, n_active=2, n_blocks=2000, steps=20_000)
    subsets = Counter(tuple(task.id for task in block.tasks) for block in scenario.blocks)
    assert all(len(set(subset)) == 2 for subset in subsets)
    assert len(subsets) == 10
    assert all(abs(count - 200) < 60 for count in subsets.values())  # 200 expected, standard deviation 13.4
    followers = Counter(first.tasks == second.tasks for first, second in pairwise(scenario.blocks))
    assert abs(followers[True] / 1999 - 0.1) < 0.03, "whatever the block before had"
    assert all(block.distribution.probabilities.tolist() == [0.5, 0.5] for block in scenario.blocks)


def lags_of(order):
    """Give, wherever an old task comes: the blocks since each task's last one, shape (n, n_tasks), and its number."""
    last = np.full(max(order) + 1, np.nan)
    lags, came = [], []
    for t, task in enumerate(order):
        if not np.isnan(last[task]):
            lags.append(t - last)
            came.append(task)
        last[task] = t
    return np.array(lags), np.array(came)


def fitted_decay(order):
    """Give the exponent d that makes the stream most likely, where a task comes with chance ~ lag ** -d."""
    lags, came = lags_of(order)
    logs = np.log(lags)
    chosen = logs[np.arange(len(came)), came].sum()

    def surprise(decay):
        return decay * chosen + np.log(np.nansum(np.exp(-decay * logs), axis=1)).sum()

    return minimize_scalar(surprise, bounds=(-1.0, 4.0), method="bounded").x


def slope_of_chance(order):
    """Give the log-log slope of the chance that a task comes again now, against the blocks since its last one."""
    lags, came = lags_of(order)
    own = lags[np.arange(len(came)), came]
    x, y = [], []
    for low in (1, 2, 4, 8, 16, 32):
        is_in = (lags >= low) & (lags < 2 * low)
        x.append(np.log(lags[is_in].mean()))
        y.append(np.log(((own >= low) & (own < 2 * low)).sum() / is_in.sum()))
    return np.polyfit(x, y, 1)[0]


def stream_order(recurrence, decay, seed):
    return recurrence_order(20, 4000, recurrence, decay, np.random.default_rng(seed))


@pytest.mark.parametrize("decay", [0.5, 1.0, 1.5])
def test_the_chance_of_recurrence_is_the_power_of_the_gap(decay):
    assert fitted_decay(stream_order("power", decay, 0)) == pytest.approx(decay, abs=0.08)


def test_the_log_log_slope_of_recurrence_is_minus_the_decay():
    assert np.mean([slope_of_chance(stream_order("power", 1.0, seed)) for seed in range(3)]) == pytest.approx(
        -1.0, abs=0.15
    )


def test_the_controls_of_the_power_law_do_not_follow_it():
    assert fitted_decay(stream_order("uniform", 1.0, 0)) == pytest.approx(0.0, abs=0.05)
    lags, came = lags_of(stream_order("exponential", 0.1, 0))
    own = lags[np.arange(len(came)), came]
    chances = [(own == lag).sum() / (lags == lag).sum() for lag in (1, 11)]
    assert np.log(chances[1] / chances[0]) / 10 == pytest.approx(-0.1, abs=0.04)


def test_new_tasks_enter_at_equal_distances_and_with_no_recurrence_each_is_one_stretch():
    def order(recurrence):
        return order_of(power_law("point-goal", n_blocks=20, steps=2000, recurrence=recurrence))

    assert order("none") == ["east"] * 5 + ["north"] * 5 + ["west"] * 5 + ["south"] * 5
    for recurrence in ("power", "exponential", "uniform"):
        assert [order(recurrence).index(task) for task in ("east", "north", "west", "south")] == [0, 5, 10, 15]
    assert len(set(order("uniform")[15:])) > 1


# Blurry boundaries

BLURRY = [blurry("point-goal", n_tasks=12, n_blocks=4, disjoint=0.5, leak=0.1, order_seed=seed) for seed in range(20)]


def home_and_away(scenario):
    """Give for each task the share of its steps outside the block where it has most of them."""
    away = {}
    total = steps_by_task(scenario)
    for task in scenario.evaluation_tasks:
        spent = [
            block.steps * float(block.distribution.probabilities[block.tasks.index(task)])
            if block.distribution and task in block.tasks
            else block.steps * (block.task == task)
            for block in scenario.blocks
        ]
        away[task.id] = 1.0 - max(spent) / total[task.id]
    return away


@pytest.mark.parametrize("scenario", BLURRY[:5])
def test_disjoint_tasks_stay_in_their_block_and_the_others_leak_their_share(scenario):
    away = sorted(home_and_away(scenario).values())
    assert away[:6] == pytest.approx([0.0] * 6, abs=1e-12)
    assert away[6:] == pytest.approx([0.1] * 6, abs=0.02)
    assert sum(len(block.tasks) == 1 or block.distribution is not None for block in scenario.blocks) == 4
    n_blocks = Counter(task.id for block in scenario.blocks for task in block.tasks)
    assert sorted(n_blocks.values()) == [1] * 6 + [4] * 6


def test_drawn_episodes_leak_within_two_points():
    scenario, rng = BLURRY[0], np.random.default_rng(0)
    n_home, n_all = Counter(), Counter()
    homes = {}
    for i, block in enumerate(scenario.blocks):
        drawn = rng.choice(len(block.tasks), size=10 * block.steps, p=block.distribution.probabilities)
        for k, count in enumerate(np.bincount(drawn)):
            task = block.tasks[k].id
            n_all[task] += int(count)
            if count > n_home[task]:
                n_home[task], homes[task] = int(count), i
    away = sorted(1.0 - n_home[task] / n_all[task] for task in n_all)
    assert away[:6] == [0.0] * 6
    assert np.mean(away[6:]) == pytest.approx(0.1, abs=0.02)


def test_block_sizes_vary_and_share_all_steps():
    for scenario in BLURRY:
        sizes = np.array([block.steps for block in scenario.blocks])
        assert sizes.std() / sizes.mean() > 0.2
        assert sizes.sum() == 20_000 and (sizes % 40 == 0).all()


def test_the_same_seed_gives_the_same_blurry_stream_and_another_one_another():
    again = blurry("point-goal", n_tasks=12, n_blocks=4, disjoint=0.5, leak=0.1, order_seed=3)
    assert again == BLURRY[3]
    assert len({scenario.key for scenario in BLURRY}) == 20


@pytest.mark.parametrize(("disjoint", "leak"), [(1.0, 0.1), (0.5, 0.0)])
def test_without_blurry_tasks_or_leak_no_task_leaves_its_block(disjoint, leak):
    scenario = blurry("point-goal", disjoint=disjoint, leak=leak)
    assert set(home_and_away(scenario).values()) == {0.0}


# Hierarchy


@pytest.mark.parametrize("seed", range(3))
def test_every_level_of_the_hierarchy_has_all_leaves_and_parents_come_first(seed):
    scenario = hierarchical("point-goal", depth=3, steps=2400, order_seed=seed)
    leaves = {task.id for task in scenario.evaluation_tasks}
    assert len(leaves) == 8
    groups = [frozenset(task.id for task in block.tasks) for block in scenario.blocks]
    assert [len(group) for group in groups] == [4] * 2 + [2] * 4 + [1] * 8
    for level in (groups[:2], groups[2:6], groups[6:]):
        assert frozenset().union(*level) == leaves and sum(map(len, level)) == 8
    for i, group in enumerate(groups[2:], 2):
        parents = [k for k, other in enumerate(groups) if group < other]
        assert parents and max(parents) < i, "a group is a part of groups that came before, and of none after"
    assert set(steps_by_task(scenario).values()) == {300.0}


def test_the_leaves_are_the_centres_of_the_cells_that_halving_features_makes():
    goals = {(t.params["goal_x"], t.params["goal_y"]) for t in hierarchical("point-goal").evaluation_tasks}
    assert goals == {(-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)}
    first, second = hierarchical("point-goal").blocks[:2]
    halves = [{task.params["goal_x"] for task in block.tasks} for block in (first, second)]
    assert sorted(map(tuple, halves)) == [(-0.5,), (0.5,)]


def test_given_leaves_are_halved_feature_by_feature():
    scenario = hierarchical("point-goal", tasks=[EAST, NORTH, WEST, SOUTH], steps=800)
    coarse = {frozenset(task.id for task in block.tasks) for block in scenario.blocks[:2]}
    assert coarse in ({frozenset(("west", "north")), frozenset(("east", "south"))},)


# Drift


def test_a_drift_between_integers_is_evaluated_once_at_each_and_keeps_the_way_points_names():
    found = drift("staged-task", n_test_tasks=5).evaluation_tasks
    assert [task.id for task in found] == ["stages-4-skill-0", "stages-4-skill-1"]


def test_drift_is_evaluated_at_points_of_its_path_both_ends_included():
    scenario = drift("point-goal", tasks=[EAST, NORTH], n_test_tasks=5)
    assert [task.id for task in scenario.evaluation_tasks] == [
        "east",
        "drift-0.25",
        "drift-0.5",
        "drift-0.75",
        "north",
    ]
    units = np.array([SPACE.coordinates(task) for task in scenario.evaluation_tasks])
    assert units == pytest.approx(np.linspace(units[0], units[-1], 5))
    there_and_back = drift("point-goal", tasks=[EAST, WEST, EAST], n_test_tasks=5)
    assert [task.id for task in there_and_back.evaluation_tasks] == ["east", "drift-0.25", "west"]
    abrupt = drift("point-goal", tasks=[EAST, NORTH], n_stages=2)
    assert [task.id for task in abrupt.evaluation_tasks] == ["east", "north"]
