"""Any Gymnasium environment as a task family: an acrobot whose links and motor are the task, and PPO on two tasks."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lifelong_rl import AgentConfig, RunConfig, ensure_trained, score
from lifelong_rl.envs import Attribute, Feature, GymnasiumFamily, check_task_env
from lifelong_rl.scenarios import make_scenario


class AcrobotLinks(GymnasiumFamily):
    """Gymnasium's Acrobot-v1, whose links have lengths and masses of their own and whose motor has its own torque."""

    env_id = "Acrobot-v1"
    features = {  # noqa: RUF012  # declared, never changed
        Feature.real("upper_length", 0.5, 2.0, 1.0, log=True, unit="m"): Attribute("LINK_LENGTH_1"),
        Feature.real("upper_mass", 0.5, 2.0, 1.0, log=True, unit="kg"): Attribute("LINK_MASS_1"),
        Feature.real("lower_mass", 0.5, 2.0, 1.0, log=True, unit="kg"): Attribute("LINK_MASS_2"),
        Feature.real("torque", 0.5, 2.0, 1.0, log=True, unit="N m"): (),  # no attribute: see derive
    }
    worst_return, best_return = -500.0, -60.0

    def derive(self, env: Any, params: Mapping[str, Any]) -> None:
        """Keep the upper link's centre of mass in its middle, and give the motor its torque."""
        env.LINK_COM_POS_1 = env.LINK_LENGTH_1 / 2.0
        env.AVAIL_TORQUE = [-params["torque"], 0.0, params["torque"]]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps-per-task", type=int, default=30_000)
    steps = parser.parse_args().steps_per_task
    check_task_env(AcrobotLinks)
    tasks = [{"name": "usual", "task": {}}, {"name": "long-arm", "task": {"upper_length": 1.5, "torque": 1.5}}]
    scenario = make_scenario("condensed", "acrobot_links:AcrobotLinks", tasks=tasks, steps=2 * steps)
    agent = AgentConfig("ppo", options={"n_steps": 256, "gae_lambda": 0.94, "n_epochs": 4, "learning_rate": 1e-3})
    config = RunConfig(scenario, agent, seed=0, n_envs=8, eval_every=steps, eval_episodes=5)
    run = ensure_trained(config, Path("runs/acrobot-links"))
    print(run.evaluation_log().matrix("return"))  # a row an evaluated block, a column a task
    for metric in score(run.evaluation_log(), families=["gem"]):
        print(f"{metric.family}/{metric.name}: {metric.value if metric.value is not None else metric.reason}")
