"""The reference page's sample build, which it sends to overwrite what was there."""

SAMPLE: dict[str, int | str] = {
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
    "distribution": "linux",
}

#: The build as `serve --sample` loads it, so that sending SAMPLE changes something.
BEFORE = SAMPLE | {"message": "this is the first message"}
