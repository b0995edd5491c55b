"""Certificates for webhook servers: an own authority, its leaves, the caBundle to trust them."""
