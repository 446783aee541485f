"""The output regulariser: what is emitted for earlier tasks stays what it was (von Oswald et al. 2020, eq. 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch

from lifelong_rl.agents.hypernet.adam import ThinAdam
from lifelong_rl.agents.hypernet.full import FullHypernetwork
from lifelong_rl.agents.hypernet.hypernetwork import Hypernetwork

Scaling: TypeAlias = Literal["sum", "mean"]
"""Whether the earlier tasks' terms are added up, or averaged as published (which weakens each as tasks arrive)."""

Keeps: TypeAlias = Literal["first", "latest"]
"""What an earlier task is held to: the weights emitted when its own training ended, or when the current task began.

The latter is published; it lets a little drift in each task add up over many.
"""


class OutputRegulariser:
    """Keeps ``beta * sum_j |h(e_j, theta) - w_j|^2`` small over the earlier tasks j, where w_j was emitted before.

    The weights of all earlier tasks come from one batched product. ``n_sampled`` bounds how many tasks one update
    regularises: of more than that a sample is taken, and its sum is scaled so that its expectation is that of all.
    importance: Fisher-like weights of the squared differences may be given to :meth:`snapshot`.
    """

    def __init__(
        self, *, beta: float, scaling: Scaling = "sum", n_sampled: int | None = None, keeps: Keeps = "first"
    ):
        if beta < 0:
            raise ValueError(f"beta must be at least 0, found {beta}.")
        if scaling not in get_args(Scaling):
            raise ValueError(f"scaling must be one of {', '.join(get_args(Scaling))}, found {scaling!r}.")
        if keeps not in get_args(Keeps):
            raise ValueError(f"keeps must be one of {', '.join(get_args(Keeps))}, found {keeps!r}.")
        if n_sampled is not None and n_sampled < 1:
            raise ValueError(f"n_sampled must be at least 1, or None for all tasks, found {n_sampled}.")
        self.beta, self.scaling, self.n_sampled, self.keeps = beta, scaling, n_sampled, keeps
        self.tasks: list[int] = []
        """The earlier tasks."""
        self._deck: list[int] = []
        self.targets: torch.Tensor | None = None
        """What was emitted for the earlier tasks, shape (n_weights, tasks): a column a task."""
        self.embeddings: torch.Tensor | None = None
        """The earlier tasks' embeddings, shape (tasks, n_embedding); they are not trained any more."""
        self.importance: torch.Tensor | None = None
        """Weights of the squared differences, shape (n_weights, tasks); None for 1."""

    @property
    def n_tasks(self) -> int:
        """Earlier tasks that are kept."""
        return 0 if self.targets is None else self.targets.shape[1]

    @torch.no_grad()
    def snapshot(self, network: Hypernetwork, tasks: Sequence[int], importance: torch.Tensor | None = None) -> None:
        """Keep what the network emits now for these tasks; they are the earlier ones from now on.

        Where ``keeps`` is "first", those that were earlier ones before stay at what was kept for them then.
        """
        held = {} if self.targets is None else dict(zip(self.tasks, self.targets.unbind(1), strict=True))
        self.importance = importance
        self.targets = self.embeddings = None
        self.tasks = list(tasks)
        self._deck = []
        if self.tasks:
            self.embeddings = network.embedding(self.tasks).clone()
            self.targets = network.emit(self.embeddings).t()
            if isinstance(network, FullHypernetwork):  # look-ahead works on rows of all tasks, block by block
                self.targets = self.targets.contiguous()
            for column, task in enumerate(self.tasks):
                if self.keeps == "first" and task in held:
                    self.targets[:, column] = held[task]

    def choose(self, rng: np.random.Generator) -> list[int]:
        """Give the earlier tasks (their places in ``tasks``) that an update regularises: all, or the next of a deck.

        The deck is shuffled again when it is used up, so each task comes up as often as any other, which forgets less
        than draws of their own would; and as likely in each update, so the expectation is that of all tasks.
        """
        if self.n_sampled is None or self.n_tasks <= self.n_sampled:
            return list(range(self.n_tasks))
        if len(self._deck) < self.n_sampled:
            shuffled = rng.permutation(self.n_tasks).tolist()
            # what is left comes first, and cannot come up twice in one update
            self._deck += sorted(shuffled, key=self._deck.__contains__)
        chosen, self._deck = self._deck[: self.n_sampled], self._deck[self.n_sampled :]
        return sorted(chosen)

    def coefficient(self, n_chosen: int) -> float:
        """Give what the squared differences of the chosen tasks are multiplied with."""
        share = self.n_tasks / n_chosen
        return self.beta * share / (self.n_tasks if self.scaling == "mean" else 1)

    def embeddings_of(self, tasks: list[int]) -> torch.Tensor:
        """Give the embeddings of some earlier tasks, shape (k, n_embedding), as constants."""
        assert self.embeddings is not None
        return self.embeddings if len(tasks) == self.n_tasks else self.embeddings[tasks]

    def targets_of(self, tasks: list[int]) -> torch.Tensor:
        """Give what was emitted for some earlier tasks, shape (n_weights, k)."""
        assert self.targets is not None
        return self._of(self.targets, tasks)

    def _of(self, kept: torch.Tensor, tasks: list[int]) -> torch.Tensor:
        if len(tasks) == self.n_tasks:
            return kept
        # picking rows from memory in rows reads those alone; picking columns from it would read all tasks
        return kept[:, tasks] if kept.is_contiguous() else kept.t()[tasks].t()

    def value(self, weights: torch.Tensor, tasks: list[int]) -> torch.Tensor:
        """Give the term for weights of the chosen tasks, shape (k, n_weights) -> scalar, with gradients."""
        coefficient, targets = self.coefficient(len(tasks)), self.targets_of(tasks)
        if self.importance is None:
            return coefficient * torch.nn.functional.mse_loss(weights, targets.t(), reduction="sum")
        return coefficient * ((weights.t() - targets).square() * self._of(self.importance, tasks)).sum()

    def add_look_ahead(self, network: Hypernetwork, optimiser: ThinAdam, tasks: list[int], scale: float) -> float:
        """Add the gradient at the parameters that the optimiser would step to now; give the term there.

        The would-be step counts as a constant (Huang et al. 2021), so that the gradient is taken at theta + delta
        and added to that of theta. scale: multiplies the term.
        """
        if isinstance(network, FullHypernetwork):
            return self._look_ahead_full(network, optimiser, tasks, scale)
        seen = {id(p): values for p, values in zip(optimiser.parameters, optimiser.previewed(), strict=True)}
        names = {name: p for name, p in network.named_parameters() if id(p) in seen}
        leaves = {name: seen[id(p)].requires_grad_() for name, p in names.items()}
        weights = torch.func.functional_call(network, leaves, (self.embeddings_of(tasks),))
        term = scale * self.value(weights, tasks)
        gradients = torch.autograd.grad(term, list(leaves.values()), allow_unused=True)
        for parameter, gradient in zip(names.values(), gradients, strict=True):
            _accumulate(parameter, gradient)
        return float(term.detach())

    def _look_ahead_full(
        self, network: FullHypernetwork, optimiser: ThinAdam, tasks: list[int], scale: float
    ) -> float:
        """Pass once over the head: each block of its rows is stepped ahead, used and dropped while in the caches."""
        seen = {id(p): values for p, values in zip(optimiser.parameters, optimiser.previewed(), strict=True)}
        body = network.body
        leaves = [seen[id(p)].requires_grad_() for p in body]
        n_layers = len(body) // 2
        hidden = network.hidden(self.embeddings_of(tasks), leaves[:n_layers], leaves[n_layers:])
        right = hidden.detach()
        targets, bias = self.targets_of(tasks), seen[id(network.head.bias)]
        importance = None if self.importance is None else self._of(self.importance, tasks)
        weighted = torch.empty_like(targets)
        gradient, squares = torch.zeros_like(right), right.new_zeros(())
        for rows, weight in optimiser.previewed_blocks(network.head):
            block = torch.mm(weight, right.t(), out=weighted[rows])
            block.add_(bias[rows].unsqueeze(1)).sub_(targets[rows])
            differences = block if importance is None else block.clone()
            if importance is not None:
                block.mul_(importance[rows])
            squares += torch.dot(differences.view(-1), block.view(-1))
            gradient.addmm_(block.t(), weight)
        coefficient = scale * self.coefficient(len(tasks))
        left = weighted.mul_(2 * coefficient)
        network.head.add_factors(left, right)
        _accumulate(network.head.bias, left.sum(1))
        parts = torch.autograd.grad(hidden, leaves, gradient.mul_(2 * coefficient))
        for parameter, part in zip(body, parts, strict=True):
            _accumulate(parameter, part)
        return coefficient * float(squares)

    def state_dict(self) -> dict[str, Any]:
        """Give what is kept, as arrays, and how it lies in memory, on which the last bits of sums depend."""
        return {
            "is_by_columns": self.targets is None or self.targets.is_contiguous(),
            "tasks": list(self.tasks),
            "deck": list(self._deck),
            "embeddings": None if self.embeddings is None else self.embeddings.cpu().numpy(),
            "targets": None if self.targets is None else self.targets.cpu().numpy(),
            "importance": None if self.importance is None else self.importance.cpu().numpy(),
        }

    def load_state_dict(self, state: Mapping[str, Any], like: torch.Tensor) -> None:
        """Take over such a state, on the device and in the precision of ``like``."""
        self.tasks, self._deck = list(state["tasks"]), list(state["deck"])
        for name in ("embeddings", "targets", "importance"):
            kept = state[name]
            setattr(self, name, None if kept is None else torch.from_numpy(kept).to(like).contiguous())
        if self.targets is not None and not state["is_by_columns"]:
            self.targets = self.targets.t().contiguous().t()


def _accumulate(parameter: torch.nn.Parameter, gradient: torch.Tensor | None) -> None:
    assert parameter.grad is not None  # the optimiser keeps it in one piece of memory with the others
    if gradient is not None:
        parameter.grad.add_(gradient)
