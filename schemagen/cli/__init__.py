"""The commands of ``schemagen``, and the frame that every command line shares."""
