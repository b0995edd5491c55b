"""The Helm chart of the Agents Platform: rights, values, and what is generated from them."""
