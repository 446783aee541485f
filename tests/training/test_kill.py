"""Kill tests: a run that is killed again and again ends as one that was never stopped."""

import multiprocessing
import random
import time
from pathlib import Path

import pytest
import torch
from stable_baselines3.common.save_util import load_from_zip_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lifelong_rl.envs.factory import family
from lifelong_rl.scenarios import Block, Distribution, Drift, Scenario, condensed, curriculum
from lifelong_rl.tracking.run_folder import RunFolder
from lifelong_rl.training.config import AgentConfig, RunConfig
from lifelong_rl.training.trainer import ensure_trained, resume, train

NET = {"policy_kwargs": {"net_arch": [16, 16]}}
OFF_POLICY = NET | {"learning_starts": 50, "train_freq": 4, "batch_size": 32, "buffer_size": 5000}
AGENTS = {
    "dqn": OFF_POLICY,
    "sac": OFF_POLICY,
    "ppo": NET | {"n_steps": 64, "batch_size": 32, "n_epochs": 2},
    "hypercrl": {
        "n_random_steps": 100,
        "train_every": 60,
        "n_updates": 10,
        "dynamics": {"hidden": [8], "learns_reward": True},
        "planner_options": {"horizon": 3, "n_candidates": 10, "n_iterations": 1},
    },
}
EAST, NORTH, WEST = family("point-goal").standard_tasks(4)[:3]
DRAWN = Block(400, distribution=Distribution((EAST, NORTH, WEST), (6, 3, 1)))
MOVING = Block(400, drift=Drift((EAST, NORTH, WEST)), visibility="none")

SCENARIOS = {
    "point-goal-moving": Scenario("moving", "point-goal", (DRAWN, MOVING), (EAST, NORTH)),
    "point-goal": condensed("point-goal", n_tasks=2, steps=800),
    "cartpole-physics": condensed("cartpole-physics", n_tasks=2, steps=800),
    "cartpole-physics-alp-gmm": curriculum("cartpole-physics", steps=800, n_test_tasks=2),
}
COMPONENTS = {"bare": (), "distillation": (("distillation", {"n_states": 20}),)}

PRELOADED = [
    "lifelong_rl.training.trainer",
    "lifelong_rl.tracking.report",
    "lifelong_rl.agents.sb3",
    "torch.utils.tensorboard",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
]

CASES = [
    (agent, family, components)
    for agent in AGENTS
    for family in ("point-goal", "cartpole-physics")
    for components in COMPONENTS
    if (agent, components) != ("hypercrl", "distillation")  # which needs a policy to distil
]
QUICK = {
    ("dqn", "point-goal", "distillation"),
    ("sac", "point-goal", "bare"),
    ("ppo", "cartpole-physics", "bare"),
    ("hypercrl", "cartpole-physics", "bare"),
}


def configuration(agent: str, scenario: str, components: str, n_envs: int = 1) -> RunConfig:
    config = AgentConfig(agent, options=AGENTS[agent], components=COMPONENTS[components])
    often = {"eval_every": 125, "eval_episodes": 2, "checkpoint_every": 70, "log_every": 100}
    return RunConfig(SCENARIOS[scenario], config, n_envs=n_envs, **often)


@pytest.mark.parametrize(
    ("agent", "family", "components"),
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow, id="-".join(case)) for case in CASES],
)
def test_a_run_killed_ten_times_ends_as_one_never_stopped(agent, family, components, tmp_path):
    assert_kills_leave_no_trace(configuration(agent, family, components), tmp_path, n_kills=10)


def test_a_curriculum_over_four_environments_survives_kills(tmp_path):
    config = configuration("dqn", "cartpole-physics-alp-gmm", "bare", n_envs=4)
    assert_kills_leave_no_trace(config, tmp_path, n_kills=4)


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["dqn", "ppo"])
def test_distributions_and_drifts_survive_kills(agent, tmp_path):
    config = configuration(agent, "point-goal-moving", "bare", n_envs=2)
    assert_kills_leave_no_trace(config, tmp_path, n_kills=6)


def assert_kills_leave_no_trace(config: RunConfig, tmp_path: Path, n_kills: int) -> None:
    whole = tmp_path / "whole" / "run"
    started = time.monotonic()
    in_a_process(train, config, whole)
    duration = time.monotonic() - started  # its first start imports everything; the later ones are forked
    killed = tmp_path / "killed" / "run"
    n_killed = kill_again_and_again(config, killed, n_kills, duration)
    assert n_killed >= n_kills // 2, "the run was too short to be killed"  # the last starts may find it finished
    in_a_process(ensure_trained, config, killed)
    for name in ("episodes.jsonl", "evaluations.jsonl", "metrics.json"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    assert_same(parameters(whole), parameters(killed))
    assert curves(whole) == curves(killed)


def kill_again_and_again(config: RunConfig, path: Path, n_kills: int, duration: float) -> int:
    """Start the run and kill -9 it at ``n_kills`` random moments; gives how often it was still running.

    The first kills come at any moment, of start-up too; the others once the run is on its way.
    """
    rng = random.Random(config.label)
    n_killed = 0
    for i in range(n_kills):
        process = start(resume, path) if (path / "config.json").exists() else start(train, config, path)
        if i < 3:
            process.join(rng.uniform(0.02, 0.3) * duration)
        else:
            wait_for_progress(process, path)
            process.join(rng.uniform(0.0, 0.1) * duration)
        n_killed += process.is_alive()
        process.kill()
        process.join()
    return n_killed


def wait_for_progress(process, path: Path) -> None:
    """Wait until the run that was just started has written something to its logs."""
    logs = [path / "episodes.jsonl", path / "evaluations.jsonl"]
    before = [log.stat().st_mtime_ns if log.exists() else 0 for log in logs]
    while process.is_alive() and before == [log.stat().st_mtime_ns if log.exists() else 0 for log in logs]:
        time.sleep(0.002)


def start(function, *arguments):
    # A server that has imported torch once forks the runs: each starts at once, in a process of its own.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=function, args=arguments, kwargs={"show_progress": False})
    process.start()
    return process


def in_a_process(function, *arguments) -> None:
    process = start(function, *arguments)
    process.join()
    assert process.exitcode == 0


def parameters(run: Path) -> dict:
    checkpoint = RunFolder.open(run).latest_checkpoint()
    assert checkpoint is not None
    return load_from_zip_file(checkpoint / "agent.zip", load_data=False)[1]


def assert_same(first, second) -> None:
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second)
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other)
    else:
        assert first == second


def curves(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Give TensorBoard's scalars but those of wall-clock time, and check that each is one continuous curve."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    found = {}
    for tag in events.Tags()["scalars"]:
        if not tag.startswith("time/"):
            found[tag] = [(point.step, point.value) for point in events.Scalars(tag)]
            steps = [step for step, _ in found[tag]]
            assert steps == sorted(set(steps)), f"{tag} goes back or repeats: {steps}"
    assert found
    return found
