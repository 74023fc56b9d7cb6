"""How a transaction runs on SQLite and on PostgreSQL: connections, groups, compiled statements, tables."""
