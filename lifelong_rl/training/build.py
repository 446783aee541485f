"""Making the parts of a run from its configuration."""

from __future__ import annotations

import copy
import inspect
import math
from typing import Any

import numpy as np

from lifelong_rl.agents import agent_entry
from lifelong_rl.agents.base import LifelongAgent
from lifelong_rl.envs.factory import make, make_vec
from lifelong_rl.envs.lookup import resolve, unknown_name
from lifelong_rl.evaluation.evaluator import Evaluator
from lifelong_rl.scenarios import Scenario
from lifelong_rl.teachers import make_teacher
from lifelong_rl.training.config import AgentConfig, RunConfig, configured_component
from lifelong_rl.training.curriculum import Curriculum

# The children of the run's seed, one an owner; a number here must never change its owner.
AGENT, ENVIRONMENTS, TEACHERS = 0, 1, 2


def spawn_rng(seed: int, *owner: int) -> np.random.Generator:
    """Give the generator of one owner: a stream of its own, whatever the others draw."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=owner))


def env_arguments(scenario: Scenario, agent: AgentConfig) -> dict[str, Any]:
    """Give the arguments of the environments: the scenario's, and a kind of actions that the agent can choose.

    Raises ValueError where agent and family have no kind in common.
    """
    arguments = scenario.env_arguments()
    offered, usable = scenario.env_class.action_kinds, agent_entry(agent.name).action_kinds
    common = [kind for kind in offered if kind in usable]
    if "actions" not in arguments:
        if not common:
            raise ValueError(
                f"the agent {agent.name!r} chooses {' or '.join(usable)} actions, and the family "
                f"{scenario.family!r} offers {' or '.join(offered)} ones; choose another agent or family."
            )
        if len(offered) > 1:
            arguments["actions"] = common[0]
    return arguments


def build_curriculum(config: RunConfig) -> Curriculum:
    """Make the training environments behind the curriculum wrapper."""
    arguments = env_arguments(config.scenario, config.agent)
    try:
        venv = make_vec(config.scenario.family, config.n_envs, parallel=config.parallel, **arguments)
    except TypeError as error:  # an option of another type than the constructor works with
        raise ValueError(
            f"the environment family {config.scenario.family!r} cannot be made with {arguments}: {error}."
        ) from error
    return Curriculum(venv, spawn_rng(config.seed, ENVIRONMENTS))


def build_evaluator(config: RunConfig) -> Evaluator:
    """Make the evaluator with environments of its own."""
    arguments = env_arguments(config.scenario, config.agent)
    return Evaluator(
        lambda: make(config.scenario.family, **arguments),
        config.scenario.evaluation_tasks,
        n_episodes=config.eval_episodes,
        seed=config.eval_seed,
        is_told=config.scenario.is_told_in_evaluation,
    )


def build_agent(config: RunConfig, env: Any) -> LifelongAgent:
    """Make the agent. It seeds the global generators that Stable-Baselines3 and torch draw from."""
    entry = agent_entry(config.agent.name)
    agent_class = resolve("agent", entry.path, {})
    if not (isinstance(agent_class, type) and hasattr(agent_class, "learn_steps")):
        raise ValueError(
            f"the agent {config.agent.name!r} must be a class with the methods of lifelong_rl.agents.LifelongAgent, "
            f"found {agent_class!r}."
        )
    options = _translated(config.agent.options, env)
    known = _constructor_options(agent_class)
    for name in options:
        if name not in known:
            raise unknown_name(f"option of the agent {config.agent.name!r}", name, known)
    _check_numbers(agent_class, options)
    seed = int(spawn_rng(config.seed, AGENT).integers(2**31))
    components = [configured_component(name, chosen) for name, chosen in config.agent.components]
    try:
        places = (config.agent.policy, env) if _takes_policy(agent_class) else (env,)
        agent: LifelongAgent = agent_class(*places, seed=seed, components=components, **options)
    except (TypeError, AssertionError, RuntimeError, ArithmeticError) as error:
        # what SB3, torch and components do with a value of another type or range
        given = dict(config.agent.options) | {name: dict(chosen) for name, chosen in config.agent.components}
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"the agent {config.agent.label!r} cannot be built with {given}: {reason}") from error
    return agent


def connect(config: RunConfig, curriculum: Curriculum, agent: LifelongAgent) -> None:
    """Let the agent appraise episodes; ValueError where a teacher needs what the agent cannot give or do."""
    gives: frozenset[str] = getattr(agent, "gives", frozenset())
    for block in config.scenario.blocks:
        if not block.teacher:
            continue
        teacher = make_teacher(block.teacher, **block.teacher_options)
        if missing := sorted(teacher.needs - gives):
            raise ValueError(
                f"the teacher {block.teacher!r} needs {', '.join(missing)} of each episode, and the agent "
                f"{config.agent.label!r} gives {', '.join(sorted(gives)) or 'nothing'}; choose another agent, or a "
                "teacher that needs less (PLR and ACCEL do with the score 'learnability')."
            )
        if teacher.is_selective and not getattr(agent, "leaves_out", False):
            raise ValueError(
                f"the teacher {block.teacher!r} draws tasks that are not to be trained on, and the agent "
                f"{config.agent.label!r} cannot leave episodes out with these settings (off-policy: n-step returns "
                "and optimize_memory_usage need n_envs=1; a buffer class of your own must be on the bus)."
            )
    curriculum.agent = agent


def _takes_policy(agent_class: type) -> bool:
    """Tell whether an agent is told which policy to use, as Stable-Baselines3's are; others have none."""
    first = next(iter(inspect.signature(agent_class).parameters), "")
    return first in ("policy", "args")


def _constructor_options(agent_class: type) -> set[str]:
    """Give the names of all constructor arguments up to SB3's own, less those that the run decides."""
    names: set[str] = set()
    for kind in agent_class.__mro__:
        if "__init__" in vars(kind):
            parameters = inspect.signature(kind).parameters.values()
            names |= {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return names - {"self", "policy", "env", "seed", "components", "_init_setup_model", "tensorboard_log"}


AT_LEAST_ONE = {"batch_size", "buffer_size", "n_steps", "n_epochs", "train_freq", "target_update_interval"}


def _check_numbers(agent_class: type, options: dict[str, Any]) -> None:
    """Raise ValueError for an option that is a number by default and is given as none, or out of its range."""
    defaults: dict[str, Any] = {}
    for kind in agent_class.__mro__:
        if "__init__" in vars(kind):
            for parameter in inspect.signature(kind).parameters.values():
                defaults.setdefault(parameter.name, parameter.default)
    for name, value in options.items():
        default = defaults.get(name)
        if isinstance(default, bool) or not isinstance(default, int | float) or isinstance(value, list | tuple):
            continue  # a train_freq may also be a pair
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if name == "ent_coef" or (name == "target_kl" and value is None):
            continue  # also a text, or nothing
        if not is_number:
            raise ValueError(f"the agent's option {name!r} must be a finite number, found {value!r}.")
        if name in AT_LEAST_ONE and value < 1:
            raise ValueError(f"the agent's option {name!r} must be at least 1, found {value!r}.")


def _translated(options: Any, env: Any) -> dict[str, Any]:
    """Give the options with a number for ``action_noise`` as the Gaussian noise of that standard deviation."""
    translated = copy.deepcopy(dict(options))  # SB3 writes into the dictionaries it is given
    if isinstance(translated.get("action_noise"), int | float):
        from stable_baselines3.common.noise import NormalActionNoise

        if not env.action_space.shape:
            raise ValueError("action_noise needs continuous actions; leave it out for an agent of discrete ones.")
        size = env.action_space.shape[-1]
        translated["action_noise"] = NormalActionNoise(np.zeros(size), np.full(size, translated["action_noise"]))
    return translated
