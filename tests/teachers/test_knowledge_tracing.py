"""Knowledge tracing predicts outcomes, finds prerequisites, and lifts the mastery of a learner that forgets."""

import numpy as np
import pytest

from lifelong_rl.envs.space import Feature, TaskSpace
from lifelong_rl.teachers import Outcomes
from lifelong_rl.teachers.knowledge_tracing import KnowledgeTracing
from lifelong_rl.teachers.mastery import MasteryTracer

K = 12
N_OUTCOMES = 5000


class ForgetfulLearner:
    """K Ornstein-Uhlenbeck masteries on a random acyclic graph of 14 prerequisites; practice adds one logit.

    Without practice of its own beyond a uniform share each skill rests near chance, so that outcomes tell something.
    """

    def __init__(self, seed, n_edges=14, forgetting=0.02, spread=1.4, practice=1.0):
        self.rng = np.random.default_rng(seed)
        pairs = [(i, k) for k in range(K) for i in range(k)]
        order = self.rng.permutation(K)
        self.transfer = np.zeros((K, K))
        for pair in self.rng.choice(len(pairs), n_edges, replace=False):
            i, k = pairs[pair]
            self.transfer[order[i], order[k]] = self.rng.uniform(0.6, 1.0)
        self.stays, self.practice = np.exp(-forgetting), practice
        self.noise = spread * np.sqrt(1 - self.stays**2)
        self.z = 0.7 * self.rng.standard_normal(K)
        self.base = self.z - self.z @ self.transfer - practice / K / (1 - self.stays)

    def play(self, skill):
        rest = self.base + self.z @ self.transfer
        self.z = self.stays * self.z + (1 - self.stays) * rest + self.noise * self.rng.standard_normal(K)
        score = float(self.rng.random() < 1 / (1 + np.exp(-self.z[skill])))
        self.z[skill] += self.practice
        return score

    @property
    def mean_mastery(self):
        return (1 / (1 + np.exp(-self.z))).mean()


def skills_in_blocks(seed):
    """Half of the practice is uniform, half stays with one skill for 20 episodes."""
    rng = np.random.default_rng(100 + seed)
    skills = rng.integers(K, size=N_OUTCOMES)
    lead = np.repeat(rng.integers(K, size=N_OUTCOMES // 20), 20)
    return np.where(rng.random(N_OUTCOMES) < 0.5, lead, skills)


def area_under_curve(scores, predictions):
    """The share of (success, failure) pairs in which the success was expected more."""
    ranks = np.empty(len(scores))
    ranks[np.argsort(predictions, kind="stable")] = np.arange(len(scores))
    wins = scores == 1
    n = wins.sum()
    return (ranks[wins].sum() - n * (n - 1) / 2) / (n * (len(scores) - n))


@pytest.fixture(scope="module")
def traced():
    """For two learners: skills, scores, predictions, learner and tracer after 5,000 outcomes."""
    runs = []
    for seed in range(2):
        learner, tracer = ForgetfulLearner(seed), MasteryTracer(K, sparsity=2.0, memory=20_000)
        skills = skills_in_blocks(seed)
        scores = np.array([learner.play(skill) for skill in skills])
        predictions = np.array([tracer.report(int(s), float(y)) for s, y in zip(skills, scores, strict=True)])
        runs.append((skills, scores, predictions, learner, tracer))
    return runs


def test_it_predicts_the_next_outcome_better_than_the_running_mean_of_the_skill(traced):
    for skills, scores, predictions, _, _ in traced:
        means = np.empty(N_OUTCOMES)
        for skill in range(K):
            own = scores[skills == skill]
            means[skills == skill] = (0.5 + np.cumsum(own) - own) / (1 + np.arange(len(own)))
        late = slice(1000, None)
        predicted = area_under_curve(scores[late], predictions[late])

        assert predicted >= 0.75
        assert predicted >= area_under_curve(scores[late], means[late]) + 0.05


def test_seven_of_ten_strongest_links_are_true_prerequisites(traced):
    precisions = []
    for *_, learner, tracer in traced:
        is_edge = learner.transfer.ravel() > 0
        found = np.argsort(-tracer.transfer.ravel())[: is_edge.sum()]
        precisions.append(is_edge[found].mean())

    assert np.mean(precisions) >= 0.7


def test_links_are_never_negative_nor_of_a_skill_to_itself(traced):
    for *_, tracer in traced:
        assert (tracer.transfer >= 0).all()
        assert not np.diag(tracer.transfer).any()
        assert (tracer.transfer > 0).sum() < K * K / 2  # sparse


def skill_space():
    return TaskSpace("skills", [Feature.integer("skill", 0, K - 1, 0)])


def bound(seed=0, space=None, **hyperparameters):
    teacher = KnowledgeTracing(**hyperparameters)
    teacher.reset(space or skill_space(), np.random.default_rng(seed))
    return teacher


def late_mastery(seed, teacher, n_episodes=2000):
    learner, rng, seen = ForgetfulLearner(seed), np.random.default_rng(7), []
    for episode in range(n_episodes):
        task = teacher.sample(1) if teacher else np.array([[rng.random()]])
        score = learner.play(int(task[0, 0] * K))
        if teacher:
            teacher.update(task, Outcomes.from_scores([score]))
        if episode >= n_episodes // 2:
            seen.append(learner.mean_mastery)
    return np.mean(seen)


def test_a_forgetful_learner_masters_more_than_with_uniform_tasks():
    taught = np.mean([late_mastery(seed, bound(seed)) for seed in range(2)])
    uniform = np.mean([late_mastery(seed, None) for seed in range(2)])

    assert taught >= 1.15 * uniform


def play(teacher, skills, score):
    tasks = (np.asarray(skills)[:, None] + 0.5) / K
    teacher.update(tasks, Outcomes.from_scores(np.full(len(tasks), score)))


def test_a_skill_that_was_mastered_and_fades_needs_review():
    teacher = bound()
    play(teacher, np.repeat(3, 40), 1.0)
    assert teacher.mastery()[3] > 0.6
    play(teacher, np.repeat(5, 200), 0.0)

    assert 3 in teacher.needs_review()
    assert 7 not in teacher.needs_review()  # never mastered: to be learned, not reviewed


def test_reviews_take_their_share_of_the_draws():
    teacher = bound(random_fraction=0.1, review_fraction=1.0)
    play(teacher, np.repeat(3, 40), 1.0)
    play(teacher, np.repeat(5, 200), 0.0)

    neediest = teacher.needs_review()[0]
    assert int(teacher.sample(1)[0, 0] * K) == neediest


def test_exploring_visits_last_a_block():
    teacher = bound(random_fraction=1.0, block=10)
    skills = (teacher.sample(60)[:, 0] * K).astype(int).reshape(6, 10)

    assert (skills == skills[:, :1]).all()
    assert len(set(skills[:, 0])) > 1


def test_parallel_environments_get_several_skills_before_any_reports():
    teacher = bound(random_fraction=0.01)
    play(teacher, np.tile(np.arange(K), 30), 0.5)

    assert len(np.unique(teacher.sample(32))) > 4


def test_the_prerequisite_map_is_scaled_and_centres_name_its_rows():
    teacher = bound()
    assert not teacher.prerequisites().any()
    learner = ForgetfulLearner(0)
    for skill in skills_in_blocks(0)[:1500]:
        play(teacher, [skill], learner.play(skill))

    assert teacher.prerequisites().shape == (K, K)
    assert teacher.prerequisites().max() == 1.0
    np.testing.assert_allclose(teacher.skill_centres()[:, 0], (np.arange(K) + 0.5) / K)
    assert teacher.traits()["practice_gain"] > 0.2


def test_too_many_skills_are_refused():
    space = TaskSpace("toy", [Feature.real(f"x{i}", 0.0, 1.0, 0.5) for i in range(3)])

    with pytest.raises(ValueError, match="at most 64 skills, found 125"):
        bound(space=space, per_axis=5)
    with pytest.raises(ValueError, match=r"n_skills of KnowledgeTracing must be in 1, \.\.\., 64, found 65"):
        bound(n_skills=65)
