"""Reads the snapshot: objects of the cluster, and probes that are made of it. Shell."""
