"""Whole runs with PLR, robust PLR and ACCEL: they replay, leave out what they looked at, and survive any stop."""

import pytest
from test_kill import assert_kills_leave_no_trace
from training_toys import stopped_and_resumed_as_whole, tiny

from lifelong_rl.scenarios import curriculum
from lifelong_rl.teachers import make_teacher

SMALL = {"capacity": 16, "min_fill": 0.25}


def config(teacher, agent, n_envs=1, family="training_toys:Payday", components=(), **options):
    taught_by = make_teacher(teacher, **SMALL, **options)
    scenario = curriculum(family, teacher=taught_by, steps=600, n_test_tasks=2)
    return tiny(scenario, agent, components, n_envs=n_envs, checkpoint_every=150, eval_every=300)


@pytest.mark.parametrize(
    ("teacher", "agent", "n_envs"),
    [("plr", "ppo", 2), ("robust-plr", "ppo", 1), ("robust-plr", "dqn", 2), ("accel", "ppo", 2), ("accel", "sac", 1)],
)
def test_a_stopped_run_ends_as_one_that_was_not(teacher, agent, n_envs, tmp_path, monkeypatch):
    def run(parts):
        return config(teacher, agent, n_envs, components=parts)

    records = stopped_and_resumed_as_whole(run, 410 // n_envs, tmp_path, monkeypatch)
    assert all(record["extra"].keys() == {"positive_value_loss"} for record in records)
    tasks = [record["task"] for record in records]
    is_first = [task not in tasks[:i] for i, task in enumerate(tasks)]
    assert 0.2 < sum(is_first) / len(tasks) < 0.9  # some are replayed
    is_trained = [record.get("trained", True) for record in records]
    if teacher == "plr":
        assert all(is_trained)
    else:
        assert any(is_trained) and not any(is_trained[:4])
        assert not any(first and trained for first, trained in zip(is_first, is_trained, strict=True))


@pytest.mark.slow
def test_ppo_with_robust_plr_survives_kills(tmp_path):
    run = config("robust-plr", "ppo", family="cartpole-physics")
    assert_kills_leave_no_trace(run, tmp_path, n_kills=3)
