"""Train lifelong reinforcement-learning agents over task curricula and score their transfer."""
