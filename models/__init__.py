"""The peewee models, and the transactions on them."""
