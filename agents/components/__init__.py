"""Components: one lifelong-learning mechanism each, hung on an agent's bus."""
