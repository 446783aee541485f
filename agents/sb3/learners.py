"""LifelongSAC, LifelongTD3, LifelongDQN and LifelongPPO: SB3's learners on the bus."""

from __future__ import annotations

import torch
from stable_baselines3 import DQN, PPO, SAC, TD3

from lifelong_rl.agents.base import TaskInfo
from lifelong_rl.agents.sb3.lifelong import Role
from lifelong_rl.agents.sb3.off_policy import LifelongOffPolicy
from lifelong_rl.agents.sb3.on_policy import LifelongOnPolicy

Outputs = dict[str, torch.Tensor]


class LifelongDQN(LifelongOffPolicy, DQN):
    """Deep Q-network (Mnih et al. 2015) on the bus; role "q"."""

    action_kinds = ("discrete",)

    def roles(self) -> dict[str, Role]:
        """Give the one role "q": the online Q network."""
        return {"q": Role(self.q_net, self.policy)}

    def outputs(self, role: str, observations: torch.Tensor, actions: torch.Tensor | None = None) -> Outputs:
        """Give "q", shape (n, number of actions)."""
        return {"q": self.q_net(observations)}

    def estimate(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the highest Q of each observation, shape (n,)."""
        return self.q_net(observations).max(dim=1).values  # type: ignore[no-any-return]  # SB3 leaves it untyped

    def begin_task(self, task: TaskInfo) -> None:
        """Hear that a task begins; exploration starts over."""
        super().begin_task(task)
        self.exploration_rate = self.exploration_schedule(1.0)


class LifelongSAC(LifelongOffPolicy, SAC):
    """Soft actor-critic (Haarnoja et al. 2018) on the bus; roles "actor" and "critic"."""

    action_kinds = ("continuous",)

    def roles(self) -> dict[str, Role]:
        """Give the roles "actor" and "critic"; the temperature's optimiser has none."""
        return {"actor": Role(self.actor, self.actor), "critic": Role(self.critic, self.critic)}

    def outputs(self, role: str, observations: torch.Tensor, actions: torch.Tensor | None = None) -> Outputs:
        """Give "mean" and "log_std" of the actor, shape (n, action size), or "q0", "q1", shape (n, 1)."""
        if role == "critic":
            return _critic_outputs(self.critic, observations, actions)
        mean, log_std, _ = self.actor.get_action_dist_params(observations)
        return {"mean": mean, "log_std": log_std}

    def estimate(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the lower Q of the most likely action, shape (n,); it counts the entropy still to come."""
        return _lowest(self.critic, observations, self.actor(observations, deterministic=True))

    def begin_task(self, task: TaskInfo) -> None:
        """Hear that a task begins; a learned temperature starts over with the optimisers."""
        super().begin_task(task)
        if self.clear_optimizer and self.ent_coef_optimizer is not None and self.log_ent_coef is not None:
            _, _, initial = str(self.ent_coef).partition("_")
            self.log_ent_coef.data.fill_(torch.log(torch.tensor(float(initial or 1.0))))
            self.ent_coef_optimizer.state.clear()


class LifelongTD3(LifelongOffPolicy, TD3):
    """Twin delayed DDPG (Fujimoto et al. 2018) on the bus; roles "actor" and "critic"."""

    action_kinds = ("continuous",)

    def roles(self) -> dict[str, Role]:
        """Give the roles "actor" and "critic"."""
        return {"actor": Role(self.actor, self.actor), "critic": Role(self.critic, self.critic)}

    def outputs(self, role: str, observations: torch.Tensor, actions: torch.Tensor | None = None) -> Outputs:
        """Give "action" of the actor, shape (n, action size), or "q0", "q1" of the critic, shape (n, 1)."""
        if role == "critic":
            return _critic_outputs(self.critic, observations, actions)
        return {"action": self.actor(observations)}

    def estimate(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the lower Q of the actor's action, shape (n,)."""
        return _lowest(self.critic, observations, self.actor(observations))


class LifelongPPO(LifelongOnPolicy, PPO):
    """Proximal policy optimisation (Schulman et al. 2017) on the bus; role "policy"."""

    action_kinds = ("discrete", "continuous")

    def roles(self) -> dict[str, Role]:
        """Give the one role "policy": actor and critic share their optimiser."""
        return {"policy": Role(self.policy, self.policy)}

    def estimate(self, observations: torch.Tensor) -> torch.Tensor:
        """Give the value head's estimates, shape (n, 1)."""
        return self.policy.predict_values(observations)

    def outputs(self, role: str, observations: torch.Tensor, actions: torch.Tensor | None = None) -> Outputs:
        """Give "logits", or "mean" and "log_std", of the policy, and "value", shape (n, 1)."""
        distribution = self.policy.get_distribution(observations).distribution
        value = {"value": self.policy.predict_values(observations)}
        if isinstance(distribution, torch.distributions.Categorical):
            return {"logits": distribution.logits} | value
        if isinstance(distribution, torch.distributions.Normal):
            return {"mean": distribution.mean, "log_std": distribution.stddev.log()} | value
        raise ValueError(
            f"the outputs of a policy over {self.action_space} cannot be compared yet; use a Box or Discrete space."
        )


def _lowest(critic: torch.nn.Module, observations: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    return torch.cat(critic(observations, actions), dim=1).min(dim=1).values


def _critic_outputs(critic: torch.nn.Module, observations: torch.Tensor, actions: torch.Tensor | None) -> Outputs:
    if actions is None:
        raise ValueError("the outputs of a critic need actions, found None.")
    return {f"q{i}": values for i, values in enumerate(critic(observations, actions))}
