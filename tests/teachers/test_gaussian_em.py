"""Mixtures fitted side by side are those of textbook EM, and each stops and resumes anywhere."""

import numpy as np
import pytest

from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.teachers.gaussian_em import RIDGE, MixtureRace, spread_rows
from lifelong_rl.teachers.gaussians import best_mixture

CENTRES = np.array([[0.1, 0.1, 0.0], [0.5, 0.9, 0.5], [0.9, 0.2, 0.9]])


def clusters(n=100, width=0.02, seed=0):
    rng = np.random.default_rng(seed)
    return np.repeat(CENTRES, n, axis=0) + rng.normal(0.0, width, (3 * n, 3))


def cloud(n=250, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.random((n, 3))
    points[:, 2] *= points[:, 0]
    return points


def started(points, numbers, seed=0):
    return MixtureRace.afresh(points, numbers, np.random.default_rng(seed).random(max(numbers, default=0)))


def run(race, n_steps):
    for _ in range(n_steps):
        race.step()
    return race


def step_by_definition(points, weights, means, covariances):
    """One step of EM, Gaussian by Gaussian: parameters after it and the mean log-likelihood before it."""
    densities = []
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        gaps = points - mean
        exponents = -0.5 * np.einsum("ni,ij,nj->n", gaps, np.linalg.inv(covariance), gaps)
        densities.append(weight * np.exp(exponents) / np.sqrt(np.linalg.det(2 * np.pi * covariance)))
    densities = np.array(densities)
    shares = densities / densities.sum(axis=0)
    after = []
    for share in shares:
        mean = share @ points / share.sum()
        gaps = points - mean
        after.append((share.mean(), mean, (share * gaps.T) @ gaps / share.sum() + RIDGE * np.eye(3)))
    return *map(np.array, zip(*after, strict=True)), np.log(densities.sum(axis=0)).mean()


def test_a_step_of_every_mixture_is_a_step_of_em_by_its_definition():
    points = cloud()
    race = run(started(points, [2, 3, 5]), 3)
    rows = [slice(0, 2), slice(2, 5), slice(5, 10)]
    expected = [step_by_definition(points, race.weights[r], race.means[r], race.covariances[r]) for r in rows]

    race.step()

    for r, (weights, means, covariances, log_likelihood), found in zip(
        rows, expected, race.log_likelihoods, strict=True
    ):
        assert race.weights[r] == pytest.approx(weights)
        assert race.means[r] == pytest.approx(means)
        assert race.covariances[r] == pytest.approx(covariances, abs=1e-12)
        assert found == pytest.approx(log_likelihood)


def test_a_mixture_does_not_depend_on_those_beside_it():
    points = cloud()
    uniform = np.random.default_rng(1).random(6)

    alone = run(MixtureRace.afresh(points, [3], uniform[:3]), 10)
    beside = run(MixtureRace.afresh(points, [2, 3, 6], uniform), 10)

    assert beside.means[2:5] == pytest.approx(alone.means)


def test_the_likelihood_never_falls():
    race = started(cloud(), [2, 5, 10])
    race.step()

    for _ in range(30):
        before = race.log_likelihoods
        race.step()
        assert (race.log_likelihoods >= before - 1e-4).all()  # the ridge is not part of the likelihood


def test_mixtures_are_as_likely_as_those_of_scikit_learn():
    ours, theirs = [], []
    for seed in range(4):
        points = cloud(seed=seed)
        ours.append(run(started(points, [5], seed), 40).log_likelihoods[0])
        theirs.append(best_mixture(points, [5], [seed], "aic").score(points))

    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.1)


@pytest.mark.parametrize("criterion", ["aic", "aicc", "bic"])
def test_the_best_mixture_has_a_gaussian_a_cluster(criterion):
    means, covariances = run(started(clusters(), [1, 2, 3]), 30).best(criterion)

    assert means[means[:, 0].argsort()] == pytest.approx(CENTRES, abs=0.01)
    assert covariances.shape == (3, 3, 3)


def test_bic_asks_a_higher_price_for_a_gaussian_than_aic():
    race = run(started(cloud(), list(range(1, 11))), 30)

    assert len(race.best("bic")[0]) < len(race.best("aic")[0])


def test_a_race_has_converged_when_steps_change_nothing():
    race = started(clusters(), [3])

    run(race, 1)
    assert not race.has_converged
    run(race, 20)
    assert race.has_converged


def test_a_successor_starts_from_the_best_mixture_with_one_gaussian_less_and_one_more():
    first = run(started(clusters(), [1, 2, 3, 4, 5]), 30)

    second = first.successor(clusters(seed=1), 1, 10, "bic")

    assert second.numbers.tolist() == [2, 3, 4]
    assert second.means[2:5] == pytest.approx(first.best("bic")[0], abs=0.02)


@pytest.mark.parametrize(
    ("lowest", "highest", "numbers"), [(3, 10, [3, 4]), (1, 3, [2, 3]), (3, 3, [3]), (1, 1, [1])]
)
def test_a_successor_keeps_to_the_numbers_allowed(lowest, highest, numbers):
    first = run(started(clusters(), [3]), 20)

    second = run(first.successor(clusters(seed=1), lowest, highest, "aic"), 5)

    assert second.numbers.tolist() == numbers
    assert np.isfinite(second.log_likelihoods).all()


def test_a_successor_survives_points_that_are_all_elsewhere():
    first = run(started(clusters(width=1e-4), [3, 4]), 20)

    second = run(first.successor(np.full((100, 3), 0.7), 1, 5, "aic"), 5)

    assert np.isfinite(second.log_likelihoods).all()
    assert (np.linalg.eigvalsh(second.covariances) > 0).all()


@pytest.mark.parametrize("n_distinct", [1, 2, 9])
def test_repeated_points_are_no_error(n_distinct):
    points = np.random.default_rng(0).random((n_distinct, 3))[np.arange(200) % n_distinct]

    race = run(started(points, list(range(1, n_distinct + 1))), 30)

    assert np.isfinite(race.log_likelihoods).all()
    assert (np.linalg.eigvalsh(race.covariances) > 0).all()


def test_a_saved_race_goes_on_bit_for_bit():
    race = run(started(cloud(), [2, 3, 4]), 4)
    loaded = MixtureRace.from_state(state_from_bytes(state_to_bytes(race.state_dict())))

    for each in (race, loaded):
        run(each, 5)

    assert state_to_bytes(loaded.state_dict()) == state_to_bytes(race.state_dict())


def test_seeds_are_spread_over_the_clusters():
    for seed in range(20):
        rows = spread_rows(clusters(width=1e-3), np.random.default_rng(seed).random(3))

        assert sorted(rows // 100) == [0, 1, 2]
