"""An Api's webhooks in a cluster: configuration, installation, lint."""
