"""Commands of ``webhooks``, one module each; heavy imports happen when they run."""
