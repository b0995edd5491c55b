"""Probes of the stores of Memories: is it reached, does it accept the credentials, is it ready.

`connections` reads the Secret, `health` decides what repeated probes mean; `probe` is the shell
around `postgres`, `redis_store` and `http_stores`.
"""
