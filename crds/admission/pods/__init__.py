"""The pod of a run, and the policy of its images and permissions."""
