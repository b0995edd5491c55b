"""Ways for reviews to come in: the lean protocol, and aiohttp as the reference."""
