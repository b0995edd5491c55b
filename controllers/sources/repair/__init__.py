"""Reads of trackers' APIs: webhooks get lost, and a source may be polled instead."""
