"""The audit log: a hash chain of records of what the controller decided, and where it is written.

``records`` and ``verification`` are pure; ``log`` chains records and hands them to a sink of
``sinks``, without ever waiting for it.
"""
