"""What carries runs out: adapters behind one Protocol."""
