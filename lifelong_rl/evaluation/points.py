"""The moments at which a run is evaluated, and which moment can follow which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from lifelong_rl.evaluation.lines import Block, Count, Id, refuse

Moment: TypeAlias = Literal["start", "during", "end"]


class EvaluationPoint(msgspec.Struct, frozen=True, gc=False):
    """One moment at which the agent was evaluated on the tasks of the scenario."""

    step: Annotated[int, Count]
    """Environment steps of training so far, over the whole run."""
    block: Annotated[int, Block]
    """Index of the block being trained; 0 for the evaluation before training."""
    at: Moment
    """"start": before any training; "during": inside the block; "end": at the end of the block."""
    trained: Annotated[str, Id] | None
    """Id of the block's fixed task; None where a teacher or a distribution draws the tasks."""


def check_succession(before: EvaluationPoint, point: EvaluationPoint, place: str) -> None:
    """Refuse a point that cannot follow another one before it in a run."""
    if point.step < before.step:
        refuse(
            place,
            f"the steps go back from {before.step} to {point.step}; are two runs in one file? Keep the lines of one "
            "(a resumed run drops the lines after its checkpoint before it appends)",
        )
    if point.step == before.step:
        refuse(place, f"two different evaluation points at step {point.step}: {before} and {point}")
    if point.at == "start":
        refuse(place, f"the evaluation before training must come first, found it at step {point.step}")
    if point.block < before.block or (point.block == before.block and before.at == "end"):
        refuse(place, f"block {point.block} is evaluated after the end of block {before.block}")
    if point.block == before.block and before.at != "start" and point.trained != before.trained:
        refuse(place, f"block {point.block} trains both {before.trained!r} and {point.trained!r}")


def moments_of(
    blocks: NDArray[np.int64],
    steps: NDArray[np.int64],
    *,
    steps_per_task: int | None = None,
    is_cut: bool = False,
) -> list[Moment]:
    """Give the moment of each point where only its block is written; -1 is the evaluation before training.

    The last point of a block is the one at its end. With ``steps_per_task`` it is so only where the block has got all
    its steps; with ``is_cut`` (the file has lost its end) the last point of all is not the end of its block.
    """
    is_end = np.append(np.diff(blocks) > 0, not is_cut)
    if steps_per_task is not None:
        is_end &= steps == (blocks + 1) * steps_per_task
    return ["start" if block < 0 else "end" if ends else "during" for block, ends in zip(blocks, is_end, strict=True)]


def make_points(
    steps: NDArray[np.int64], blocks: NDArray[np.int64], moments: Sequence[Moment], trained: Sequence[str | None]
) -> tuple[EvaluationPoint, ...]:
    """Give the points of columns; ``trained`` has one entry a block, block -1 is the evaluation before training."""
    return tuple(
        EvaluationPoint(int(step), max(int(block), 0), at, trained[max(block, 0)] if trained else None)
        for step, block, at in zip(steps, blocks, moments, strict=True)
    )
