"""Requests to a cluster that outlast what is away: retries, and passes over all objects."""
