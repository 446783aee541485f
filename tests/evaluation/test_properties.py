"""What holds for every metric family: order, added tasks, agents that never change, and no NaN."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifelong_rl.evaluation import FAMILIES, EvaluationLog, TrainingLog, score

PER_BLOCK = 10
"""Evaluations of a block: enough for every family's window."""

N_EPISODES = 12
"""Training episodes of a block."""

WHOLE_SET = {
    "gem/average_accuracy",
    "cw/average_performance",
    *(
        f"generalisation/{name}{area}"
        for name in ("mastery_rate", "mean_performance", "worst_tenth")
        for area in ("", "_area")
    ),
    "l2m/avg_eval_perf",
    *(f"l2m/forward_transfer_{form}" for form in ("ratio", "contrast", "difference")),  # also to tasks never trained
}
"""Metrics that are over every evaluated task: one more changes the value, though no other task's number."""

COUNTS_ALL_EXPERIENCES = {
    "l2m/sample_efficiency": "the slope of a task learned twice is over the run's number of each experience, and an "
    "evaluation of one more task lies between its blocks (trap i)",
}
LOOKS_BEFORE = {
    "gem/forward_transfer": "the first task has none, and is no longer the first",
    "chaudhry/forgetting": "the best earlier score may be one from before the task's own block",
    "diaz/forward_transfer": "it is the mean of the scores at the ends of all earlier blocks",
    "avalanche/forward_transfer": "the first experience has none, and is no longer the first",
    "cora/zero_shot_forward_transfer": "the new block is one more to transfer from",
    "meal/peak_forgetting": "the peak may lie anywhere in the run",
    "generalisation/mean_performance_area": "it is over all steps of the run",
    "generalisation/mastery_rate_area": "it is over all steps of the run",
    "generalisation/worst_tenth_area": "it is over all steps of the run",
    "l2m/forward_transfer_ratio": "the new block is one more to transfer from",
    "l2m/forward_transfer_contrast": "the new block is one more to transfer from",
    "l2m/forward_transfer_difference": "the new block is one more to transfer from",
    "l2m/avg_eval_perf": "the new block's evaluation is one more",
}
"""Metrics whose definition looks at blocks before the task's own: a new first block may change any task's number."""

NEUTRAL_IS_ONE = ("_ratio", "remembering")
"""How the names of metrics end whose neutral value is 1."""


class Run:
    """A run as tables, from which logs of it can be made in several ways."""

    def __init__(self, seed, trained, n_tasks, *, constant=False):
        rng = np.random.default_rng(seed)
        self.tasks = [chr(97 + i) for i in range(n_tasks)]
        self.trained = [self.tasks[i] for i in trained]
        # Multiples of 1/16 add up without rounding, so that sums in another order are the same.
        self.scores = rng.integers(1, 16, (1 + PER_BLOCK * len(trained), n_tasks)) / 16
        self.episodes = rng.integers(1, 16, (len(trained), N_EPISODES)) / 16
        if constant:
            self.scores[:] = self.scores[0]
            self.episodes[:] = self.scores[0, list(trained)][:, None]
        self.references = {task: [rng.integers(1, 12, PER_BLOCK) / 16] for task in self.tasks}

    def log(self, columns=None, names=None):
        """The log, with the tasks evaluated in the order of ``columns`` and renamed by ``names``."""
        columns = range(len(self.tasks)) if columns is None else columns
        names = {task: task for task in self.tasks} if names is None else names
        blocks = np.append(-1, np.repeat(np.arange(len(self.trained)), PER_BLOCK))
        log = EvaluationLog.from_arrays(
            [names[self.tasks[i]] for i in columns],
            self.scores[:, columns],
            blocks=blocks,
            trained=[names[task] for task in self.trained],
            steps=np.arange(len(blocks)) * 10,
        )
        training = TrainingLog.from_arrays(
            [names[task] for task in self.trained for _ in range(N_EPISODES)],
            self.episodes.ravel(),
            blocks=np.repeat(np.arange(len(self.trained)), N_EPISODES),
            steps=np.arange(self.episodes.size) * 8 + 1,
            measured="score",
        )
        return log.with_training(training)

    def metrics(self, columns=None, names=None):
        renamed = {task if names is None else names[task]: curves for task, curves in self.references.items()}
        found = score(self.log(columns, names), tuple(FAMILIES), renamed)
        return {f"{metric.family}/{metric.name}": metric for metric in found}

    def with_task(self, value, *, is_trained_first=False):
        """The same run with one more task, whose score is always ``value``; perhaps with a block of it in front."""
        wider = object.__new__(Run)
        wider.tasks = [*self.tasks, "constant"]
        wider.references = self.references | {"constant": [np.full(PER_BLOCK, value)]}
        wider.trained, scores, wider.episodes = list(self.trained), self.scores, self.episodes
        if is_trained_first:
            wider.trained = ["constant", *self.trained]
            scores = np.vstack([np.tile(scores[0], (PER_BLOCK, 1)), scores])
            wider.episodes = np.vstack([np.full(N_EPISODES, value), self.episodes])
        wider.scores = np.hstack([scores, np.full((len(scores), 1), value)])
        return wider


@st.composite
def runs(draw, constant=False):
    """A run over two to four tasks, all of them trained, some of them again."""
    n_tasks = draw(st.integers(2, 4))
    trained = list(range(n_tasks)) + draw(st.lists(st.integers(0, n_tasks - 1), max_size=2))
    return Run(draw(st.integers(0, 10**6)), trained, n_tasks, constant=constant)


def is_equal(a, b):
    return (a is None and b is None) or (a is not None and b is not None and math.isclose(a, b, abs_tol=1e-9))


def are_equal(a, b):
    return len(a) == len(b) and all(map(is_equal, a, b))


def assert_same_tables(name, mine, other, names=None, tasks=None):
    """The tables of ``mine`` are those of ``other`` under other names, for the given tasks."""
    tasks = list(mine.per_task) if tasks is None else tasks
    names = {task: task for task in tasks} if names is None else names
    for task in tasks:
        assert is_equal(mine.per_task[task], other.per_task[names[task]]), (name, task)
        for of in tasks:
            pair = mine.per_pair.get(task, {}).get(of, ())
            assert are_equal(pair, other.per_pair.get(names[task], {}).get(names[of], ())), (name, task, of)


many = settings(deadline=None, max_examples=40)  # deadline: the machine may be busy


@many
@given(runs(), st.randoms(use_true_random=False))
def test_the_order_and_the_names_of_tasks_permute_the_tables_and_nothing_else(run, random):
    columns = random.sample(range(len(run.tasks)), len(run.tasks))
    names = dict(zip(run.tasks, random.sample("wxyz", len(run.tasks)), strict=True))
    plain, mixed = run.metrics(), run.metrics(columns, names)
    for name, metric in plain.items():
        assert is_equal(metric.value, mixed[name].value), name
        assert list(mixed[name].per_task) == [names[run.tasks[i]] for i in columns], name
        assert are_equal(metric.per_block, mixed[name].per_block), name
        assert_same_tables(name, metric, mixed[name], names)


@many
@given(runs(), st.integers(1, 15))
def test_a_constant_task_that_is_only_evaluated_changes_no_other_tasks_numbers(run, value):
    plain, wider = run.metrics(), run.with_task(value / 16).metrics()
    for name, metric in plain.items():
        if name in COUNTS_ALL_EXPERIENCES:
            continue
        assert_same_tables(name, metric, wider[name], tasks=run.tasks)
        assert are_equal(metric.per_block, wider[name].per_block), name
        if name not in WHOLE_SET:
            assert is_equal(metric.value, wider[name].value), name


@many
@given(runs(), st.integers(1, 11))
def test_a_constant_task_that_is_trained_first_changes_only_what_looks_before_a_tasks_own_block(run, value):
    plain, wider = run.metrics(), run.with_task(value / 16, is_trained_first=True).metrics()
    for name, metric in plain.items():
        if name not in LOOKS_BEFORE | COUNTS_ALL_EXPERIENCES:
            assert_same_tables(name, metric, wider[name], tasks=run.tasks)


def test_what_counts_all_experiences_does_so():
    run = Run(105, [0, 1, 2, 3, 3], 4)
    plain, wider = run.metrics(), run.with_task(1.0, is_trained_first=True).metrics()
    for name in COUNTS_ALL_EXPERIENCES:
        changed = [task for task in run.tasks if not is_equal(plain[name].per_task[task], wider[name].per_task[task])]
        assert changed == ["d"]


def test_what_looks_before_a_tasks_own_block_does_so():
    changed = set()
    for seed in range(5):
        run = Run(seed, [0, 1, 2], 3)
        if seed == 4:
            run.scores[0] = 1.0  # an agent that begins at its best: a peak before every block
        plain, wider = run.metrics(), run.with_task(0.25, is_trained_first=True).metrics()
        for name, metric in plain.items():
            if any(not is_equal(metric.per_task[task], wider[name].per_task[task]) for task in run.tasks):
                changed.add(name)
    assert changed == {name for name in LOOKS_BEFORE if name in plain}


def is_change(name):
    """Whether a metric says what the agent lost or gained on a task by training others."""
    words = ("forgetting", "backward_transfer", "maintenance", "zero_shot", "gem/forward_transfer")
    return any(word in name for word in (*words, "avalanche/forward_transfer")) or name == "diaz/remembering"


@many
@given(runs(constant=True))
def test_an_agent_that_never_changes_neither_forgets_nor_gains(run):
    found = {name: metric for name, metric in run.metrics().items() if is_change(name)}
    assert {name.split("/")[0] for name in found} >= set(FAMILIES) - {"generalisation"}
    for name, metric in found.items():
        neutral = 1.0 if name.endswith(NEUTRAL_IS_ONE) else 0.0
        of_pairs = [number for row in metric.per_pair.values() for numbers in row.values() for number in numbers]
        for number in (metric.value, *metric.per_task.values(), *metric.per_block, *of_pairs):
            assert number is None or is_equal(number, neutral), name


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_numbers_for_a_whole_run(family):
    run = Run(0, [0, 1, 2], 3)
    found = score(run.log(), [family], run.references)
    assert any(metric.value is not None for metric in found)


@many
@given(runs(), st.integers(0, 10**6), st.floats(0, 0.5), st.sampled_from(["score", "return"]))
def test_gaps_never_give_nan(run, seed, share, measured):
    is_missing = np.random.default_rng(seed).uniform(size=run.scores.shape) < share
    is_missing[0, 0] = False
    run.scores = np.where(is_missing, np.nan, run.scores)
    for metric in score(run.log(), tuple(FAMILIES), run.references, value=measured):
        of_pairs = [number for row in metric.per_pair.values() for numbers in row.values() for number in numbers]
        for number in (metric.value, *metric.per_task.values(), *metric.per_block, *of_pairs):
            assert number is None or math.isfinite(number), metric
        assert (metric.value is None) == bool(metric.reason)
        assert set(metric.per_task) == set(run.log().tasks)
