"""Deploying an Api's webhooks: rights, and what a chart or manifests are generated from."""
