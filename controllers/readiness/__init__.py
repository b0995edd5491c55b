"""Whether agents, providers, tasks, memories and Git servers can be used: their conditions.

`findings` has the conditions and the status, a module for each kind finds what is wrong with it,
and `reconciler` is the shell.
"""
