"""The runtime ``Workflow``: steps, conditions and loops."""
