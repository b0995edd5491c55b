"""The commands of ``webhooks``; ``cli`` puts them together."""
