"""Lint of CRDs of any origin: what the API server accepts though it is wrong, and conventions.

``catalog`` has the rules, a module for each theme; ``targets`` walks a schema once for all of them;
``cases`` and ``drawing`` answer what only values can tell; ``fixes`` changes files.
"""
