"""What may come in, as marshmallow schemas."""
