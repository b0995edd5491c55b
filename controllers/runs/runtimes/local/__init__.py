"""The runtime ``Local``: processes of this machine."""
