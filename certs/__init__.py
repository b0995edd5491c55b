"""Certificates for webhook servers: a self-managed CA, serving certificates, and the caBundle."""
