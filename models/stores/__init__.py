"""How a transaction runs on SQLite and on PostgreSQL: connections, compiled statements, tables."""
