"""Slots of runs in flight: requested, granted and freed."""
