"""The guide from one version of an API to another: what changes, what to do, and how to go back.

``correspondence`` reads the declared steps, ``losses`` tries them, ``kinds`` and ``guide`` write.
"""
