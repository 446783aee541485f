"""Hypernetworks that emit dynamics models, and planners that act with them (HyperCRL, Huang et al. 2021)."""
