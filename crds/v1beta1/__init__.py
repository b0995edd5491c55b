"""v1beta1, the storage version: bounded, with typed unions, keyed lists and durations."""
