"""HTTP requests to an API server: connections, proxies, rate limit, retries."""
