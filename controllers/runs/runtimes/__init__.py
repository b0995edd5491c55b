"""Runtimes of runs: adapters behind one Protocol."""
