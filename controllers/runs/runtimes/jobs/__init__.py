"""The runtime ``Job``: Kubernetes Jobs, and the state of their pods."""
