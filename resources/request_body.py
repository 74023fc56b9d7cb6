"""Request bodies: their size and media type are checked before they are parsed."""

import falcon

#: Maximum length of a Content-Type in characters; the rest of a longer one is ignored.
LONGEST_TYPE = 200


def read(req: falcon.Request, most: int) -> bytes:
    """Return the bytes of a request's body.

    Raises HTTPContentTooLarge for more than `most` bytes, and HTTPUnsupportedMediaType for a body that is not
    declared as `application/json` in UTF-8, or that is encoded.
    """
    if (req.content_length or 0) > most:
        raise falcon.HTTPContentTooLarge(description=f"The body has more than {most} bytes.")
    if req.get_header("Content-Encoding"):
        raise falcon.HTTPUnsupportedMediaType(
            description="The body must be sent as it is, without a Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )
    # Falcon needs seconds for certain long ones.
    media_type, options = falcon.parse_header((req.content_type or "")[:LONGEST_TYPE])
    if media_type.strip().lower() != "application/json" or options.get("charset", "utf-8").lower() != "utf-8":
        raise falcon.HTTPUnsupportedMediaType(
            description="The body must be JSON in UTF-8; send 'Content-Type: application/json'.",
            headers={"Accept": "application/json"},
        )
    # A chunked body has a Content-Length too: waitress reads it whole before, and sets CONTENT_LENGTH.
    return req.bounded_stream.read()
