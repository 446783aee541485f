"""Lifelong agents: learners on a bus of components."""
