"""Shipped test tools: doubles, simulations and the conformance suites of the ports."""
