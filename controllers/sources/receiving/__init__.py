"""Deliveries over HTTP: limited, verified, durable before they are answered, then applied."""
