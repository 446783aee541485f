"""Sleep: between two tasks the hypernetwork replays what the models that it emitted say of made-up inputs.

Generative replay (Shin et al. 2017) with the kept models as teachers (Li and Hoiem 2016): for every task j with the
weights w_j that were kept of it, and made-up inputs x of that task,

    sum_j  E_x |f(x; h(e_j, theta)) - f(x; w_j)|^2 / d  +  beta |h(e_j, theta) - w_j|^2

is made small over theta, where f is the target network with d outputs and h the hypernetwork; embeddings stay. The
second part is the output regulariser; the first weights each direction of the weights by what it does to the
predictions. No transition is kept: inputs come from each task's kept moments, and from its own model.
"""

from __future__ import annotations

import dataclasses

import torch

from lifelong_rl.agents.hypernet.hypernetwork import Hypernetwork
from lifelong_rl.agents.hypernet.regulariser import OutputRegulariser
from lifelong_rl.agents.hypernet.target import TargetNetwork


def all_kept(
    earlier: OutputRegulariser, weights: torch.Tensor, embedding: torch.Tensor, importance: torch.Tensor | None
) -> OutputRegulariser:
    """Give a regulariser of the earlier tasks and, last, of one more with these weights and this embedding.

    weights: (n_weights,). embedding: (n_embedding,). importance: of all, (n_weights, tasks). The terms are summed.
    """
    assert earlier.targets is not None and earlier.embeddings is not None
    kept = OutputRegulariser(beta=earlier.beta, n_sampled=earlier.n_sampled)
    kept.targets = torch.cat([earlier.targets, weights.detach().unsqueeze(1)], dim=1)
    kept.embeddings = torch.cat([earlier.embeddings, embedding.detach().unsqueeze(0)])
    kept.importance = importance
    return kept


def outputs_of(target: TargetNetwork, weights: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Give the outputs of k tasks' networks at once, each for inputs of its own, shape (k * members, n, outputs).

    weights: (k, n_weights). inputs: (k, n, inputs).
    """
    members = target.n_members
    side_by_side = dataclasses.replace(
        target, n_members=len(weights) * members, n_extra=len(weights) * target.n_extra
    )
    flat = torch.cat([part.reshape(-1) for part in weights.split_with_sizes(target.tensor_sizes, dim=1)])
    return side_by_side.forward(flat, inputs.repeat_interleave(members, dim=0))


def sleep_loss(
    network: Hypernetwork, kept: OutputRegulariser, chosen: list[int], inputs: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Give both parts of the loss, scalars with gradients, of the chosen of the kept tasks, without bias.

    inputs: made up for each of them, shape (k, n, inputs); None leaves the first part out.
    """
    weights = network.emit(kept.embeddings_of(chosen))
    if inputs is None:
        return weights.new_zeros(()), kept.value(weights, chosen)
    wanted = outputs_of(network.target, kept.targets_of(chosen).t(), inputs)
    differences = outputs_of(network.target, weights, inputs) - wanted
    # A sum over tasks of means over their members, rows and outputs, and over all tasks where some are sampled.
    return kept.n_tasks * differences.square().mean(), kept.value(weights, chosen)
