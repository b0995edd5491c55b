"""Conversions declared in YAML, for CRDs that have no models.

``file_format`` is what a file may say, ``reading`` reads it with its lines, ``placing`` puts its
steps beside the schemas of both versions, ``value_steps`` makes the steps of values, ``kinds`` the
Api, and ``loading`` (a shell) reads directories.
"""
