"""Forgetting, backward and forward transfer per experience, as Avalanche's metric classes compute them.

An experience is a block. ``after`` has shape (n, n): row i is the agent after experience i, column k its score on
the task of experience k. A task that is trained in several blocks is an experience each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.blocks import Scored, by_task, scored, scores_after_blocks, scores_before_training
from lifelong_rl.evaluation.gem import check_after, forward_transfer
from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured
from lifelong_rl.evaluation.metrics import Definition, MetricValue, References

SOURCE = "Lomonaco et al. 2021, Avalanche, arXiv 2104.00405; avalanche.evaluation.metrics"

FORGETTING = Definition(
    family="avalanche",
    name="forgetting",
    sign="lower is better",
    window="1 evaluation: the end of the experience's block and the end of the last block",
    reference="the agent's own score at the end of the experience's block",
    source=f"{SOURCE}, forgetting: the mean over every experience but the last (StreamForgetting)",
)
BACKWARD = replace(
    FORGETTING,
    name="backward_transfer",
    sign="higher is better",
    source=f"{SOURCE}, forgetting_bwt: minus the forgetting (StreamBWT)",
)
FORWARD = Definition(
    family="avalanche",
    name="forward_transfer",
    sign="higher is better",
    window="1 evaluation: the end of the block before the experience's",
    reference="the untrained agent's score",
    source=f"{SOURCE}, forward_transfer: the mean over every experience but the first (StreamForwardTransfer)",
)


def forgetting(after: ArrayLike) -> NDArray[np.float64]:
    """Give R[k][k] - R[last][k] of every experience, shape (n,).

    Positive is forgetting; the last experience has 0 and no part in the stream's mean (:func:`stream_forgetting`).
    """
    scores = np.asarray(after, dtype=np.float64) if np.shape(after) == (1, 1) else check_after(after)
    return np.asarray(np.diagonal(scores) - scores[-1], dtype=np.float64)


def stream_forgetting(after: ArrayLike) -> float:
    """Give the mean forgetting of every experience but the last; Undefined for a single experience."""
    return float(forgetting(check_after(after))[:-1].mean())


def avalanche_metrics(
    log: EvaluationLog, *, references: References | None = None, value: Measured = "score"
) -> list[MetricValue]:
    """Give forgetting, backward and forward transfer of one run, an experience in ``per_block``.

    The value is the stream's: the mean over experiences, without the last one (forward transfer: the first one).
    A task that is trained in several blocks has the mean of its blocks in ``per_task``. A run without blocks of one
    fixed task ("online streams"), for which Avalanche reports nothing, gives None with the reason. References are
    not used.
    """
    return [
        scored(FORGETTING, log, value, lambda log, value: _forgetting(log, value, 1.0)),
        scored(BACKWARD, log, value, lambda log, value: _forgetting(log, value, -1.0)),
        scored(FORWARD, log, value, _forward),
    ]


def _forgetting(log: EvaluationLog, value: Measured, sign: float) -> Scored:
    after = check_after(scores_after_blocks(log, value))
    per_block = [sign * drop + 0.0 for drop in forgetting(after).tolist()]  # + 0.0: no -0.0
    return Scored(sign * stream_forgetting(after) + 0.0, by_task(log, per_block), per_block)


def _forward(log: EvaluationLog, value: Measured) -> Scored:
    after = check_after(scores_after_blocks(log, value))
    gains = forward_transfer(after, scores_before_training(log, value))
    per_block: Sequence[float | None] = [None, *gains.tolist()]
    return Scored(float(gains.mean()), by_task(log, per_block, left_out=0), per_block)
