"""Makes the OpenAPI document from the routes and the schemas. This package is not installed."""
