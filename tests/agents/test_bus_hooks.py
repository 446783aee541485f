import numpy as np
import pytest
import torch
from agent_toys import KINDS, LIMIT, OFF_POLICY, ROLES, Recorder, make_agent, make_env
from stable_baselines3.common.callbacks import BaseCallback

from lifelong_rl.agents import COMPONENTS, TaskInfo, make_component
from lifelong_rl.agents.component import HOOKS, Bus, Component
from lifelong_rl.agents.sb3.optimiser import HookedOptimizer


def recorded(kind, n_steps=40, **overrides):
    recorder = Recorder()
    agent = make_agent(kind, components=[recorder], **overrides)
    agent.begin_task(TaskInfo("first", n_steps))
    agent.learn_steps(n_steps)
    return agent, recorder


def forward_module(agent):
    """The module whose forward pass makes the task loss of the first role."""
    if hasattr(agent, "critic"):
        return agent.critic
    return agent.q_net if hasattr(agent, "q_net") else agent.policy.mlp_extractor


@pytest.mark.parametrize("kind", KINDS)
def test_a_minibatch_goes_sample_route_forward_loss_grad_update(kind):
    recorder = Recorder()
    agent = make_agent(kind, components=[recorder])
    forward_module(agent).register_forward_hook(
        lambda *_: recorder.events.append(("forward",)) if torch.is_grad_enabled() else None
    )
    agent.learn_steps(32)

    events = recorder.named("sample", "route", "forward", "loss", "grad", "update")
    start = next(i for i, event in enumerate(events) if event[0] == "sample")
    names = [(e[0], e[1]) if e[0] in ("loss", "grad", "update", "route") else e[0] for e in events[start:]]
    first = ROLES[kind][0]
    assert names[:6] == ["sample", ("route", "train"), "forward", ("loss", first), ("grad", first), ("update", first)]


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_learners_roles_are_seen_each_in_turn(kind):
    _, recorder = recorded(kind)

    roles = [event[1] for event in recorder.named("loss")]
    assert roles == [event[1] for event in recorder.named("grad")] == [event[1] for event in recorder.named("update")]
    expected = ROLES[kind] if kind != "td3" else ["critic", "critic", "actor"]  # delayed policy updates
    assert roles == (expected * len(roles))[: len(roles)]
    assert len(roles) >= 4


def test_the_temperatures_optimiser_is_off_the_bus():
    agent, _ = recorded("sac")
    assert type(agent.ent_coef_optimizer) is torch.optim.Adam
    assert {type(role.optimizer).__name__ for role in agent.roles().values()} == {"LifelongAdam"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_is_asked_for_with_clean_gradients_and_the_minibatch(kind):
    _, recorder = recorded(kind)
    assert recorder.named("loss")
    assert all(is_batch and is_clean for _, _, is_batch, is_clean in recorder.named("loss"))


class StrongL2(Component):
    def loss(self, agent, role, batch):
        return 1e4 * sum((p**2).sum() for p in agent.roles()[role].optimizer.param_groups[0]["params"])


@pytest.mark.parametrize("kind", ["dqn", "ppo"])
def test_a_strong_loss_stays_inside_the_gradient_clip(kind):
    recorder = Recorder()
    make_agent(kind, components=[StrongL2(), recorder], max_grad_norm=0.5).learn_steps(32)
    norms = [event[2] for event in recorder.named("grad")]
    assert norms and all(norm == pytest.approx(0.5, rel=1e-3) for norm in norms)


@pytest.mark.parametrize("kind", ["dqn", "ppo"])
def test_the_clip_would_miss_a_loss_that_a_step_pre_hook_adds(kind):
    recorder = Recorder()
    agent = make_agent(kind, components=[recorder], max_grad_norm=0.5)

    def add_loss(optimizer, args, kwargs):
        for param in optimizer.param_groups[0]["params"]:
            if param.grad is not None:
                param.grad += 2e4 * param.detach()

    agent.policy.optimizer.register_step_pre_hook(add_loss)
    agent.learn_steps(32)
    assert min(event[2] for event in recorder.named("grad")) > 100


@pytest.mark.parametrize("kind", KINDS)
def test_the_extra_gradient_adds_to_the_task_gradient(kind):
    """With plain gradient descent and no clip, a step with a loss is the bare step plus the loss's."""

    class Pull(Component):
        weight = 0.0

        def loss(self, agent, role, batch):
            return self.weight * sum(p.sum() for p in agent.roles()[role].optimizer.param_groups[0]["params"])

    class Weighted(Pull):
        weight = 3.0

    first_steps = []
    for component in (Pull(), Weighted()):
        recorder = Recorder()
        sgd = {"policy_kwargs": {"optimizer_class": torch.optim.SGD}, "learning_rate": 0.01}
        no_clip = {"max_grad_norm": 1e9} if kind in ("dqn", "ppo") else {}
        make_agent(kind, components=[component, recorder], **sgd, **no_clip).learn_steps(32)
        _, _, new, old = recorder.named("update")[0]
        first_steps.append([n - o for n, o in zip(new, old, strict=True)])
    for bare, pulled in zip(*first_steps, strict=True):
        torch.testing.assert_close(pulled, bare - 0.03, atol=2e-6, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_old_and_new_parameters_of_an_update_are_the_real_step(kind):
    _, recorder = recorded(kind)
    before, after = recorder.named("grad"), recorder.named("update")
    assert len(before) == len(after) > 0
    for (_, _, _, at_grad), (_, _, new, old) in zip(before, after, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(at_grad, old, strict=True))
        assert any(not torch.equal(a, b) for a, b in zip(new, old, strict=True))


class Frozen(Component):
    def grad(self, agent, role, params):
        for param in params:
            param.grad.zero_()


class Undone(Component):
    def update(self, agent, role, params, old):
        for param, before in zip(params, old, strict=True):
            param.copy_(before)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_zeroed_in_grad_leave_the_moments_clean(kind):
    agent = make_agent(kind, components=[Frozen()])
    agent.learn_steps(32)
    moments = [entry["exp_avg"] for role in agent.roles().values() for entry in role.optimizer.state.values()]
    assert moments and not any(moment.any() for moment in moments)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_undone_in_update_leaves_the_parameters_but_not_the_moments(kind):
    agent = make_agent(kind, components=[Undone()])
    roles = agent.roles()
    start = {name: [p.detach().clone() for p in role.module.parameters()] for name, role in roles.items()}
    agent.learn_steps(32)
    for name, role in roles.items():
        learned = {id(p) for p in role.optimizer.param_groups[0]["params"]}
        now = role.module.parameters()
        assert all(torch.equal(a, b) for a, b in zip(start[name], now, strict=True) if id(b) in learned)
        assert any(entry["exp_avg"].any() for entry in role.optimizer.state.values())


@pytest.mark.parametrize("kind", ["sac", "ppo"])
def test_every_hook_is_called_in_the_components_order(kind):
    calls = []

    def writing(component_order):
        def hook(name):
            def call(self, agent, *args):
                calls.append((name, self.order))
                return args[0] if name == "sample" else None

            return call

        members = {name: hook(name) for name in HOOKS} | {"order": component_order}
        return type(f"Component{component_order}", (Component,), members)()

    agent = make_agent(kind, components=[writing(2), writing(-1), writing(0)])
    agent.begin_task(TaskInfo("a"))
    agent.learn_steps(32)
    agent.end_task()
    agent.diagnose({})

    assert {name for name, _ in calls} == set(HOOKS)
    for name in HOOKS:
        orders = [order for called, order in calls if called == name]
        assert orders == [-1, 0, 2] * (len(orders) // 3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_task_events_tell_the_task_and_its_data(kind):
    recorder = Recorder()
    agent = make_agent(kind, components=[recorder])
    task = TaskInfo("a", 64)
    agent.begin_task(task)
    agent.learn_steps(64)
    agent.end_task()

    assert recorder.named("begin_task") == [("begin_task", task)]
    data = recorder.named("end_task")[0][1]
    seen = np.concatenate([event[1].observations for event in recorder.named("observe")])
    if kind == "ppo":
        assert np.array_equal(data.observations, seen[32:])  # the last rollout
    else:
        actions = np.concatenate([event[1].actions.reshape(1, -1) for event in recorder.named("observe")])
        rewards = np.concatenate([event[1].rewards for event in recorder.named("observe")])
        assert np.array_equal(data.observations, seen)
        assert np.array_equal(data.actions, actions.astype(data.actions.dtype))
        assert np.array_equal(data.rewards, rewards)
        assert not data.terminals.any()  # this environment ends by its time limit only


@pytest.mark.parametrize("kind", OFF_POLICY)
def test_the_data_of_a_task_starts_with_the_task_though_the_buffer_is_kept(kind):
    recorder = Recorder()
    agent = make_agent(kind, components=[recorder], clear_buffer=False)
    agent.begin_task(TaskInfo("a", 16))
    agent.learn_steps(16)
    agent.begin_task(TaskInfo("b", 8))
    agent.learn_steps(8)
    data = agent.task_data()
    assert len(data.observations) == 8
    assert np.array_equal(data.observations, agent.replay_buffer.observations[16:24, 0])


def test_the_data_of_a_rollout_shorter_than_usual_is_of_the_current_task():
    agent = make_agent("ppo")
    agent.learn_steps(64)
    agent.begin_task(TaskInfo("b", 10))
    assert len(agent.task_data().observations) == 0
    recorder = Recorder()
    agent.learn_steps(10, lambda step, _: recorder.events.append(step["obs_tensor"].numpy()[0]) or True)
    assert np.array_equal(agent.task_data().observations, recorder.events)


def test_a_last_short_rollout_keeps_the_rest_of_the_one_before():
    agent = make_agent("ppo")
    agent.learn_steps(33)
    assert len(agent.task_data().observations) == len(agent.task_data().actions) == 32


class Generous(Component):
    def observe(self, agent, transitions):
        transitions.rewards[:] = 7.0


@pytest.mark.parametrize("kind", OFF_POLICY)
def test_rewards_rewritten_in_observe_reach_the_replay_buffer(kind):
    agent = make_agent(kind, components=[Generous()])
    agent.learn_steps(16)
    assert (agent.replay_buffer.rewards[:16] == 7).all()


def test_rewards_rewritten_in_observe_reach_the_rollout_buffer():
    agent = make_agent("ppo", make_env("ppo", ends="terminated"), components=[Generous()])
    agent.learn_steps(32)
    assert (agent.rollout_buffer.rewards == 7).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ends", ["terminated", "truncated"])
def test_observe_sees_the_end_of_the_episode_and_not_the_next_start(kind, ends):
    recorder = Recorder()
    make_agent(kind, make_env(kind, 2, ends=ends), components=[recorder]).learn_steps(64)

    steps = [event[1] for event in recorder.named("observe")]
    for step in steps:
        assert np.array_equal(step.next_observations[:, 1], step.observations[:, 1] + 1)
        assert np.array_equal(step.dones, step.next_observations[:, 1] == LIMIT)
        assert np.array_equal(step.timeouts, step.dones if ends == "truncated" else np.zeros(2, bool))
    assert sum(step.dones.sum() for step in steps) == 2 * (32 // LIMIT)


def test_observe_sees_the_end_of_an_episode_with_dictionary_observations():
    recorder = Recorder()
    env = make_env("sac", observation="dict")
    make_agent("sac", env, "MultiInputPolicy", components=[recorder]).learn_steps(16)
    for _, step in recorder.named("observe"):
        assert np.array_equal(step.next_observations["steps"], step.observations["steps"] + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_acting_training_and_evaluating_are_routed_with_their_task(kind):
    agent, recorder = recorded(kind)
    modes = {event[1] for event in recorder.named("route")}
    assert modes == {"act", "train"}  # acting goes through predict() off-policy, and is no evaluation
    assert {event[2] for event in recorder.named("route")} == {TaskInfo("first", 40)}

    agent.predict(np.zeros((4, 2), np.float32), task=TaskInfo("second"))
    name, mode, task, observations = recorder.events[-1]
    assert (name, mode, task, observations.shape) == ("route", "eval", TaskInfo("second"), (4, 2))


@pytest.mark.parametrize("kind", OFF_POLICY)
def test_acting_is_routed_before_every_step_warm_up_included(kind):
    _, recorder = recorded(kind)
    acting = [event[3] for event in recorder.named("route") if event[1] == "act"]
    seen = [event[1].observations for event in recorder.named("observe")]
    assert len(acting) == len(seen) == 40
    assert all(np.array_equal(a, b) for a, b in zip(acting, seen, strict=True))


class Evaluating(BaseCallback):
    def _on_rollout_start(self):
        self._on_step()

    def _on_step(self):
        self.model.predict(np.zeros((1, 2), np.float32))
        return True


@pytest.mark.parametrize("kind", KINDS)
def test_acting_is_routed_as_such_though_a_callback_evaluates_between(kind):
    recorder = Recorder()
    agent = make_agent(kind, components=[recorder], **({} if kind == "ppo" else {"learning_starts": 0}))
    agent.policy.register_forward_pre_hook(lambda *_: recorder.events.append(("act",)))  # PPO acts through it
    agent.learn_steps(32, Evaluating())

    events = recorder.named("route", "observe", "act")
    assert "eval" in {event[1] for event in events if event[0] == "route"}
    steps = [i for i, event in enumerate(events) if event[0] == ("act" if kind == "ppo" else "observe")]
    assert len(steps) == 32
    for step in steps:
        assert [event[1] for event in events[:step] if event[0] == "route"][-1] == "act"


class Doubled(Component):
    order = -1

    def sample(self, agent, batch):
        fields = {name: torch.cat((rows, rows)) for name, rows in batch._asdict().items() if rows is not None}
        return batch._replace(**fields)


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_routed_for_the_rows_that_sample_added_too(kind):
    recorder = Recorder()
    make_agent(kind, components=[recorder, Doubled()], batch_size=8).learn_steps(32)
    rows = {len(event[3]) for event in recorder.named("route") if event[1] == "train"}
    assert rows == {16}


@pytest.mark.parametrize("kind", KINDS)
def test_tick_follows_training_with_what_was_logged(kind):
    _, recorder = recorded(kind)
    ticks = recorder.named("tick")
    assert ticks
    last_tick, last_update = (max(i for i, e in enumerate(recorder.events) if e[0] == n) for n in ("tick", "update"))
    assert last_tick > last_update
    wanted = "train/loss" if kind in ("dqn", "ppo") else "train/critic_loss"
    assert all(np.isfinite(stats[wanted]) for _, stats in ticks)


class Nested(Component):
    def __init__(self, fails=False):
        self.fails = fails
        self.n_ticks = 0

    def tick(self, agent, stats):
        self.n_ticks += 1
        if self.fails:
            raise KeyboardInterrupt
        n_updates = agent._n_updates
        agent.train(**({"gradient_steps": 1, "batch_size": 4} if "off_policy" in agent.facts else {}))
        assert agent._n_updates > n_updates


@pytest.mark.parametrize("kind", KINDS)
def test_training_inside_a_tick_does_not_tick_again(kind):
    component = Nested()
    make_agent(kind, components=[component]).learn_steps(32)
    assert component.n_ticks == 1


def test_an_interrupted_tick_is_not_the_last_one():
    component = Nested(fails=True)
    agent = make_agent("dqn", components=[component])
    with pytest.raises(KeyboardInterrupt):
        agent.learn_steps(32)
    component.fails = False
    agent.learn_steps(8)
    assert component.n_ticks == 2


class Counting(Component):
    def evaluate(self, agent, record):
        return {"counting": float(record["step"])}


class Silent(Component):
    def evaluate(self, agent, record):
        return None


def test_the_numbers_of_an_evaluation_are_merged():
    agent = make_agent("dqn", components=[Counting(), Silent(), Recorder()])
    assert agent.diagnose({"step": 5}) == {"counting": 5.0, "recorder": 1.0}


class Masked(Component):
    claims = frozenset({"weight-mask:actor"})


class AlsoMasked(Component):
    claims = frozenset({"weight-mask:actor", "other"})


def test_two_components_with_one_claim_are_refused():
    with pytest.raises(ValueError, match=r"Masked and AlsoMasked both claim 'weight-mask:actor'"):
        make_agent("sac", components=[Masked(), AlsoMasked()])


class OffPolicyOnly(Component):
    requires = frozenset({"off_policy", "boundary"})


class NeedsId(Component):
    requires = frozenset({"task_id"})


def test_an_agent_without_what_a_component_requires_is_refused():
    with pytest.raises(ValueError, match=r"OffPolicyOnly requires off_policy.*only on_policy"):
        make_agent("ppo", components=[OffPolicyOnly()])
    make_agent("dqn", components=[OffPolicyOnly()])


def test_a_task_without_id_is_refused_where_a_component_requires_it():
    agent = make_agent("dqn", components=[NeedsId()])
    with pytest.raises(ValueError, match="NeedsId requires the task's id"):
        agent.begin_task(TaskInfo())
    agent.begin_task(TaskInfo("a"))


def test_what_is_no_component_is_refused():
    with pytest.raises(TypeError, match="must be a Component, found 'ewc'"):
        make_agent("dqn", components=["ewc"])


@pytest.mark.parametrize("name", COMPONENTS)
def test_built_in_components_are_made_by_name_and_options(name):
    assert isinstance(make_component(name), Component)
    with pytest.raises(ValueError, match="unknown option"):
        make_component(name, {"no_such_option": 1})
    with pytest.raises(ValueError, match=f"did you mean '{name}'"):
        make_component(name[:-1])


def test_components_draw_from_generators_of_their_own():
    def draws(seed):
        components = [Component(), Component()]
        Bus(components, type("Agent", (), {"facts": frozenset()})(), seed)
        return [component.rng.random() for component in components]

    assert draws(0) == draws(0)
    assert len({*draws(0), *draws(1)}) == 4


def test_an_optimiser_off_the_bus_is_the_bare_one():
    agent = make_agent("dqn")
    assert isinstance(agent.policy.optimizer, HookedOptimizer)
    agent.policy.optimizer.bus = None
    agent.learn_steps(32)
