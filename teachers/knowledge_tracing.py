"""Knowledge tracing: practise what lifts the predicted mastery of all skills most, and review what is being lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lifelong_rl.envs.space import TaskSpace
from lifelong_rl.teachers.base import Floats, Outcomes, Teacher, check_ranges
from lifelong_rl.teachers.cells import Cells, Integers
from lifelong_rl.teachers.density import evenness
from lifelong_rl.teachers.mastery import MasteryTracer
from lifelong_rl.teachers.states import check_shapes

EXPLORE, PRACTISE, REVIEW = range(3)


class KnowledgeTracing(Teacher):
    """Knowledge tracing with a prerequisite graph (the model of PSI-KT, Zhou et al. 2024, made a teacher).

    The task space is cut into K cells, the skills (:class:`~lifelong_rl.teachers.cells.Cells`); within a skill the
    task is uniform. :class:`~lifelong_rl.teachers.mastery.MasteryTracer` estimates from every outcome's score the
    mastery of each skill, forgetting rate, volatility, base levels, what practice adds and which skill is a
    prerequisite of which. A draw is

    - with probability ``random_fraction`` a uniform skill, practised for ``block`` draws of this kind;
    - else with probability ``review_fraction`` the skill that most needs review, where one does: its estimated
      mastery was ``threshold`` once, and at the next sure visit, K / random_fraction episodes ahead, is predicted
      to be below it;
    - else the skill whose practice now lifts the predicted mean mastery ``horizon`` episodes ahead most.

    Episodes that are drawn and not yet reported count as practice already, so that parallel environments do not all
    get one skill. K is small by default: a report costs O(K^2), and 12 to 16 skills are what some thousand
    outcomes can tell prerequisites of. Kept: O(K^3) numbers, whatever the number of episodes.
    """

    def __init__(
        self,
        n_skills: int = 16,
        per_axis: int | None = None,
        horizon: int = 50,
        threshold: float = 0.6,
        random_fraction: float = 0.2,
        review_fraction: float = 0.2,
        block: int = 10,
        sparsity: float = 2.0,
        memory: int = 20_000,
    ) -> None:
        """Store the hyper-parameters; :meth:`reset` checks them.

        n_skills: the most skills that are cut (at most 64). per_axis: parts of each real axis instead; integers and
        categories then count by their values. horizon: episodes ahead at which mastery is to be high. threshold:
        predicted mastery in (0, 1) below which a mastered skill needs review. random_fraction, review_fraction: see
        above, in (0, 1] and [0, 1]. block: draws that an exploring visit lasts; massed practice shows best what it
        lifts. sparsity: L1 penalty on prerequisites, in nats. memory: episodes that estimates look back.
        """
        self.n_skills = n_skills
        self.per_axis = per_axis
        self.horizon = horizon
        self.threshold = threshold
        self.random_fraction = random_fraction
        self.review_fraction = review_fraction
        self.block = block
        self.sparsity = sparsity
        self.memory = memory

    def reset(self, space: TaskSpace, rng: np.random.Generator) -> None:
        """Bind to a task space and start afresh; ValueError names a hyper-parameter out of its range."""
        self._check_hyperparameters()
        super().reset(space, rng)
        self._cells = Cells(space, self.n_skills, self.per_axis)
        if self._cells.n > 64:
            raise ValueError(
                f"KnowledgeTracing estimates at most 64 skills, found {self._cells.n} on {space!r}: leave per_axis "
                "at None, or pin features with subspace."
            )
        self._tracer = MasteryTracer(self._cells.n, self.sparsity, self.memory)
        self._n_reports = 0
        self._was_mastered = np.zeros(self._cells.n, dtype=np.bool_)
        self._pending = np.zeros(self._cells.n)  # draws not yet reported, by skill
        self._rates = np.full(self._cells.n, 1.0 / self._cells.n)  # recent practice of each skill an episode
        self._explored, self._left = 0, 0  # the skill of the exploring visit, and draws left of it
        self._n_drawn = np.zeros(3, dtype=np.int64)  # by source
        self._forecast()

    def _check_hyperparameters(self) -> None:
        rules = [
            ("n_skills", 1 <= self.n_skills <= 64, "in 1, ..., 64"),
            ("per_axis", self.per_axis is None or self.per_axis >= 1, "None or at least 1"),
            ("horizon", self.horizon >= 1, "at least 1"),
            ("threshold", 0.0 < self.threshold < 1.0, "in (0, 1)"),
            ("random_fraction", 0.0 < self.random_fraction <= 1.0, "in (0, 1]"),
            ("review_fraction", 0.0 <= self.review_fraction <= 1.0, "in [0, 1]"),
            ("block", self.block >= 1, "at least 1"),
            ("sparsity", self.sparsity >= 0.0, "at least 0"),
            ("memory", self.memory >= 1, "at least 1"),
        ]
        check_ranges(self, rules)

    def sample(self, n: int = 1) -> Floats:
        """Give the next ``n`` tasks, shape (n, d) in [0, 1]; the same tasks as ``n`` calls for one."""
        # One row of uniform numbers a task, whatever its source, keeps one stream for any n.
        uniform = self.rng.random((n, 3 + self.space.dimension))
        skills = np.array([self._choose(*row) for row in uniform[:, :3].tolist()], dtype=np.int64)
        return self._cells.tasks(skills, uniform[:, 3:])

    def _choose(self, source: float, review: float, explored: float) -> int:
        if source < self.random_fraction:
            skill, kind = self._explore(explored), EXPLORE
        elif review < self.review_fraction and len(needy := self.needs_review()):
            skill, kind = int(needy[0]), REVIEW
        else:
            skill, kind = int(self._usefulness().argmax()), PRACTISE
        self._n_drawn[kind] += 1
        self._pending[skill] += 1.0
        return skill

    def _explore(self, uniform: float) -> int:
        if not self._left:
            self._explored, self._left = int(uniform * self._cells.n), self.block
        self._left -= 1
        return self._explored

    def _means(self) -> Floats:
        """Give mean masteries, shape (K,), as if all that was drawn had been practised."""
        return self._tracer.means + self._pending * self._tracer.gains

    def _usefulness(self) -> Floats:
        """Give what one practice of each skill adds to the mean mastery at the horizon, shape (K,)."""
        ahead = mastery_of(self._at_horizon[:, :-1] @ self._means() + self._at_horizon[:, -1])
        return ((ahead * (1.0 - ahead)) @ self._at_horizon[:, :-1]) * self._tracer.gains / self._cells.n

    def needs_review(self) -> Integers:
        """Give the skills that were mastered and are predicted not to be at the next sure visit, neediest first."""
        ahead = mastery_of(self._at_visit[:, :-1] @ self._means() + self._at_visit[:, -1])
        needy = np.flatnonzero(self._was_mastered & (ahead < self.threshold))
        return needy[np.argsort(ahead[needy], kind="stable")]

    def _forecast(self) -> None:
        n_until_visit = round(self._cells.n / self.random_fraction)
        self._at_horizon = np.column_stack(self._tracer.transition(self.horizon, self._rates))
        self._at_visit = np.column_stack(self._tracer.transition(n_until_visit, np.zeros(self._cells.n)))

    def update(self, tasks: Floats, outcomes: Outcomes) -> None:
        """Trace n finished episodes, tasks of shape (n, d), by their scores."""
        tasks = self.checked(tasks, outcomes)
        skills = self._cells.indices(tasks).tolist()
        for skill, score in zip(skills, outcomes.scores.tolist(), strict=True):
            self._tracer.report(skill, score)
            self._n_reports += 1
            self._rates *= 1.0 - 1.0 / self.horizon
            self._rates[skill] += 1.0 / self.horizon
            if not self._was_mastered[skill]:
                self._was_mastered[skill] = mastery_of(self._tracer.means[skill]) >= self.threshold
            # The factor forgets draws whose episodes never end.
            self._pending[skill] = max(0.0, self._pending[skill] - 1.0)
            self._pending *= 0.99
            if self._n_reports % self._cells.n == 0:
                self._forecast()

    def mastery(self) -> Floats:
        """Give the estimated probability of success on each skill now, shape (K,) in [0, 1]."""
        return mastery_of(self._tracer.means)

    def skill_centres(self) -> Floats:
        """Give the centre of each skill's cell, shape (K, d) in [0, 1]."""
        return self._cells.low + 0.5 * self._cells.width

    def prerequisites(self) -> Floats:
        """Give the prerequisite map A, shape (K, K) in [0, 1]: row i, column k is how much i helps k.

        1 is the strongest link found (all 0 before any is); the strength itself is in :meth:`traits`.
        """
        transfer = self._tracer.transfer
        largest = float(transfer.max())
        return transfer / largest if largest > 0.0 else transfer.copy()

    def traits(self) -> dict[str, float]:
        """Give the learner's estimated traits: rates are per episode, levels and gains in logits."""
        return self._tracer.traits()

    def density(self, points: Floats) -> Floats:
        """Give the density of the next draw at points, shape (n, d); shape (n,)."""
        return self._cells.density(self.space.check_points(points), self._probabilities())

    def _probabilities(self) -> Floats:
        n, random = self._cells.n, self.random_fraction
        probabilities = np.full(n, 0.0 if self._left else random / n)
        if self._left:
            probabilities[self._explored] = random
        needy = self.needs_review()
        review = (1.0 - random) * self.review_fraction if len(needy) else 0.0
        if len(needy):
            probabilities[needy[0]] += review
        probabilities[int(self._usefulness().argmax())] += 1.0 - random - review
        return probabilities

    def diagnostics(self) -> dict[str, float]:
        """Give numbers worth a curve.

        mean_mastery: over skills, in [0, 1]. entropy: of the next draw over skills, in [0, 1]. mastered_share: of
        skills mastered at some time. n_needing_review: skills. Traits: see :meth:`traits`. random_share,
        practice_share, review_share: sources of all tasks drawn so far.
        """
        numbers = {
            "mean_mastery": float(self.mastery().mean()),
            "entropy": evenness(self._probabilities()),
            "mastered_share": float(self._was_mastered.mean()),
            "n_needing_review": float(len(self.needs_review())),
            **self.traits(),
        }
        if n_drawn := int(self._n_drawn.sum()):
            shares = (self._n_drawn / n_drawn).tolist()
            numbers.update(zip(("random_share", "practice_share", "review_share"), shares, strict=True))
        return numbers

    def state_dict(self) -> dict[str, Any]:
        """Give estimates, counters and generator: :meth:`load_state_dict` continues bit for bit."""
        return {
            **super().state_dict(),
            "tracer": self._tracer.state_dict(),
            "n_reports": self._n_reports,
            "was_mastered": self._was_mastered.copy(),
            "pending": self._pending.copy(),
            "rates": self._rates.copy(),
            "explored": self._explored,
            "left": self._left,
            "n_drawn": self._n_drawn.copy(),
            "at_horizon": self._at_horizon.copy(),
            "at_visit": self._at_visit.copy(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state of the same hyper-parameters, after :meth:`reset` on the same space."""
        super().load_state_dict(state)
        kept = {
            name: np.shape(getattr(self, f"_{name}"))
            for name in ("was_mastered", "n_drawn", "pending", "rates", "at_horizon", "at_visit")
        }
        check_shapes(f"the teacher {type(self).__name__!r}", state, **kept)
        self._tracer.load_state_dict(state["tracer"])
        self._n_reports, self._explored, self._left = state["n_reports"], state["explored"], state["left"]
        self._was_mastered, self._n_drawn = state["was_mastered"].copy(), state["n_drawn"].copy()
        self._pending, self._rates = state["pending"].copy(), state["rates"].copy()
        self._at_horizon = state["at_horizon"].copy()
        self._at_visit = state["at_visit"].copy()


def mastery_of(logits: Floats) -> Floats:
    """Give 1 / (1 + e^-x) of each logit, kept in [-30, 30] against overflow."""
    probabilities: Floats = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
    return probabilities
