"""The overwrite of a build with Django REST framework, under waitress.

A project in one file: settings, a model, a ModelSerializer, an authentication class and two views, with persistent
connections as in production. The benchmark runs it: `python django_peer.py PORT`.
"""

import os
import sys
from urllib.parse import parse_qs, urlsplit

import django
import waitress
from django.conf import settings
from shared import STATUSES, administrator


def database(url: str) -> dict:
    """Return Django's settings of a database. Transactions on SQLite begin immediately, as recommended for writes."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": parts.path.removeprefix("/"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
            },
        }
    query = parse_qs(parts.query)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.removeprefix("/"),
        "USER": parts.username,
        "PASSWORD": parts.password,
        "HOST": query.get("host", [parts.hostname])[0],
        "PORT": query.get("port", [parts.port or ""])[0],
        "CONN_MAX_AGE": None,
    }


settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": database(os.environ["DATABASE_URL"])},
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
    ROOT_URLCONF=__name__,
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from django.shortcuts import get_object_or_404  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import authentication, exceptions, permissions, serializers  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402


class Build(models.Model):
    id = models.BigAutoField(primary_key=True)
    repo_id = models.PositiveBigIntegerField()
    number = models.PositiveBigIntegerField()
    parent = models.PositiveBigIntegerField()
    event = models.CharField(max_length=250)
    status = models.CharField(max_length=250, choices=[(status, status) for status in STATUSES], db_index=True)
    error = models.CharField(max_length=1000, blank=True)
    enqueued = models.PositiveBigIntegerField()
    created = models.PositiveBigIntegerField(db_index=True)
    started = models.PositiveBigIntegerField()
    finished = models.PositiveBigIntegerField()
    deploy = models.CharField(max_length=500, blank=True)
    clone = models.CharField(max_length=1000)
    source = models.CharField(max_length=1000)
    title = models.CharField(max_length=1000)
    message = models.CharField(max_length=2000, blank=True)
    commit = models.CharField(max_length=500)
    sender = models.CharField(max_length=250)
    author = models.CharField(max_length=250)
    branch = models.CharField(max_length=500)
    ref = models.CharField(max_length=500)
    base_ref = models.CharField(max_length=500, blank=True)
    host = models.CharField(max_length=250, blank=True)
    runtime = models.CharField(max_length=250, blank=True)
    distribution = models.CharField(max_length=250, blank=True)

    class Meta:
        app_label = "builds"
        db_table = "builds"
        constraints = [models.UniqueConstraint(fields=["repo_id", "number"], name="builds_repo_id_number")]


class BuildSerializer(serializers.ModelSerializer):
    id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)

    class Meta:
        model = Build
        fields = [field.name for field in Build._meta.fields]
        # The database keeps repo_id and number unique. The serializer would check it with another query.
        validators = []
        extra_kwargs = {
            field.name: {"required": True, "trim_whitespace": False}
            for field in Build._meta.fields
            if isinstance(field, models.CharField) and not field.choices
        }


class Administrator:
    is_authenticated = True

    def __init__(self, subject: str) -> None:
        self.subject = subject


class TokenAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request):
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        subject = administrator(token)
        if subject is None:
            raise exceptions.AuthenticationFailed
        return Administrator(subject), token

    def authenticate_header(self, request):
        return "Bearer"


class AdminView(APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [permissions.IsAuthenticated]


class OverwriteView(AdminView):
    def put(self, request):
        serializer = BuildSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with transaction.atomic():
            builds = Build.objects.select_for_update()
            serializer.instance = get_object_or_404(builds, pk=serializer.validated_data["id"])
            serializer.save()
        return Response(serializer.data)


class BuildView(AdminView):
    def get(self, request, build_id):
        return Response(BuildSerializer(get_object_or_404(Build, pk=build_id)).data)


urlpatterns = [
    path("api/v1/admin/build", OverwriteView.as_view()),
    path("api/v1/admin/builds/<int:build_id>", BuildView.as_view()),
]

if __name__ == "__main__":
    if "builds" not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Build)
    connection.close()
    waitress.serve(get_wsgi_application(), host="127.0.0.1", port=int(sys.argv[1]), threads=int(os.environ["THREADS"]))
