"""Fast ALP-GMM spreads each fit over episodes, by their count alone, and ends up where ALP-GMM does."""

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.envs.state import state_from_bytes, state_to_bytes
from lifelong_rl.teachers import FastALPGMM, Outcomes
from lifelong_rl.teachers.gaussian_em import MixtureRace


def bound(dimension=2, seed=0, **hyperparameters):
    teacher = FastALPGMM(**hyperparameters)
    space = TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(dimension)])
    teacher.reset(space, np.random.default_rng(seed))
    return teacher


def play(teacher, n, seed=1, size=50):
    """Scores change from visit to visit in one ninth of the square only."""
    rng = np.random.default_rng(seed)
    for _ in range(n // size):
        tasks = teacher.sample(size)
        teacher.update(tasks, Outcomes.from_scores(np.where(in_corner(tasks), rng.random(size), 0.0)))


def in_corner(tasks):
    return (tasks > 2 / 3).all(axis=1)


@pytest.fixture
def steps(monkeypatch):
    """The calls of MixtureRace.step."""
    made = []
    step = MixtureRace.step
    monkeypatch.setattr(MixtureRace, "step", lambda race: (made.append(1), step(race)))
    return made


def test_an_episode_makes_some_steps_and_the_mixture_comes_with_the_last(steps):
    teacher = bound(max_steps=10, steps_per_episode=4)
    tasks, scores = np.random.default_rng(1).random((254, 2)), np.random.default_rng(2).random(254)
    teacher.update(tasks[:250], Outcomes.from_scores(scores[:250]))

    counts = []
    for i in range(250, 254):
        counts.append((len(steps), len(teacher.gaussians().weights) > 0))
        teacher.update(tasks[i : i + 1], Outcomes.from_scores(scores[i : i + 1]))

    assert counts == [(0, False), (4, False), (8, False), (10, True)]


@pytest.mark.parametrize(("afresh_every", "tried"), [(1, [9, 9, 9]), (2, [9, 3, 9]), (100, [9, 3, 3])])
def test_every_so_many_fits_all_numbers_of_gaussians_are_tried_afresh(afresh_every, tried):
    teacher = bound(afresh_every=afresh_every, max_gaussians=10)
    found = []
    for i in range(3):
        play(teacher, 250, seed=i)
        found.append(len(teacher.state_dict()["race"]["numbers"]))
    assert found == tried


def test_a_fit_ends_early_where_it_has_converged(steps):
    teacher = bound(max_steps=200, max_gaussians=2)
    tasks = np.round(np.random.default_rng(1).random((499, 2)))

    teacher.update(tasks, Outcomes.from_scores(np.zeros(499)))

    assert 1 <= len(steps) < 60
    assert len(teacher.gaussians().weights) == 2


def test_most_gaussian_draws_lie_where_alone_the_score_changes():
    teacher = bound()
    play(teacher, 1500)
    teacher.random_fraction = 0.0

    assert in_corner(teacher.sample(1000)).mean() >= 0.6


def test_a_batch_over_several_fits_teaches_as_its_episodes():
    batched, single = (bound(fit_every=20, max_steps=15, steps_per_episode=1, max_gaussians=4) for _ in range(2))
    tasks, scores = np.random.default_rng(1).random((90, 2)), np.random.default_rng(2).random(90)

    batched.update(tasks, Outcomes.from_scores(scores))
    for i in range(90):
        single.update(tasks[i : i + 1], Outcomes.from_scores(scores[i : i + 1]))

    assert state_to_bytes(batched.state_dict()) == state_to_bytes(single.state_dict())


@pytest.mark.parametrize("n_before", [0, 250, 253, 400])
def test_a_state_taken_within_a_fit_goes_on_bit_for_bit(n_before):
    teacher, loaded = bound(), bound(seed=9)
    play(teacher, n_before, size=1)

    loaded.load_state_dict(state_from_bytes(state_to_bytes(teacher.state_dict())))
    for each in (teacher, loaded):
        play(each, 300, seed=2)

    assert state_to_bytes(teacher.state_dict()) == state_to_bytes(loaded.state_dict())


def test_the_state_stays_of_one_size():
    teacher = bound(max_history=300)

    sizes = []
    for _ in range(8):
        play(teacher, 600)
        sizes.append(len(state_to_bytes(teacher.state_dict())))

    assert max(sizes[2:]) < 1.5 * sizes[0]
    assert len(teacher.state_dict()["history"]["scores"]) < 600


@pytest.mark.parametrize("n_distinct", [1, 2, 3])
def test_fewer_distinct_tasks_than_gaussians_are_no_error(n_distinct):
    teacher = bound(fit_every=50)
    play(teacher, 200)
    tasks = np.random.default_rng(1).random((n_distinct, 2))[np.arange(300) % n_distinct]

    teacher.update(tasks, Outcomes.from_scores(np.arange(300) % 2))

    assert 1 <= len(teacher.gaussians().weights) <= 10
    assert ((teacher.sample(500) >= 0) & (teacher.sample(500) <= 1)).all()


def test_integers_are_honoured():
    teacher = FastALPGMM(fit_every=100)
    space = TaskSpace("toy", [Feature.integer("n", 1, 4, 1), Feature.real("x", 0.0, 1.0, 0.5)])
    teacher.reset(space, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for _ in range(12):
        tasks = teacher.sample(50)
        is_third = np.array([space.decode(task).params["n"] == 3 for task in tasks])
        teacher.update(tasks, Outcomes.from_scores(np.where(is_third, rng.random(50), 0.0)))

    drawn = [space.decode(task).params["n"] for task in teacher.sample(500)]

    assert np.mean(np.array(drawn) == 3) > 0.4


@pytest.mark.parametrize(("name", "value"), [("steps_per_episode", 0), ("max_steps", 0), ("max_steps", 1001)])
def test_a_hyperparameter_out_of_range_is_named_at_reset(name, value):
    with pytest.raises(ValueError, match=f"{name} of FastALPGMM must be .*, found {value!r}"):
        bound(**{name: value})
