"""Runs Graphite's web application for the tests: as a program of the system's Python, which has it from its packages.

It is given a directory and a port, and answers until it is ended.
"""

import os
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

SETTINGS = """
SECRET_KEY = "of a test"
GRAPHITE_ROOT = "/usr/share/graphite-web"
CONF_DIR = STORAGE_DIR = LOG_DIR = {folder!r}
WHISPER_DIR = {folder!r} + "/whisper"
INDEX_FILE = {folder!r} + "/index"
DATABASES = {{"default": {{"NAME": {folder!r} + "/web.db", "ENGINE": "django.db.backends.sqlite3"}}}}
CARBONLINK_HOSTS = []
ALLOWED_HOSTS = ["127.0.0.1"]
"""


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve(folder: str, port: int) -> None:
    with open(f"{folder}/settings_of_test.py", "w", encoding="utf-8") as file:
        file.write(SETTINGS.format(folder=folder))
    sys.path.insert(0, folder)
    os.environ |= {"DJANGO_SETTINGS_MODULE": "graphite.settings", "GRAPHITE_SETTINGS_MODULE": "settings_of_test"}
    from django.core.wsgi import get_wsgi_application  # type: ignore[import-not-found]

    make_server("127.0.0.1", port, get_wsgi_application(), handler_class=Quiet).serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
