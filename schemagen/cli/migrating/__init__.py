"""Commands that lead from one version, or from other tools, to the next."""
