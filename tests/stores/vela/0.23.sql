-- The columns of a Vela server 0.23 on PostgreSQL that the tests need. On SQLite their types are INTEGER and TEXT.
CREATE TABLE builds (
    "id" SERIAL PRIMARY KEY,
    "repo_id" INTEGER,
    "pipeline_id" INTEGER,
    "number" INTEGER,
    "parent" INTEGER,
    "event" VARCHAR(250),
    "event_action" VARCHAR(250),
    "status" VARCHAR(250),
    "error" VARCHAR(500),
    "enqueued" INTEGER,
    "created" INTEGER,
    "started" INTEGER,
    "finished" INTEGER,
    "deploy" VARCHAR(500),
    "deploy_payload" VARCHAR(2000),
    "clone" VARCHAR(1000),
    "source" VARCHAR(1000),
    "title" VARCHAR(1000),
    "message" VARCHAR(2000),
    "commit" VARCHAR(500),
    "sender" VARCHAR(250),
    "author" VARCHAR(250),
    "email" VARCHAR(500),
    "link" VARCHAR(1000),
    "branch" VARCHAR(500),
    "ref" VARCHAR(500),
    "base_ref" VARCHAR(500),
    "head_ref" VARCHAR(500),
    "host" VARCHAR(250),
    "runtime" VARCHAR(250),
    "distribution" VARCHAR(250),
    "approved_at" INTEGER,
    "approved_by" VARCHAR(250),
    "timestamp" INTEGER,
    UNIQUE (repo_id, number)
);
CREATE INDEX builds_created ON builds (created);
CREATE INDEX builds_event ON builds (event);
CREATE INDEX builds_repo_id ON builds (repo_id);
CREATE INDEX builds_status ON builds (status);
CREATE TABLE repos (
    id SERIAL PRIMARY KEY,
    user_id INTEGER,
    org VARCHAR(250),
    name VARCHAR(250),
    full_name VARCHAR(500),
    counter INTEGER,
    UNIQUE (full_name)
);
