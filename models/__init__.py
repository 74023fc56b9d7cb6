"""What is stored, as peewee models, and the transactions on it."""
