"""HTTP transports: the lean protocol, and aiohttp as the reference."""
