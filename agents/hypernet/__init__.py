"""HyperCRL: hypernetworks that emit dynamics models, planners, and the agent that acts with them."""
