"""Lists and watches: a local cache of typed objects."""
