"""Benchmarks of the parts: how much of a simulated learner's skills each teacher makes it master."""
