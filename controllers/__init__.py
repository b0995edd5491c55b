"""Everything that talks to a cluster: the embedded one, the client, and agentctl."""
