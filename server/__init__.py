"""The HTTP server: waitress, with some of its classes replaced. It serves a WSGI application of any kind."""
