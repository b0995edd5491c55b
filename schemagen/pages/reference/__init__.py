"""The reference of CRDs of any origin: a page for each kind and version, and one that lists them.

``fields`` reads schemas, ``history`` compares a version with the one before, ``tree`` and ``pages``
write them, ``site`` decides which files there are.
"""
