"""Tasks are told apart by exact likelihoods, and unknown ones noticed at the stated rate of false alarms."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import multivariate_t, norm

from lifelong_rl.agents.hypernet.dynamics import DynamicsModel, DynamicsSettings
from lifelong_rl.agents.hypernet.hyper_learner import HypernetLearner, HypernetSettings
from lifelong_rl.agents.hypernet.inference import FilterSettings, TaskFilter, calibrate, infer
from lifelong_rl.agents.hypernet.learner import DynamicsLearner
from lifelong_rl.agents.hypernet.novelty import cusum_limits, cusum_step, highest_cusum, window_limits
from lifelong_rl.agents.hypernet.residuals import ResidualLaw, normal_scores
from lifelong_rl.agents.hypernet.task_models import TaskModels
from lifelong_rl.agents.hypernet.transitions import Transitions


class FixedLearner(DynamicsLearner):
    """Has the weights that it was given, and learns nothing."""

    def __init__(self, target, loss, weights):
        super().__init__(target, loss, torch.Generator())
        self.given = [torch.tensor(w, dtype=torch.float32) for w in weights]

    def begin_task(self):
        self.n_tasks += 1
        return self.n_tasks - 1

    def update(self, task, batch):
        raise NotImplementedError

    def weights(self, task):
        self.check_task(task)
        return self.given[task]

    def roles(self):
        return {"weights": self.given}

    def memory(self):
        return []

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        self.n_tasks = len(self.given)


def law(n_inputs=2, n_outputs=1, *, scale=1.0, degrees=1e6, slope=0.0, scores=None):
    """Errors of one scale; slope is that of the log scale in the first input."""
    coefficients = np.zeros(1 + 2 * n_inputs)
    coefficients[1] = slope
    return ResidualLaw(
        coefficients,
        np.eye(n_outputs) / scale,
        degrees,
        knots=np.log(np.square(norm.ppf((1 + np.linspace(0.01, 0.99, 51)) / 2))),
        scores=np.zeros((1, 60), dtype=np.float32) if scores is None else scores,
        doubt=0.0,
        input_root=np.eye(n_inputs),
        input_range=np.array([[-3.0] * n_inputs, [3.0] * n_inputs]),
    )


def linear_model(weights, laws):
    """A model of one observation and one action whose tasks add weights @ (observation, action, 1) to it."""
    model = DynamicsModel(
        1,
        1,
        lambda target, loss: FixedLearner(target, loss, weights),
        settings=DynamicsSettings(hidden=()),
        rng=np.random.default_rng(0),
    )
    for own in laws:
        model.scales[model.begin_task()].law = own
    return model


@pytest.fixture
def two_tasks():
    """The next observation is the observation plus the action, or minus it; errors have deviation 0.5 and 2."""
    return TaskModels(linear_model([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], [law(scale=0.5), law(scale=2.0)]))


def random_windows(n, length, seed=0):
    rng = np.random.default_rng(seed)
    seen, taken = rng.normal(size=(n, length, 1)), rng.normal(size=(n, length, 1))
    return seen, taken, seen + taken + 0.5 * rng.normal(size=(n, length, 1))


# Likelihoods


def test_the_likelihoods_of_known_gaussians_are_exact(two_tasks):
    seen, taken, then = random_windows(4, 3)
    found = infer(two_tasks, seen, taken, then)
    plus = norm.logpdf(then - seen - taken, scale=0.5).sum(axis=(1, 2))
    minus = norm.logpdf(then - seen + taken, scale=2.0).sum(axis=(1, 2))
    assert found.log_likelihoods == pytest.approx(np.stack([plus, minus], axis=1), abs=1e-3)


def test_the_belief_of_two_gaussians_follows_bayes(two_tasks):
    seen, taken, then = np.zeros((1, 1, 1)), np.full((1, 1, 1), 0.5), np.zeros((1, 1, 1))
    found = infer(two_tasks, seen, taken, then, prior=np.array([0.25, 0.75]))
    plus, minus = 0.25 * norm.pdf(-0.5, scale=0.5), 0.75 * norm.pdf(0.5, scale=2.0)
    assert found.belief[0] == pytest.approx([plus / (plus + minus), minus / (plus + minus)], abs=1e-4)
    assert found.most_likely.tolist() == [1]


def test_the_likelihood_is_a_student_law_whose_scale_follows_the_input():
    own = law(scale=0.5, degrees=5.0, slope=0.7)
    model = linear_model([[0.0, 1.0, 0.0]], [own])
    model.scales[0].targets.update(np.array([[-2.0], [2.0]]))  # deviation 2, so predictions are doubled
    found = TaskModels(model).evidence(np.array([[0.3]]), np.array([[0.4]]), np.array([[1.9]]))
    error = 1.9 - 0.3 - 2 * 0.4
    scale = 2 * 0.5 * np.exp(0.7 * 0.3)
    expected = multivariate_t.logpdf([error], [0.0], [[scale**2]], df=5.0)
    assert found.log_likelihoods[0, 0] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("is_probabilistic", [False, True])
@pytest.mark.parametrize("hidden", [(), (8,), (8, 6)])
def test_all_tasks_in_one_product_equal_each_task_on_its_own(n_members, is_probabilistic, hidden):
    rng = np.random.default_rng(0)
    model = DynamicsModel(
        3,
        2,
        lambda target, loss: FixedLearner(target, loss, rng.normal(size=(4, target.n_weights)) / 3),
        settings=DynamicsSettings(
            hidden=hidden, n_members=n_members, is_probabilistic=is_probabilistic, absolute=(1,), learns_reward=True
        ),
        rng=rng,
    )
    seen, taken, rewards, then = (rng.normal(size=s).astype(np.float32) for s in ((9, 3), (9, 2), (9,), (9, 3)))
    for i in range(4):
        model.begin_task()
        model.observe(i, i + seen, taken, rewards, 2 * then)
        model.scales[i].law = law(5, 4)
    models = TaskModels(model, [3, 1])
    found = models.evidence(seen, taken, then, rewards).log_likelihoods
    for column, task in enumerate((3, 1)):
        outputs = model.predictor(task).outputs(torch.from_numpy(seen), torch.from_numpy(taken)).numpy()
        targets = np.concatenate([then - seen * [1, 0, 1], rewards[:, None]], axis=1)
        std = model.scales[task].targets.std
        expected = norm.logpdf((targets - outputs) / std).sum(axis=1) - np.log(std).sum()
        assert found[:, column] == pytest.approx(expected, abs=2e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 1000))
def test_beliefs_sum_to_one_and_do_not_depend_on_the_order(n, length, seed):
    models = TaskModels(linear_model([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], [law(scale=0.5), law(scale=2.0)]))
    columns = random_windows(n, length, seed)
    found = infer(models, *columns)
    assert found.belief.sum(axis=1) == pytest.approx(np.ones(n))
    rng = np.random.default_rng(seed)
    windows, rows = rng.permutation(n), rng.permutation(length)
    again = infer(models, *(column[windows][:, rows] for column in columns))
    assert again.belief == pytest.approx(found.belief[windows], abs=1e-6)
    assert again.novelty == pytest.approx(found.novelty[windows], abs=1e-6)


def test_a_prediction_that_is_no_number_counts_as_far_off_and_not_as_nothing():
    model = linear_model([[float("nan"), 0.0, 0.0], [0.0, 1.0, 0.0]], [law(), law()])
    found = infer(TaskModels(model), *random_windows(2, 2))
    assert np.isfinite(found.log_likelihoods).all() and (found.most_likely == 1).all()


# The filter


def test_the_filter_without_forgetting_equals_the_window(two_tasks):
    seen, taken, then = random_windows(3, 7)
    running = TaskFilter(two_tasks, 3, settings=FilterSettings(forgetting=1.0))
    assert running.belief.tolist() == [[0.5, 0.5]] * 3
    for step in range(7):
        running.update(seen[:, step], taken[:, step], then[:, step])
    found = infer(two_tasks, seen, taken, then)
    assert running.log_likelihoods == pytest.approx(found.log_likelihoods, abs=1e-5)
    assert running.belief == pytest.approx(found.belief, abs=1e-6)
    assert (running.most_likely == found.most_likely).all() and running.n_seen.tolist() == [7, 7, 7]


def test_forgetting_weights_a_step_by_its_age(two_tasks):
    seen, taken, then = random_windows(1, 3)
    running = TaskFilter(two_tasks, 1, settings=FilterSettings(forgetting=0.5))
    for step in range(3):
        running.update(seen[:, step], taken[:, step], then[:, step])
    each = two_tasks.evidence(seen, taken, then).log_likelihoods[0]
    assert running.log_likelihoods[0] == pytest.approx(0.25 * each[0] + 0.5 * each[1] + each[2], abs=1e-5)


def test_a_restart_forgets_the_chosen_environments_alone(two_tasks):
    seen, taken, then = random_windows(2, 1)
    running = TaskFilter(two_tasks, 2)
    running.update(seen[:, 0], taken[:, 0], 100 + then[:, 0])
    kept = running.log_likelihoods[1].copy()
    running.restart(np.array([True, False]))
    assert running.n_seen.tolist() == [0, 1] and running.belief[0].tolist() == [0.5, 0.5]
    assert (running.log_likelihoods[1] == kept).all() and running.cusums[0].tolist() == [0, 0]


def test_a_saved_filter_continues_as_it_would_have(two_tasks):
    seen, taken, then = random_windows(2, 4)
    first, second = TaskFilter(two_tasks, 2), TaskFilter(two_tasks, 2)
    for step in range(4):
        if step == 2:
            second.load_state_dict(first.state_dict())
        for running in (first, second)[: 1 + (step >= 2)]:
            running.update(seen[:, step], taken[:, step], then[:, step])
    for name in ("log_likelihoods", "cusums", "n_seen", "is_unknown"):
        assert (getattr(first, name) == getattr(second, name)).all()


def test_a_filter_keeps_its_evidence_for_new_weights_and_starts_over_for_new_tasks(two_tasks):
    seen, taken, then = random_windows(1, 1)
    running = TaskFilter(two_tasks, 1)
    running.update(seen[:, 0], taken[:, 0], then[:, 0])
    kept = running.log_likelihoods.copy()
    running.renew(two_tasks)
    assert (running.log_likelihoods == kept).all()
    running.renew(TaskModels(linear_model([[0.0, 1.0, 0.0]], [law()])))
    assert running.n_seen.tolist() == [0] and running.belief.tolist() == [[1.0]]


# Novelty


def test_pages_sum_by_hand():
    sums = np.zeros(1)
    seen = []
    for score in (1.0, 2.0, -3.0, 0.25, 1.5):
        sums = cusum_step(sums, np.array([score]), 0.5)
        seen.append(float(sums[0]))
    assert seen == [0.5, 2.0, 0.0, 0.0, 1.0]


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=20))
def test_the_highest_sum_in_closed_form_is_that_of_the_steps(scores):
    sums, highest = np.zeros(1), 0.0
    for score in scores:
        sums = cusum_step(sums, np.array([score]), 0.5)
        highest = max(highest, float(sums[0]))
    assert highest_cusum(np.array([scores]), 0.5)[0] == pytest.approx(highest, abs=1e-9)


def correlated_errors(n_steps, n_streams, rng, carry=0.6):
    """Errors of two targets that resemble those of the step before, larger where the input is large."""
    inputs = rng.normal(size=(n_steps, n_streams, 2))
    noise = rng.normal(size=(n_steps, n_streams, 2))
    errors = np.zeros_like(noise)
    errors[0] = noise[0]
    for step in range(1, n_steps):
        errors[step] = carry * errors[step - 1] + np.sqrt(1 - carry**2) * noise[step]
    errors = 0.1 * errors * np.exp(0.5 * inputs[..., :1])
    return inputs.reshape(-1, 2), errors.reshape(-1, 2)


def scores_of(own, inputs, errors, n_streams):
    """Scores from the law's own definition, shape (n_streams, n_steps)."""
    coefficients = own.coefficients
    cut = np.clip(inputs, -4, 4)
    scale = np.exp(coefficients[0] + cut @ coefficients[1:3] + cut**2 @ coefficients[3:])
    logs = np.log(np.square(errors @ own.whitening.T).sum(axis=1) / scale**2)
    scores = np.interp(logs, own.knots, normal_scores(len(own.knots)))
    return scores.reshape(-1, n_streams).T


@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_false_alarms_come_at_the_stated_rate_on_fresh_streams(rate):
    in_streams, in_windows = [], []
    for seed in range(8):  # each with a law of its own: one calibration has luck or bad luck with its streams
        rng = np.random.default_rng(seed)
        own = ResidualLaw.fit(*correlated_errors(60, 100, rng), np.ones(6000, dtype=bool), n_streams=100)
        fresh = scores_of(own, *correlated_errors(50, 500, rng), 500)
        (limit,) = cusum_limits([own], 50, 0.5, rate, rng)
        in_streams.append((highest_cusum(fresh, 0.5) > limit).mean())
        (limit,) = window_limits([own], 30, rate, rng)
        in_windows.append((fresh[:, :30].sum(axis=1) / np.sqrt(30) > limit).mean())
    assert 0.5 * rate < np.mean(in_streams) < 1.6 * rate
    assert 0.5 * rate < np.mean(in_windows) < 1.6 * rate


def test_larger_errors_raise_an_alarm_soon():
    rng = np.random.default_rng(2)
    own = ResidualLaw.fit(*correlated_errors(60, 60, rng), np.ones(3600, dtype=bool), n_streams=60)
    inputs, errors = correlated_errors(50, 500, rng)
    (limit,) = cusum_limits([own], 50, 0.5, 0.02, rng)
    assert (highest_cusum(scores_of(own, inputs, 3 * errors, 500), 0.5) > limit).mean() > 0.95


def test_an_alarm_needs_every_known_task_to_be_unlikely(two_tasks):
    running = TaskFilter(two_tasks, 2, settings=FilterSettings(horizon=20))
    seen, taken = np.zeros((2, 1)), np.ones((2, 1))
    for _ in range(20):
        running.update(seen, taken, np.array([[1.0], [50.0]]))  # the first is of task 0, and far from task 1
    assert running.is_unknown.tolist() == [False, True]
    assert (running.novelty > 1).tolist() == [False, True]


# The law of errors


def test_a_law_recovers_tails_and_scatter():
    rng = np.random.default_rng(0)
    scatter = np.array([[0.04, 0.01], [0.01, 0.09]])
    errors = multivariate_t.rvs([0, 0], scatter, df=5, size=20_000, random_state=rng)
    own = ResidualLaw.fit(rng.normal(size=(20_000, 2)), errors, np.ones(20_000, dtype=bool))
    root = np.linalg.inv(own.whitening)
    assert root @ root.T == pytest.approx(scatter, rel=0.1, abs=2e-3)
    assert 4 < own.degrees < 6.5
    assert np.abs(own.coefficients).max() < 0.03


def test_a_law_learns_where_errors_are_larger():
    inputs, errors = correlated_errors(100, 50, np.random.default_rng(0), carry=0.0)
    own = ResidualLaw.fit(inputs, errors, np.ones(5000, dtype=bool))
    assert own.coefficients[1] == pytest.approx(0.5, abs=0.05)
    assert np.abs(own.coefficients[2:]).max() < 0.05


def test_a_law_is_measured_on_held_out_rows_and_its_scores_are_standard_normal():
    rng = np.random.default_rng(0)
    inputs, errors = correlated_errors(100, 20, rng, carry=0.0)
    held_out = np.arange(2000) % 20 < 5
    errors[~held_out] /= 10  # trained rows are predicted too well
    own = ResidualLaw.fit(inputs, errors, held_out, n_streams=20)
    assert np.linalg.inv(own.whitening)[0, 0] == pytest.approx(0.1, rel=0.35)
    assert own.scores.shape == (20, 100)
    assert own.scores.mean() == pytest.approx(0, abs=0.05) and own.scores.std() == pytest.approx(1, abs=0.05)


def test_the_kept_scores_are_bounded_in_number_whatever_the_data():
    rng = np.random.default_rng(0)
    for n_steps, n_streams in ((5000, 1), (50, 200), (3, 4000)):
        own = ResidualLaw.fit(
            *correlated_errors(n_steps, n_streams, rng), np.ones(n_steps * n_streams, dtype=bool), n_streams
        )
        assert own.n_bytes < 2 * 8192 + 4096
        assert own.scores.size <= 8192 and own.scores.shape[1] == n_steps


def test_a_law_widens_by_how_far_predictions_have_moved():
    own = dataclasses.replace(law(scale=0.3), reference=np.zeros((256, 1)))
    same, moved = own.widened(np.zeros((256, 1))), own.widened(np.full((256, 1), 0.4))
    assert same.whitening[0, 0] == pytest.approx(1 / 0.3) and same.doubt == pytest.approx(0)
    assert moved.whitening[0, 0] == pytest.approx(1 / 0.5) and moved.doubt > 0  # 0.3^2 + 0.4^2 = 0.5^2


def test_the_normal_scores_are_symmetric_and_end_half_a_rank_inside():
    scores = normal_scores(5)
    assert scores == pytest.approx([ndtri(0.1), ndtri(0.25), 0, ndtri(0.75), ndtri(0.9)])


# Bad input


def test_an_empty_window_is_refused(two_tasks):
    with pytest.raises(ValueError, match="at least one transition"):
        infer(two_tasks, *(np.zeros((2, 0, 1)) for _ in range(3)))


def test_unknown_and_uncalibrated_tasks_are_refused():
    model = linear_model([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], [law(), None])
    assert TaskModels(model).tasks == (0,)
    with pytest.raises(ValueError, match="knows 2 tasks, and task 7"):
        TaskModels(model, [0, 7])
    with pytest.raises(ValueError, match="task 1 is not calibrated"):
        TaskModels(model, [1])
    with pytest.raises(ValueError, match="none is calibrated"):
        TaskModels(linear_model([[0.0, 1.0, 0.0]], [None]))


def test_transitions_of_other_shapes_or_that_are_not_finite_are_refused(two_tasks):
    with pytest.raises(ValueError, match=r"sizes \[1, 1, 1\]"):
        two_tasks.evidence(np.zeros((3, 2)), np.zeros((3, 1)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="finite"):
        two_tasks.evidence(np.full((1, 1), np.nan), np.zeros((1, 1)), np.zeros((1, 1)))
    with pytest.raises(ValueError, match="each of 3 environments, found 2"):
        TaskFilter(two_tasks, 3).update(np.zeros((2, 1)), np.zeros((2, 1)), np.zeros((2, 1)))


def test_a_model_of_rewards_asks_for_them():
    model = DynamicsModel(
        1,
        1,
        lambda target, loss: FixedLearner(target, loss, [np.zeros(target.n_weights)]),
        settings=DynamicsSettings(hidden=(), learns_reward=True),
        rng=np.random.default_rng(0),
    )
    model.scales[model.begin_task()].law = law(2, 2)
    with pytest.raises(ValueError, match="rewards of shape"):
        TaskModels(model).evidence(np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)))


@pytest.mark.parametrize(
    "bad", [{"forgetting": 1.5}, {"horizon": 0}, {"false_alarm_rate": 0.0}, {"false_alarm_rate": 0.7}]
)
def test_settings_out_of_range_are_refused(two_tasks, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        TaskFilter(two_tasks, 1, settings=FilterSettings(**bad))


def test_a_prior_that_is_none_is_refused(two_tasks):
    for prior in ([0.5, 0.4], [1.0, 0.0], [0.2, 0.3, 0.5]):
        with pytest.raises(ValueError, match="prior must give"):
            infer(two_tasks, *random_windows(1, 1), prior=np.array(prior))


def test_a_state_of_other_tasks_is_refused(two_tasks):
    state = TaskFilter(two_tasks, 2).state_dict()
    with pytest.raises(ValueError, match="in 2 environments, this one"):
        TaskFilter(two_tasks, 1).load_state_dict(state)


# Held-out stretches


def test_rows_are_held_out_in_stretches_of_one_environment_and_resume_within_one():
    def fed(data, steps):
        for _ in range(steps):
            data.add(np.zeros((8, 1)), np.zeros((8, 1)), np.zeros(8), np.zeros((8, 1)))
        return data

    def fresh():
        return Transitions(1, 1, held_out=0.5, rng=np.random.default_rng(0), stretch=5)

    whole = fed(fresh(), 20)
    flags = whole.is_held_out.reshape(4, 5, 8)
    assert (flags == flags[:, :1]).all()
    assert 0.2 < flags.mean() < 0.8 and not (flags == flags[:1]).all()
    resumed = fresh()
    resumed.load_state_dict(fed(fresh(), 7).state_dict())
    assert (fed(resumed, 13).is_held_out == whole.is_held_out).all()


# With learned models

GAINS = (1.0, -1.0, 0.4)


def gain_steps(gain, n, rng):
    seen, taken = rng.uniform(-2, 2, (n, 1)), rng.uniform(-1, 1, (n, 1))
    then = seen + 0.5 * gain * taken - 0.1 * np.sin(seen)
    return tuple(a.astype(np.float32) for a in (seen, taken, np.zeros(n), then))


@pytest.fixture(scope="module")
def learned():
    """A hypernetwork that learned three gains of the action one after another."""
    rng = np.random.default_rng(0)
    model = DynamicsModel(
        1,
        1,
        lambda target, loss: HypernetLearner(
            target, loss, torch.Generator().manual_seed(0), settings=HypernetSettings(), rng=rng
        ),
        settings=DynamicsSettings(hidden=(16,)),
        rng=rng,
    )
    for gain in GAINS:
        task = model.begin_task()
        data = Transitions(1, 1, held_out=0.25, rng=rng)
        columns = gain_steps(gain, 600, rng)
        data.add(*columns)
        model.observe(task, *columns)
        model.fit(task, data, 400, 50, lambda update: None)
        model.end_task(task, data)
        assert calibrate(model, task, data) is model.scales[task].law
    return model


def gain_windows(gain, n, length, rng):
    seen, taken, _, then = gain_steps(gain, n * length, rng)
    return tuple(a.reshape(n, length, 1) for a in (seen, taken, then))


def test_learned_models_tell_their_tasks_apart_and_notice_another(learned):
    models, rng = TaskModels(learned), np.random.default_rng(5)
    for task, gain in enumerate(GAINS):
        found = infer(models, *gain_windows(gain, 100, 10, rng), false_alarm_rate=0.05)
        assert (found.most_likely == task).mean() >= 0.97
        assert found.is_unknown.mean() <= 0.2
    assert infer(models, *gain_windows(0.7, 100, 10, rng)).is_unknown.mean() >= 0.9


def test_a_saved_model_keeps_its_laws(learned):
    other = DynamicsModel(
        1,
        1,
        lambda target, loss: HypernetLearner(target, loss, torch.Generator().manual_seed(9)),
        settings=DynamicsSettings(hidden=(16,)),
        rng=np.random.default_rng(9),
    )
    for _ in GAINS:
        other.begin_task()
    other.load_state_dict(learned.state_dict())
    columns = gain_windows(0.7, 3, 5, np.random.default_rng(0))
    first, second = infer(TaskModels(learned), *columns), infer(TaskModels(other), *columns)
    assert (first.log_likelihoods == second.log_likelihoods).all() and (first.novelty == second.novelty).all()


def test_a_task_with_too_few_transitions_stays_uncalibrated(learned):
    data = Transitions(1, 1, held_out=0.0, rng=np.random.default_rng(0))
    data.add(*gain_steps(1.0, 29, np.random.default_rng(0)))
    kept = learned.scales[0].law
    try:
        assert calibrate(learned, 0, data) is None
        assert TaskModels(learned).tasks == (1, 2)
    finally:
        learned.scales[0].law = kept


def test_the_script_of_the_page_prints_what_it_says(capsys):
    page = (Path(__file__).resolve().parents[3] / "docs" / "task-inference.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(compile(code, "docs/task-inference.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"print\(.*\)  # (.*)", code)
