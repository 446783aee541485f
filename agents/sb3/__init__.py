"""Stable-Baselines3 learners on the bus."""
