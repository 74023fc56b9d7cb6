"""Authentication: every path under /api requires an administrator's token."""

import falcon

from build_admin.tokens import TokenRefused, Tokens


class Authentication:
    """Falcon middleware that requires a bearer token (RFC 6750) before a request under /api is routed."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Set `req.context.subject` to the token's subject. Raises HTTPUnauthorized where there is no valid token."""
        # Falcon's router ignores leading slashes: //api is /api.
        if req.path.lstrip("/").partition("/")[0] != "api":
            return
        try:
            req.context.subject = self._tokens.verify(req.get_header("Authorization"))
        except TokenRefused as refused:
            req.context.refused = refused.reason
            raise falcon.HTTPUnauthorized(description=str(refused), challenges=["Bearer"]) from None
