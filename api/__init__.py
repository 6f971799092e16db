"""The HTTP service of Outgate."""
