BEGIN TRANSACTION;
CREATE TABLE "build_revisions" ("build_id" INTEGER NOT NULL, "revision" INTEGER NOT NULL, "at" INTEGER NOT NULL, "by" TEXT NOT NULL, "request_id" TEXT NOT NULL, "changes" TEXT NOT NULL, "before" TEXT, PRIMARY KEY ("build_id", "revision"));
INSERT INTO "build_revisions" VALUES(1,1,1795487048,'octokitty','1ed53b34c8b2c2424251d231fe28772f','{"id":{"from":null,"to":1},"repo_id":{"from":null,"to":1},"number":{"from":null,"to":1},"parent":{"from":null,"to":1},"event":{"from":null,"to":"push"},"status":{"from":null,"to":"created"},"error":{"from":null,"to":""},"enqueued":{"from":null,"to":1563474077},"created":{"from":null,"to":1563474076},"started":{"from":null,"to":1563474077},"finished":{"from":null,"to":0},"deploy":{"from":null,"to":""},"clone":{"from":null,"to":"https://github.com/github/octocat.git"},"source":{"from":null,"to":"https://github.com/github/octocat/commit/48afb5bdc41ad69bf22588491333f7cf71135163"},"title":{"from":null,"to":"push received from https://github.com/github/octocat"},"message":{"from":null,"to":"this is an updated message"},"commit":{"from":null,"to":"48afb5bdc41ad69bf22588491333f7cf71135163"},"sender":{"from":null,"to":"OctoKitty"},"author":{"from":null,"to":"OctoKitty"},"branch":{"from":null,"to":"main"},"ref":{"from":null,"to":"refs/heads/main"},"base_ref":{"from":null,"to":""},"host":{"from":null,"to":"company.localhost"},"runtime":{"from":null,"to":"docker"},"distribution":{"from":null,"to":"linux"}}',NULL);
INSERT INTO "build_revisions" VALUES(2,1,1795487048,'octokitty','82774d3656b7426f1fc576fb2f432d73','{"id":{"from":null,"to":2},"repo_id":{"from":null,"to":1},"number":{"from":null,"to":2},"parent":{"from":null,"to":1},"event":{"from":null,"to":"push"},"status":{"from":null,"to":"created"},"error":{"from":null,"to":""},"enqueued":{"from":null,"to":1563474077},"created":{"from":null,"to":1563474076},"started":{"from":null,"to":1563474077},"finished":{"from":null,"to":0},"deploy":{"from":null,"to":""},"clone":{"from":null,"to":"https://github.com/github/octocat.git"},"source":{"from":null,"to":"https://github.com/github/octocat/commit/48afb5bdc41ad69bf22588491333f7cf71135163"},"title":{"from":null,"to":"größer"},"message":{"from":null,"to":"this is an updated message"},"commit":{"from":null,"to":"48afb5bdc41ad69bf22588491333f7cf71135163"},"sender":{"from":null,"to":"OctoKitty"},"author":{"from":null,"to":"OctoKitty"},"branch":{"from":null,"to":"main"},"ref":{"from":null,"to":"refs/heads/main"},"base_ref":{"from":null,"to":""},"host":{"from":null,"to":"company.localhost"},"runtime":{"from":null,"to":"docker"},"distribution":{"from":null,"to":"linux"},"pipeline_id":{"from":null,"to":7},"deploy_number":{"from":null,"to":3},"approved_at":{"from":null,"to":1563474078},"event_action":{"from":null,"to":"opened"},"sender_scm_id":{"from":null,"to":"42"},"route":{"from":null,"to":"vela"},"approved_by":{"from":null,"to":"octocat"},"email":{"from":null,"to":"octokitty@example.com"},"head_ref":{"from":null,"to":"feature"},"link":{"from":null,"to":"https://vela.example.com/github/octocat/1"},"fork":{"from":null,"to":true},"deploy_payload":{"from":null,"to":{"b":"2","a":"1"}}}',NULL);
INSERT INTO "build_revisions" VALUES(1,2,1795487048,'octokitty','3640605594465baab8f694181e1ad198','{"status":{"from":"created","to":"error"}}','{
"id": 1,
"repo_id": 1,
"number": 1,
"parent": 1,
"event": "push",
"status": "created",
"error": "",
"enqueued": 1563474077,
"created": 1563474076,
"started": 1563474077,
"finished": 0,
"deploy": "",
"clone": "https://github.com/github/octocat.git",
"source": "https://github.com/github/octocat/commit/48afb5bdc41ad69bf22588491333f7cf71135163",
"title": "push received from https://github.com/github/octocat",
"message": "this is an updated message",
"commit": "48afb5bdc41ad69bf22588491333f7cf71135163",
"sender": "OctoKitty",
"author": "OctoKitty",
"branch": "main",
"ref": "refs/heads/main",
"base_ref": "",
"host": "company.localhost",
"runtime": "docker",
"distribution": "linux"
}
');
CREATE TABLE "builds" ("id" INTEGER NOT NULL PRIMARY KEY, "repo_id" INTEGER, "pipeline_id" INTEGER, "number" INTEGER, "parent" INTEGER, "event" VARCHAR(250), "event_action" VARCHAR(250), "status" VARCHAR(250), "error" VARCHAR(1000), "enqueued" INTEGER, "created" INTEGER, "started" INTEGER, "finished" INTEGER, "deploy" VARCHAR(500), "deploy_number" INTEGER, "deploy_payload" VARCHAR(2000), "clone" VARCHAR(1000), "source" VARCHAR(1000), "title" VARCHAR(1000), "message" VARCHAR(2000), "commit" VARCHAR(500), "sender" VARCHAR(250), "sender_scm_id" VARCHAR(250), "fork" INTEGER, "author" VARCHAR(250), "email" VARCHAR(500), "link" VARCHAR(1000), "branch" VARCHAR(500), "ref" VARCHAR(500), "base_ref" VARCHAR(500), "head_ref" VARCHAR(500), "host" VARCHAR(250), "route" VARCHAR(250), "runtime" VARCHAR(250), "distribution" VARCHAR(250), "approved_at" INTEGER, "approved_by" VARCHAR(250), "timestamp" INTEGER);
INSERT INTO "builds" VALUES(1,1,NULL,1,1,'push',NULL,'error',NULL,1563474077,1563474076,1563474077,NULL,NULL,NULL,'null','https://github.com/github/octocat.git','https://github.com/github/octocat/commit/48afb5bdc41ad69bf22588491333f7cf71135163','push received from https://github.com/github/octocat','this is an updated message','48afb5bdc41ad69bf22588491333f7cf71135163','OctoKitty',NULL,0,'OctoKitty',NULL,NULL,'main','refs/heads/main',NULL,NULL,'company.localhost',NULL,'docker','linux',NULL,NULL,NULL);
INSERT INTO "builds" VALUES(2,1,7,2,1,'push','opened','created',NULL,1563474077,1563474076,1563474077,NULL,NULL,3,'{"b":"2","a":"1"}','https://github.com/github/octocat.git','https://github.com/github/octocat/commit/48afb5bdc41ad69bf22588491333f7cf71135163','größer','this is an updated message','48afb5bdc41ad69bf22588491333f7cf71135163','OctoKitty','42',1,'OctoKitty','octokitty@example.com','https://vela.example.com/github/octocat/1','main','refs/heads/main',NULL,'feature','company.localhost','vela','docker','linux',1563474078,'octocat',NULL);
CREATE INDEX "build_status" ON "builds" ("status");
CREATE INDEX "build_created" ON "builds" ("created");
CREATE UNIQUE INDEX "build_repo_id_number" ON "builds" ("repo_id", "number");
COMMIT;
