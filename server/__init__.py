"""How requests get in: waitress, and what is changed of it. It knows a WSGI callable, and nothing of resources."""
