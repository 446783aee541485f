"""Every family's vector takes tasks by options and queue, and what it refuses changes nothing."""

import numpy as np
import pytest
from check_toys import Slide
from families import MADE_HERE
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lifelong_rl.envs import family, make, make_vec, make_vector
from lifelong_rl.envs.task_vector import TaskVectorEnv

N = 3
ONE_OF_EACH = ["point-goal", "point-mass", "hopper"]
"""A family whose instances are stepped one by one, one over arrays, and one on MuJoCo."""


def tasks_of(name, n, seed=0):
    space = family(name).task_space
    return space.decode_many(space.sample(n, np.random.default_rng(seed)))


def same(ours, theirs):
    """Compare arrays and dicts bit for bit, dtypes included."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            same(ours[key], theirs[key])
    elif isinstance(theirs, np.ndarray) and theirs.dtype == object:
        for mine, their in zip(ours, theirs, strict=True):
            same(mine, their)
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    else:
        assert ours == theirs


def plays_the_same(vector, other, n_steps=4):
    """Play two vectors with the same actions, and compare what they show."""
    vector.action_space.seed(0)
    for _ in range(n_steps):
        actions = vector.action_space.sample()
        for mine, their in zip(vector.step(actions), other.step(actions), strict=True):
            same(mine, their)


@pytest.mark.parametrize("name", MADE_HERE)
def test_every_family_s_vector_takes_tasks_by_options_and_by_queue(name):
    vector, (first, second, third) = make_vector(name, 2), tasks_of(name, 3)
    _, infos = vector.reset(seed=0, options={"tasks": [first, second]})
    assert tuple(infos["task"]) == vector.tasks == (first, second)
    vector.queue_task(third, seed=5, index=1)
    vector.reset(options={"tasks": [second, None]})
    assert vector.tasks == (second, third)
    vector.reset(options={"task": first})
    assert vector.tasks == (first, first)
    with pytest.raises(
        ValueError, match=r"unknown reset option 'tsak'; did you mean 'task'\? known: reset_mask, task"
    ):
        vector.reset(options={"tsak": first})
    vector.close()


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("name", ["point-goal", "staged-task", "n-parity", "minigrid", "stump-tracks"])
def test_it_shows_what_gymnasium_s_shows(name, mode):
    options = {} if name == "n-parity" else {"max_episode_steps": 9}
    ours = make_vector(name, N, autoreset_mode=mode, **options)
    assert type(ours) is TaskVectorEnv
    theirs, tasks = SyncVectorEnv([lambda: make(name, **options)] * N, autoreset_mode=mode), tasks_of(name, 40)
    for env, task in zip(theirs.envs, tasks, strict=False):
        env.queue_task(task)
    same(ours.reset(seed=3, options={"tasks": tasks[:N]})[1], theirs.reset(seed=3)[1])
    ours.action_space.seed(1)
    for step, task in enumerate(tasks):
        if step % 3 == 0:
            seed = step if step % 2 else None
            ours.queue_task(task, seed, index=step % N)
            theirs.envs[step % N].queue_task(task, seed)
        actions = ours.action_space.sample()
        shown, expected = ours.step(actions), theirs.step(actions)
        for mine, their in zip(shown, expected, strict=True):
            same(mine, their)
        ended = expected[2] | expected[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            with pytest.raises(RuntimeError, match="have ended: reset them"):
                ours.step(actions)
            masks = [{"reset_mask": ended.copy()} for _ in range(2)]
            same(ours.reset(options=masks[0])[1], theirs.reset(options=masks[1])[1])
        assert ours.tasks == theirs.get_attr("task")


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_the_options_of_a_reset_stay_the_caller_s(name):
    vector = make_vector(name, 2)
    vector.reset(seed=0)
    options = {"tasks": tasks_of(name, 2), "reset_mask": np.array([True, False])}
    kept = dict(options)
    vector.reset(options=options)
    assert options == kept


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"tasks": 5}, ValueError, "must hold 3 tasks or None, found 5"),
        ({"tasks": {"a": 1, "b": 2, "c": 3}}, ValueError, "must hold 3 tasks or None, found {"),
        ({"tasks": "abc"}, ValueError, "must hold 3 tasks or None, found 'abc'"),
        ({"tasks": [None] * 2}, ValueError, "must hold 3 tasks or None, found 2"),
        ({"tasks": [None] * 3, "task": {}}, ValueError, "not both"),
        ({"tasks": [{}, {}, {"nope": 1}]}, ValueError, "unknown feature of .* 'nope'"),
        ({"task": {"nope": 1}}, ValueError, "unknown feature of .* 'nope'"),
        (
            {"reset_masks": np.ones(3, dtype=bool)},
            ValueError,
            "unknown reset option 'reset_masks'; did you mean 'reset_mask'",
        ),
        ({3: None}, ValueError, "unknown reset option '3'"),
        ([1], ValueError, r"the options of a reset must be a dictionary or None, found \[1\]"),
        ({"reset_mask": [True] * 3}, TypeError, "must be a numpy array of bools, found list"),
        ({"reset_mask": np.zeros(3, dtype=bool)}, ValueError, "must name at least one instance"),
    ],
)
def test_a_reset_that_is_refused_changes_nothing(name, options, error, message):
    vector, other = make_vector(name, N), make_vector(name, N)
    for each in (vector, other):
        each.reset(seed=0, options={"tasks": tasks_of(name, N)})
        each.queue_task(tasks_of(name, 1, seed=1)[0])
    with pytest.raises(error, match=message):
        vector.reset(options=options)
    plays_the_same(vector, other)
    same(vector.reset()[1], other.reset()[1])


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("seed", [1.5, -1, "1", True, [1, 2], [1, 2, -3], [1, 2, 3.0]])
def test_a_seed_that_is_none_is_refused_and_changes_nothing(name, seed):
    vector, other = make_vector(name, N), make_vector(name, N)
    for each in (vector, other):
        each.reset(seed=0)
    with pytest.raises(ValueError, match="seed"):
        vector.reset(seed=seed)
    with pytest.raises(ValueError, match="a seed must be None or a whole number of at least 0, found"):
        vector.queue_task({}, seed)
    plays_the_same(vector, other)
    same(vector.reset(seed=np.int64(4))[0], other.reset(seed=4)[0])


def test_a_seed_that_is_none_is_refused_in_the_sb3_vector_over_arrays():
    venv = make_vec("point-mass", 2)
    for seed in (1.5, -1, True):
        with pytest.raises(ValueError, match=r"a seed must be None or a whole number of at least 0, found"):
            venv.env_method("queue_task", {}, seed)
    venv.reset()


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_first_reset_of_some_is_refused(name):
    vector = make_vector(name, 2)
    with pytest.raises(RuntimeError, match="reset all instances before some"):
        vector.reset(options={"reset_mask": np.array([True, False])})
    vector.reset(seed=0)


@pytest.mark.parametrize("name", [*ONE_OF_EACH, "stump-tracks"])
def test_a_task_that_cannot_be_shown_is_refused_before_any_instance_is_reset(name):
    known = family(name).standard_tasks(2)
    vector, other = (make_vector(name, 2, observe_task="one-hot", tasks=known) for _ in range(2))
    for each in (vector, other):
        each.reset(seed=0, options={"tasks": known})
    strange = tasks_of(name, 1, seed=5)[0]
    for refused in (
        lambda: vector.reset(options={"tasks": [known[1], strange]}),
        lambda: vector.queue_task(strange, index=0),
        lambda: vector.queue_task(strange),
    ):
        with pytest.raises(ValueError, match="knows 2 tasks"):
            refused()
    plays_the_same(vector, other)


def spoiled(actions, space):
    """Actions of all instances, of which the second's means nothing."""
    actions = actions.copy()
    actions[1] = np.nan if isinstance(space, spaces.Box) else -7
    return actions


@pytest.mark.parametrize("name", MADE_HERE)
def test_actions_that_mean_nothing_are_refused_and_no_instance_moves(name):
    for make_it, step in ((make_vector, lambda v, a: v.step(a)[0]), (make_vec, lambda v, a: v.step(a)[0])):
        vector, other = make_it(name, 2), make_it(name, 2)
        for each in (vector, other):
            if make_it is make_vec:
                each.seed(0)
                each.reset()
            else:
                each.reset(seed=0)
        space = make(name).action_space
        space.seed(0)
        actions = np.stack([space.sample() for _ in range(2)])
        for wrong, message in (
            (spoiled(actions, space), "for instance 1"),
            (actions[:1], "shape"),
            (np.stack([actions, actions]), "shape"),
            ([["a"], ["b"]], "numbers"),
        ):
            with pytest.raises(ValueError, match=message):
                step(vector, wrong)
        np.testing.assert_array_equal(step(vector, actions), step(other, actions))


@pytest.mark.parametrize("name", ["point-goal", "far-goal", "hopper", "point-mass"])
def test_the_action_of_an_instance_that_is_being_reset_goes_unread(name):
    vector = make_vector(name, 2, max_episode_steps=3)
    vector.reset(seed=0)
    vector.action_space.seed(0)
    vector.step(vector.action_space.sample())
    vector.reset(options={"reset_mask": np.array([True, False])})  # out of step: the second ends first
    for _ in range(2):
        *_, truncated, _ = vector.step(vector.action_space.sample())
    np.testing.assert_array_equal(truncated, [False, True])
    unread = spoiled(vector.action_space.sample(), vector.single_action_space)
    _, rewards, *_ = vector.step(unread)
    assert rewards[1] == 0.0
    with pytest.raises(ValueError, match="for instance 1"):
        vector.step(unread)


class Takes(Slide):
    """Takes any actions of one space, and slides on."""

    space = spaces.Box(-1.0, 1.0, (2, 2), np.float32)

    def __init__(self, **options):
        super().__init__(**options)
        self.action_space = self.space

    def advance(self, action):
        self.x += self.slide
        return self.observe(), self.x, False


class Switches(Takes):
    space = spaces.MultiDiscrete([2, 3], start=[1, 1])


class FromOne(Takes):
    space = spaces.Discrete(3, start=1)


@pytest.mark.parametrize(
    ("toy", "good", "bad", "message"),
    [
        (Switches, [[1, 3], [2, 1]], [[1, 3], [2, 0]], r"must lie in MultiDiscrete.*, found \[2 0\] for instance 1"),
        (FromOne, [1, 3], [1, 0], r"must lie in 1 \.\. 3, found 0 for instance 1"),
        (Takes, np.zeros((2, 2, 2)), np.where(np.arange(8).reshape(2, 2, 2) == 5, np.inf, 0.0), "for instance 1"),
    ],
)
def test_other_action_spaces_are_checked_for_all_instances_too(toy, good, bad, message):
    vector = TaskVectorEnv([toy] * 2)
    vector.reset(seed=0)
    before = [env.x for env in vector.envs]
    with pytest.raises(ValueError, match=message):
        vector.step(np.array(bad))
    assert [env.x for env in vector.envs] == before
    vector.step(np.array(good))


def test_a_large_number_of_actions_is_checked_as_a_small_one_is():
    vector = make_vector("point-goal", 100)
    vector.reset(seed=0)
    for wrong in (9, -1):
        actions = np.zeros(100, dtype=np.int64)
        actions[77] = wrong
        with pytest.raises(ValueError, match=rf"must lie in 0 \.\. 8, found {wrong} for instance 77"):
            vector.step(actions)
    vector.step(np.full(100, 8, dtype=np.uint8))


@pytest.mark.parametrize("maker", [make_vector, make_vec])
@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("n", [0, 1.5, True, "2", None])
def test_what_is_no_number_of_environments_is_refused(maker, name, n):
    with pytest.raises(
        ValueError, match=r"n, the number of environments, must be a whole number of at least 1, found "
    ):
        maker(name, n)


@pytest.mark.parametrize("maker", [make_vector, make_vec])
@pytest.mark.parametrize("n_threads", [0, 1.5, True, "2"])
def test_what_is_no_number_of_threads_is_refused(maker, n_threads):
    with pytest.raises(ValueError, match=r"n_threads must be a whole number of at least 1, found "):
        maker("hopper", 2, n_threads=n_threads)


@pytest.mark.parametrize("name", [*ONE_OF_EACH, "far-goal"])
def test_options_of_the_sb3_vector_that_are_refused_change_nothing(name):
    venv, other = make_vec(name, 2), make_vec(name, 2)
    for each in (venv, other):
        each.seed(0)
        each.reset()
    for options, message in (
        ([{}, {"task": {"nope": 1}}], "unknown feature of .* 'nope'"),
        ([{}, {"tsak": {}}], r"unknown reset option 'tsak'; did you mean 'task'\? known: task\."),
    ):
        venv.set_options(options)
        with pytest.raises(ValueError, match=message):
            venv.reset()
    venv.set_options()
    actions = np.stack([venv.action_space.sample() for _ in range(2)])
    np.testing.assert_array_equal(venv.step(actions)[0], other.step(actions)[0])
