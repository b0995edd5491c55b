"""CustomResourceDefinitions of an Api, and what is generated and checked with them."""
