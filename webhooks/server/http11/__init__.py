"""An HTTP/1.1 server for a single kind of client, the API server, which bounds everything."""
