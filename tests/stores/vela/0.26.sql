-- The columns of a Vela server 0.26 on PostgreSQL that the tests need. On SQLite their types are INTEGER and TEXT.
CREATE TABLE builds (
    "id" BIGSERIAL PRIMARY KEY,
    "repo_id" BIGINT,
    "pipeline_id" BIGINT,
    "number" BIGINT,
    "parent" BIGINT,
    "event" VARCHAR(250),
    "event_action" VARCHAR(250),
    "status" VARCHAR(250),
    "error" VARCHAR(1000),
    "enqueued" BIGINT,
    "created" BIGINT,
    "started" BIGINT,
    "finished" BIGINT,
    "deploy" VARCHAR(500),
    "deploy_number" BIGINT,
    "deploy_payload" VARCHAR(2000),
    "clone" VARCHAR(1000),
    "source" VARCHAR(1000),
    "title" VARCHAR(1000),
    "message" VARCHAR(2000),
    "commit" VARCHAR(500),
    "sender" VARCHAR(250),
    "sender_scm_id" VARCHAR(250),
    "fork" BOOLEAN,
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
    "approved_at" BIGINT,
    "approved_by" VARCHAR(250),
    "timestamp" BIGINT,
    UNIQUE (repo_id, number)
);
CREATE INDEX builds_created ON builds (created);
CREATE INDEX builds_event ON builds (event);
CREATE INDEX builds_repo_id ON builds (repo_id);
CREATE INDEX builds_status ON builds (status);
CREATE INDEX builds_repo_id_created ON builds (repo_id, created);
CREATE TABLE repos (
    id BIGSERIAL PRIMARY KEY,
    user_id BIGINT,
    org VARCHAR(250),
    name VARCHAR(250),
    full_name VARCHAR(500),
    counter BIGINT,
    UNIQUE (full_name)
);
