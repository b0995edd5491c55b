"""Where the lines of an audit log are written: a file, standard output, an HTTP endpoint."""
