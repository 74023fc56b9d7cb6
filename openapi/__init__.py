"""The OpenAPI document, made from the routes and the schemas themselves; it is no part of what is installed."""
