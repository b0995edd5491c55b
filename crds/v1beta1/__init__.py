"""The working version: bounded, with typed unions, keyed lists and durations."""
