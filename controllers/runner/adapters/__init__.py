"""Adapters: how each type of agent is run."""
