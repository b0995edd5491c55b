"""Commands of ``webhooks`` in modules of their own; the others are in ``cli``."""
