"""Metric values that name their definition, and the families that compute them from an evaluation log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lifelong_rl.evaluation.log import EvaluationLog
from lifelong_rl.evaluation.measured import Measured, Undefined, check_measured
from lifelong_rl.evaluation.training_log import TrainingLog

Sign: TypeAlias = Literal["higher is better", "lower is better"]

Reference: TypeAlias = EvaluationLog | ArrayLike
"""A reference run: the log of a run that trained one task alone, or only its curve, the score at each evaluation."""

References: TypeAlias = Mapping[str, Sequence[Reference]]
"""Task id -> its reference runs."""

PerPair: TypeAlias = Mapping[str, Mapping[str, tuple[float | None, ...]]]

FAMILIES: dict[str, str] = {
    "gem": "lifelong_rl.evaluation.gem:gem_metrics",
    "cw": "lifelong_rl.evaluation.cw:cw_metrics",
    "chaudhry": "lifelong_rl.evaluation.chaudhry:chaudhry_metrics",
    "diaz": "lifelong_rl.evaluation.diaz:diaz_metrics",
    "avalanche": "lifelong_rl.evaluation.avalanche:avalanche_metrics",
    "libero": "lifelong_rl.evaluation.libero:libero_metrics",
    "cora": "lifelong_rl.evaluation.cora:cora_metrics",
    "coom": "lifelong_rl.evaluation.coom:coom_metrics",
    "meal": "lifelong_rl.evaluation.meal:meal_metrics",
    "generalisation": "lifelong_rl.evaluation.generalisation:generalisation_metrics",
    "l2m": "lifelong_rl.evaluation.l2m:l2m_metrics",
}
"""The built-in families by name. A plug-in is named as ``"package.module:function"``, a :class:`Family`."""


@dataclass(frozen=True)
class MetricValue:
    """One number with everything needed to know what it means, or the reason why there is no number."""

    family: str
    """Whose definition it is: "gem", "cw", ...; the same name means something else in another family."""
    name: str
    """The metric inside its family: "forgetting", "forward_transfer", ..."""
    value: float | None
    """The value over all tasks; None where it is undefined."""
    sign: Sign
    """Which direction is good."""
    window: str
    """Which evaluations are averaged."""
    reference: str
    """What the agent's score is compared with; "none" for an absolute score."""
    source: str
    """Where the formula stands."""
    measured: Measured = "score"
    """Which number of an episode went in."""
    reason: str = ""
    """Why the value is undefined; empty where it is defined."""
    per_task: Mapping[str, float | None] = field(default_factory=dict)
    """The value of each evaluated task, None where the task has none."""
    per_block: tuple[float | None, ...] = ()
    """The value of each block, in order, for families that score every occurrence of a task by itself."""
    per_pair: PerPair = field(default_factory=dict)
    """Trained task -> evaluated task -> one value an occurrence, for families that compare pairs of tasks."""

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise ValueError(
                f"{self.family}/{self.name} must have either a value or a reason, "
                f"found value {self.value!r} and reason {self.reason!r}."
            )
        if self.sign not in get_args(Sign):
            raise ValueError(f"sign must be one of {', '.join(get_args(Sign))}, found {self.sign!r}.")
        of_pairs = [number for row in self.per_pair.values() for numbers in row.values() for number in numbers]
        for number in (self.value, *self.per_task.values(), *self.per_block, *of_pairs):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.family}/{self.name} must be finite or None, found {number!r}.")

    def to_json(self) -> dict[str, Any]:
        """Give the fields as plain values that ``json.dumps`` takes."""
        pairs = {trained: {of: list(n) for of, n in row.items()} for trained, row in self.per_pair.items()}
        tables = {"per_task": dict(self.per_task), "per_block": list(self.per_block), "per_pair": pairs}
        return vars(self) | tables


@dataclass(frozen=True)
class Definition:
    """What a metric means, before any run is scored; the fields are those of :class:`MetricValue`."""

    family: str
    name: str
    sign: Sign
    window: str
    reference: str
    source: str
    measured: Measured = "score"

    def defined(
        self,
        value: float,
        per_task: Mapping[str, float | None],
        per_block: Sequence[float | None] = (),
        per_pair: PerPair | None = None,
    ) -> MetricValue:
        """Give the metric with a value."""
        tables: dict[str, Any] = {"per_task": dict(per_task), "per_block": tuple(per_block)}
        return MetricValue(**vars(self), value=value, per_pair=per_pair or {}, **tables)

    def undefined(
        self,
        reason: str,
        per_task: Mapping[str, float | None],
        per_block: Sequence[float | None] = (),
        per_pair: PerPair | None = None,
    ) -> MetricValue:
        """Give the metric without a value; the tables may hold the part that is defined."""
        tables: dict[str, Any] = {"per_task": dict(per_task), "per_block": tuple(per_block)}
        return MetricValue(**vars(self), value=None, reason=reason, per_pair=per_pair or {}, **tables)

    def mean_over_tasks(
        self,
        log: EvaluationLog,
        measured: Measured,
        compute: Callable[[EvaluationLog, Measured], Mapping[str, float]],
    ) -> MetricValue:
        """Give the mean of what ``compute`` gives (task id -> value), or the reason of its Undefined.

        Tasks of the log that ``compute`` leaves out have None in the table and no part in the mean.
        """
        definition = replace(self, measured=measured)
        try:
            scored = compute(log, measured)
        except Undefined as undefined:
            return definition.undefined(str(undefined), dict.fromkeys(log.tasks))
        table = {task: scored.get(task) for task in log.tasks}
        return definition.defined(math.fsum(scored.values()) / len(scored), table)


class Family(Protocol):
    """A function that gives every metric of one family, the undefined ones with their reason."""

    def __call__(self, log: EvaluationLog, *, references: References | None, value: Measured) -> list[MetricValue]:
        """Give the family's metrics of one run."""


def score(
    log: EvaluationLog,
    families: Sequence[str | Family] = tuple(FAMILIES),
    references: References | None = None,
    *,
    value: Measured = "score",
) -> list[MetricValue]:
    """Give the metrics of the families for one run, the undefined ones with their reason.

    families: names in :data:`FAMILIES`, "package.module:function", or functions; options of a family are set with
    ``functools.partial``. references: single-task reference runs by task, for the families that compare with them.
    value: which number of an episode is used. Raises ValueError for an unknown family or value, and for families or
    reference runs that are no lists.
    """
    from lifelong_rl.envs.lookup import resolve  # its room imports gymnasium, which scoring a log does not need

    check_measured(value)
    if isinstance(families, str):
        raise ValueError(f"families must be a list, found the text {families!r}: write [{families!r}].")
    for task, runs in (references or {}).items():
        if isinstance(runs, EvaluationLog) or any(isinstance(run, (int, float, np.number)) for run in runs):
            raise ValueError(f"references of task {task!r} must be a list of runs, found one run: write [run].")
    metrics: list[MetricValue] = []
    for named in families:
        family: Family = resolve("metric family", named, FAMILIES) if isinstance(named, str) else named
        metrics.extend(family(log, references=references, value=value))
    return metrics


def score_arrays(
    tasks: Sequence[str],
    scores: ArrayLike,
    *,
    blocks: ArrayLike,
    trained: Sequence[str | None],
    steps: ArrayLike | None = None,
    measured: Measured | None = None,
    training: TrainingLog | None = None,
    families: Sequence[str | Family] = tuple(FAMILIES),
    references: References | None = None,
) -> list[MetricValue]:
    """Give the metrics of curves that come from anywhere, given as to :meth:`EvaluationLog.from_arrays`.

    training: the training episodes, where there are some (:meth:`TrainingLog.from_arrays`). What ``measured`` says is
    what is scored: by default the score where all numbers lie in [0, 1], else the return.
    """
    log = EvaluationLog.from_arrays(tasks, scores, blocks=blocks, trained=trained, steps=steps, measured=measured)
    return score(log.with_training(training), families, references, value=log.measured[0])


def check_finished(log: EvaluationLog) -> None:
    """Raise Undefined where the log does not end with a whole evaluation at the end of a block."""
    if not log.block_tasks:
        raise Undefined("nothing was trained: the log holds only the evaluation before training")
    if not log.is_at_block_end:
        raise Undefined(
            f"the last evaluation (step {log.steps[-1]}) is not a whole one at the end of a block: "
            "the run is unfinished"
        )


def trained_columns(log: EvaluationLog) -> NDArray[np.int64]:
    """Give the column (index into ``log.tasks``) of each block's fixed task, shape (n_blocks,).

    Raises Undefined where a block has no fixed task, no evaluation at its end, or a task never evaluated,
    and for an unfinished run.
    """
    check_finished(log)
    for block, (task, end) in enumerate(zip(log.block_tasks, log.block_ends, strict=True)):
        if end is None:
            raise Undefined(f"block {block} has no evaluation at its end")
        if task is None:
            raise Undefined(
                f"block {block} has no fixed task: a teacher or a distribution draws its tasks, or the log does not "
                "say which one it trains"
            )
        if task not in log.tasks:
            raise Undefined(f"task {task!r} is trained in block {block} but never evaluated")
    return np.array([log.tasks.index(task) for task in log.block_tasks if task is not None], dtype=np.int64)


def references_by_task(logs: Iterable[EvaluationLog]) -> dict[str, list[EvaluationLog]]:
    """Give the logs of reference runs by the task each trained alone; ValueError for a run that is none."""
    found: dict[str, list[EvaluationLog]] = {}
    for log in logs:
        found.setdefault(single_task(log), []).append(log)
    return found


def single_task(log: EvaluationLog) -> str:
    """Give the task of a reference run; ValueError where the log is none."""
    if len(log.block_tasks) != 1 or log.block_tasks[0] is None:
        raise ValueError(f"a reference run trains one fixed task in one block, found the blocks {log.block_tasks}.")
    return log.block_tasks[0]


def single_task_curve(
    log: EvaluationLog, task: str, value: Measured
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give steps and scores of a reference run's evaluations on its task, without the one before training."""
    if (trained := single_task(log)) != task:
        raise ValueError(f"the reference run of task {task!r} trained {trained!r}.")
    return log.block_curve(0, task, value)


def finite_array(values: ArrayLike, name: str, n_dimensions: int) -> NDArray[np.float64]:
    """Give ``values`` as an array of floats; ValueError where it holds NaN or has another shape."""
    if np.ma.is_masked(values):
        raise ValueError(f"{name} must hold no masked value: fill the gap or leave the task out.")
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != n_dimensions:
        raise ValueError(f"{name} must have {n_dimensions} dimension(s), found shape {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, found NaN or infinity.")
    return array
