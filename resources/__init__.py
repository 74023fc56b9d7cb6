"""The nouns of the API, one Falcon resource class a file."""
