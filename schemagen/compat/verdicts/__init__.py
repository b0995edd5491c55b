"""What changes mean to writers, readers and stored objects, with witnesses."""
