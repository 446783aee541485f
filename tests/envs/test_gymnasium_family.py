"""Gymnasium's environments as families: equal by default, exact with a task, isolated, and clear about mistakes."""

# ruff: noqa: RUF012  # a declaration is never changed

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation

from lifelong_rl.envs import Argument, Attribute, Feature, GymnasiumFamily, TaskEnvError, check_task_env, family, make
from lifelong_rl.envs.classic_control import CartPolePhysics
from lifelong_rl.envs.gymnasium_spaces import checked_action
from lifelong_rl.envs.task_env import NoPicturesHereError
from lifelong_rl.envs.trajectory import play


class CartPole(GymnasiumFamily):
    env_id = "CartPole-v1"
    features = {
        Feature.real("gravity", 4.0, 20.0, 9.8): Attribute("gravity"),
        Feature.real("masscart", 0.5, 2.0, 1.0): Attribute("masscart"),
        Feature.real("masspole", 0.05, 0.5, 0.1): Attribute("masspole"),
        Feature.real("length", 0.2, 1.0, 0.5): Attribute("length"),
        Feature.real("force_mag", 5.0, 20.0, 10.0): Attribute("force_mag"),
    }
    worst_return, best_return = 0.0, 500.0

    def derive(self, env, params):
        env.total_mass = env.masscart + env.masspole
        env.polemass_length = env.masspole * env.length


class CartPoleWithoutDerivedValues(CartPole):
    def derive(self, env, params):
        return


class Acrobot(GymnasiumFamily):
    env_id = "Acrobot-v1"
    features = {
        Feature.real("length_1", 0.5, 2.0, 1.0): Attribute("LINK_LENGTH_1"),
        Feature.real("mass_2", 0.5, 2.0, 1.0): Attribute("LINK_MASS_2"),
        Feature.real("torque", 0.5, 2.0, 1.0): (),
    }
    worst_return, best_return = -500.0, -50.0

    def derive(self, env, params):
        env.LINK_COM_POS_1 = env.LINK_LENGTH_1 / 2.0
        env.AVAIL_TORQUE = [-params["torque"], 0.0, params["torque"]]


class MountainCar(GymnasiumFamily):
    env_id = "MountainCar-v0"
    features = {
        Feature.real("force", 0.0005, 0.002, 0.001, log=True): Attribute("force"),
        Feature.real("gravity", 0.001, 0.004, 0.0025): Attribute("gravity"),
    }
    worst_return, best_return = -200.0, -90.0


class FrozenLake(GymnasiumFamily):
    env_id = "FrozenLake-v1"
    features = {Feature.real("success_rate", 0.2, 1.0, 1 / 3): Argument("success_rate")}
    worst_return, best_return = 0.0, 1.0


class Bounds(GymnasiumFamily):
    """A real-valued environment whose observations are float64, made by a test below."""

    env_id = "lifelong_rl/Drift-v0"
    features = {Feature.real("drift", -1.0, 1.0, 0.5): Argument("drift")}
    worst_return, best_return, success_return = 0.0, 10.0, 5.0
    max_episode_steps = 8


class Drift(gymnasium.Env):
    metadata = {"render_modes": ["ansi"]}

    def __init__(self, drift=0.5, size=2, ends_after=100, kind="box", render_mode=None):
        self.drift, self.ends_after, self.render_mode = drift, ends_after, render_mode
        self.observation_space = {
            "box": spaces.Box(-1e308, 1e308, (size,), np.float64),
            "dict": spaces.Dict(a=spaces.Box(-1e30, 1e30, (size,), np.float32)),
        }[kind]
        self.action_space = spaces.Box(-2.0, 2.0, (1,), np.float32)
        self.kind = kind
        self.constants = [1.0]

    @property
    def speed(self):
        return self.drift

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.n_steps = self.np_random.random(), 0
        return self._observation(), {}

    def _observation(self):
        numbers = np.full(self.observation_space["a"].shape if self.kind == "dict" else 2, self.x)
        return {"a": numbers.astype(np.float32)} if self.kind == "dict" else numbers

    def step(self, action):
        self.n_steps += 1
        self.x += self.drift + float(action[0])
        return self._observation(), self.x, False, self.n_steps >= self.ends_after, {"n": self.n_steps}


@pytest.fixture(autouse=True)
def drift_is_registered():
    gymnasium.register("lifelong_rl/Drift-v0", Drift)
    yield
    del gymnasium.registry["lifelong_rl/Drift-v0"]


def declared(**attributes):
    """A family like Bounds with other attributes."""
    return type("Declared", (Bounds,), attributes)


@pytest.mark.parametrize("cls", [CartPole, Acrobot, MountainCar, FrozenLake, Bounds])
def test_a_declared_family_keeps_every_rule(cls):
    check_task_env(cls)


@pytest.mark.parametrize("cls", [CartPole, Acrobot, Bounds])
def test_a_declared_family_that_shows_its_task_keeps_every_rule(cls):
    check_task_env(cls, observe_task="vector", seed=1)


@pytest.mark.parametrize("cls", [CartPole, Acrobot, MountainCar, FrozenLake])
def test_the_default_task_is_the_environment_as_it_is_registered(cls):
    ours, theirs = cls(), gymnasium.make(cls.env_id)
    ours.reset(seed=9, options={"task": np.full(ours.task_space.dimension, 0.9)})
    ours.queue_task(ours.task_space.default)
    theirs.action_space.seed(0)

    for episode in range(10):
        seed = episode if episode % 3 == 0 else None  # the episodes in between go on from the generator's state
        assert np.array_equal(ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0])
        is_over = False
        while not is_over:
            action = theirs.action_space.sample()
            mine, reward, *ends, _ = ours.step(action)
            other, other_reward, *other_ends, _ = theirs.step(action)
            assert np.array_equal(mine, other) and reward == other_reward and ends == other_ends
            is_over = any(ends)


def test_declared_physics_equal_those_of_a_family_written_by_hand():
    declared, by_hand = CartPole(), CartPolePhysics()
    actions = [int(action) for action in np.random.default_rng(0).integers(2, size=60)]

    for unit in CartPole.task_space.sample(20, np.random.default_rng(1)):
        params = CartPole.task_space.decode(unit).params
        assert play(declared, actions, seed=3, task=params) == play(by_hand, actions, seed=3, task=params)


def test_the_kind_of_actions_and_the_name_come_from_the_declaration():
    assert (CartPole.action_kinds, Bounds.action_kinds) == (("discrete",), ("continuous",))
    assert (CartPole.task_space.family, MountainCar.task_space.family) == ("cart-pole", "mountain-car")
    assert family(f"{CartPole.__module__}:CartPole") is CartPole


def test_a_value_that_only_the_constructor_used_is_found_to_have_no_effect():
    with pytest.raises(TaskEnvError, match="'masscart' has no effect"):
        check_task_env(CartPoleWithoutDerivedValues)


@pytest.mark.parametrize(
    ("base", "feature", "attribute"),
    [
        (MountainCar, Feature.real("goal", 0.3, 0.6, 0.5), "goal_position"),  # random actions never come there
        (Acrobot, Feature.real("length_2", 0.5, 2.0, 1.0), "LINK_LENGTH_2"),  # Gymnasium only draws with it
    ],
)
def test_an_attribute_that_does_not_change_the_motion_is_found(base, feature, attribute):
    dead = type("Dead", (base,), {"features": {feature: Attribute(attribute)}, "derive": GymnasiumFamily.derive})
    with pytest.raises(TaskEnvError, match=f"{feature.name!r} has no effect"):
        check_task_env(dead)


def test_attributes_of_the_class_are_set_on_the_instance_only():
    long, usual = Acrobot(), Acrobot()
    long.reset(seed=0, options={"task": {"length_1": 2.0, "torque": 2.0}})
    usual.reset(seed=0)

    inner = type(usual._inner.unwrapped)
    assert (inner.LINK_LENGTH_1, inner.AVAIL_TORQUE) == (1.0, [-1.0, 0.0, 1])
    assert (long._inner.unwrapped.LINK_LENGTH_1, usual._inner.unwrapped.LINK_LENGTH_1) == (2.0, 1.0)


def test_an_argument_makes_the_environment_anew_only_where_it_changes():
    env = Bounds()
    first = env._inner
    env.reset(seed=0)
    assert env._inner is first
    env.reset(options={"task": {"drift": -1.0}})
    assert (env._inner is first, env._inner.unwrapped.drift) == (False, -1.0)
    second = env._inner
    env.reset(options={"task": env.task_space.task({"drift": -1.0}, name="again")})
    assert env._inner is second


def test_arguments_that_are_declared_stay_and_set_what_a_default_must_be():
    fixed = declared(arguments={"drift": 0.25}, features={Feature.real("drift", -1.0, 1.0, 0.25): Attribute("drift")})
    env = fixed()
    env.reset(seed=0)
    assert env._inner.unwrapped.drift == 0.25


def test_observations_of_double_precision_are_rounded_and_bounds_beyond_float32_are_infinite():
    env = Bounds()
    observation, _ = env.reset(seed=0)
    assert observation.dtype == env.observation_space.dtype == np.float32
    assert observation[0] == np.float32(np.random.default_rng(0).random())
    assert np.isinf(env.observation_space.high).all()


def test_a_number_as_observation_stays_a_number():
    observation, _ = FrozenLake().reset(seed=0)
    assert isinstance(observation, np.integer)


def test_the_score_is_linear_in_the_return_and_clipped():
    env = MountainCar()
    assert env.score_episode(-200.0, 200) == (0.0, False)
    assert env.score_episode(-145.0, 145) == (0.5, False)
    assert env.score_episode(-110.0, 110)[1]  # Gymnasium's threshold
    assert env.score_episode(-80.0, 80) == (1.0, True)
    assert Bounds().score_episode(5.0, 8) == (0.5, True)


def test_the_registered_time_limit_holds_unless_another_is_asked_for():
    assert (MountainCar().max_episode_steps, MountainCar(max_episode_steps=7).max_episode_steps) == (200, 7)
    assert (Bounds().max_episode_steps, Bounds(max_episode_steps=3).max_episode_steps) == (8, 3)


def test_the_environment_s_own_info_is_kept_for_a_score():
    env = Bounds()
    env.reset(seed=0)
    env.step(np.zeros(1))
    env.step(np.zeros(1))
    assert env.last_info == {"n": 2}


def test_a_family_may_wrap_its_environment():
    class Flat(Bounds):
        arguments = {"kind": "dict"}

        @classmethod
        def make_environment(cls, **arguments):
            return FlattenObservation(super().make_environment(**arguments))

    env = Flat()
    observation, _ = env.reset(seed=0)
    assert observation.shape == (2,)
    check_task_env(Flat)


def test_actions_out_of_range_are_clipped_and_those_without_meaning_refused():
    env, other = Bounds(), Bounds()
    env.reset(seed=0)
    other.reset(seed=0)
    np.testing.assert_array_equal(env.step(np.array([9.0]))[0], other.step(np.array([2.0], np.float32))[0])
    with pytest.raises(ValueError, match=r"an action must be finite, found array\(\[nan\]\)"):
        env.step(np.array([np.nan]))
    with pytest.raises(ValueError, match=r"an action must have the shape \(1,\), found \(2,\)"):
        env.step(np.zeros(2))

    for large in ([1e300], [10**30], np.array([np.finfo(np.float64).max])):
        env.reset(seed=0)
        other.reset(seed=0)
        np.testing.assert_array_equal(env.step(large)[0], other.step(np.array([2.0], np.float32))[0])
    with pytest.raises(ValueError, match="must be an array of real numbers, found"):
        env.step(np.array([1j]))

    car = MountainCar()
    car.reset(seed=0)
    for action in (3, -1, 0.5, np.nan, np.zeros(2), 10**30, 10**400, 1j):
        with pytest.raises(ValueError, match=r"a discrete action must lie in 0 \.\. 2, found"):
            car.step(action)


MISTAKES = {
    "an unknown attribute": (
        {"features": {Feature.real("drift", 0.0, 1.0, 0.5): Attribute("drif")}},
        "unknown attribute of lifelong_rl/Drift-v0 'drif'; did you mean 'drift'",
    ),
    "an unknown argument": (
        {"features": {Feature.real("drift", 0.0, 1.0, 0.5): Argument("drfit")}},
        "unknown optional argument of lifelong_rl/Drift-v0 'drfit'; did you mean 'drift'",
    ),
    "another default": (
        {"features": {Feature.real("drift", 0.0, 1.0, 0.4): Attribute("drift")}},
        r"'drift' of Declared has the default 0.4, but lifelong_rl/Drift-v0 has 0.5 as Attribute\(name='drift'\)",
    ),
    "a list as attribute": (
        {"features": {Feature.real("constants", 0.0, 1.0, 0.5): Attribute("constants")}},
        "holds a list, which instances may share",
    ),
    "a computed attribute": (
        {"features": {Feature.real("speed", 0.0, 1.0, 0.5): Attribute("speed")}},
        "is computed by the environment",
    ),
    "a string for an attribute": (
        {"features": {Feature.real("drift", 0.0, 1.0, 0.5): "drift"}},
        r"feature 'drift' goes to an Attribute, an Argument or a ModelField, .* found 'drift'",
    ),
    "a string among several places": (
        {"features": {Feature.real("drift", 0.0, 1.0, 0.5): (Argument("drift"), "drift")}},
        "feature 'drift' goes to an Attribute, an Argument or a ModelField, .* found 'drift'",
    ),
    "a class for an attribute": (
        {"features": {Feature.real("drift", 0.0, 1.0, 0.5): Attribute}},
        "feature 'drift' goes to an Attribute, an Argument or a ModelField, .* found <class",
    ),
    "a name for a feature": (
        {"features": {"drift": Attribute("drift")}},
        "a family declares its features as .* found the key 'drift'",
    ),
    "a list of features": (
        {"features": [Feature.real("drift", 0.0, 1.0, 0.5)]},
        "Declared declares its features as .* found",
    ),
    "no feature": ({"features": {}}, "Declared must declare at least one feature"),
    "no such environment": ({"env_id": "lifelong_rl/Drfit-v0"}, "env_id of Declared is no registered environment"),
    "no returns": ({"worst_return": 10.0}, "needs worst_return < best_return, found 10.0 and 10.0"),
    "no threshold": (
        {"success_return": None},
        "registered without a reward threshold: Declared must say success_return",
    ),
    "no time limit": ({"max_episode_steps": None}, "without a time limit: Declared must declare max_episode_steps"),
    "a dictionary as observation": ({"arguments": {"kind": "dict"}}, "FlattenObservation"),
}


@pytest.mark.parametrize(("attributes", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_of_the_declaration_is_named(attributes, message):
    with pytest.raises(ValueError, match=message):
        declared(**attributes)()


def test_a_family_without_returns_says_what_to_declare():
    class Bare(GymnasiumFamily):
        env_id = "CartPole-v1"
        features = {Feature.real("gravity", 4.0, 20.0, 9.8): Attribute("gravity")}

    with pytest.raises(ValueError, match="Bare must say its worst_return and best_return, or write score_episode"):
        Bare()


@pytest.mark.parametrize(
    ("missing", "attributes"), [("env_id", {"features": {}}), ("features", {"env_id": "Taxi-v3"})]
)
def test_a_family_that_lacks_a_declaration_says_which(missing, attributes):
    with pytest.raises(ValueError, match=f"Half must declare {missing}"):
        type("Half", (GymnasiumFamily,), attributes)()


def test_several_choices_at_once_are_whole_numbers_in_their_space():
    binary, several = spaces.MultiBinary(2), spaces.MultiDiscrete([2, 3])
    for action in ([0, 1], np.array([1, 0], np.uint8), [True, False]):
        assert checked_action(action, binary) in binary and checked_action(action, several) in several
    for bad in ([0.5, 0], [256, 257], [np.nan, 0], [1j, 0], 10**30, [10**30, 0], ["a", "b"], [[1], [1, 2]], None):
        for space in (binary, several):
            with pytest.raises(ValueError, match=r"an action must be whole numbers in Multi.*, found"):
                checked_action(bad, space)


def test_a_choice_may_be_a_boolean_argument():
    class Lake(FrozenLake):
        features = {Feature.category("is_slippery", (True, False), True): Argument("is_slippery")}

    check_task_env(Lake)


def test_a_constant_of_the_module_cannot_be_a_feature():
    class Walker(GymnasiumFamily):
        env_id = "BipedalWalker-v3"
        features = {Feature.real("torque", 40.0, 160.0, 80.0): Attribute("MOTORS_TORQUE")}
        worst_return, best_return = -100.0, 300.0

    with pytest.raises(ValueError, match=r"'MOTORS_TORQUE' is a global of the module gymnasium\.envs\.box2d\.bip"):
        Walker()


def test_an_argument_that_changes_a_space_is_refused_and_the_environment_stays():
    sized = declared(features={Feature.integer("size", 2, 3, 2): Argument("size")})
    env = sized()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="all tasks of a family have one observation_space, but an argument of Decl"):
        env.reset(options={"task": {"size": 3}})
    assert env._inner.unwrapped.observation_space.shape == (2,)
    assert env.task == env.task_space.default


def test_a_time_limit_inside_the_environment_is_an_error_unless_it_is_ours():
    short = declared(arguments={"ends_after": 4})
    env = short()
    env.reset(seed=0)
    with pytest.raises(RuntimeError, match="by a time limit of its own after 4 steps: make Declared with a max_ep"):
        for _ in range(8):
            env.step(np.zeros(1))
    check_task_env(short, max_episode_steps=4)


def test_a_reward_that_is_no_number_is_an_error_that_names_the_task():
    env = Bounds()
    env.reset(seed=0)
    env._inner.unwrapped.x = np.nan
    with pytest.raises(FloatingPointError, match=r"'bounds-\w+' became unstable \(reward nan\)"):
        env.step(np.zeros(1))


def test_pictures_are_the_environment_s_own_and_the_same_for_one_state(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    one, other = (Acrobot(render_mode="rgb_array") for _ in range(2))
    one.reset(seed=0)
    other.reset(seed=0, options={"task": {"length_1": 2.0}})
    picture = one.render()
    assert (picture.shape, picture.dtype) == ((500, 500, 3), np.uint8)
    assert np.array_equal(picture, one.render()) and not np.array_equal(picture, other.render())
    other.close()
    one.step(0)
    assert one.render().shape == (500, 500, 3)
    assert Acrobot().render() is None


def test_an_environment_without_pictures_says_so():
    env = Bounds(render_mode="rgb_array")
    env.reset(seed=0)
    with pytest.raises(NoPicturesHereError, match="lifelong_rl/Drift-v0 has no pictures"):
        env.render()


def test_a_picture_that_cannot_be_drawn_says_what_to_set():
    env = Acrobot(render_mode="rgb_array")
    env.reset(seed=0)
    env._inner.unwrapped.screen = object()
    with pytest.raises(NoPicturesHereError, match=r"Acrobot-v1 cannot draw here \(.*SDL_VIDEODRIVER=dummy"):
        env.render()


def test_an_unknown_kind_of_action_is_refused():
    with pytest.raises(ValueError, match="CartPole offers the action kinds 'discrete', found actions='continuous'"):
        CartPole(actions="continuous")
    assert make(f"{CartPole.__module__}:CartPole", actions="discrete").action_space.n == 2
