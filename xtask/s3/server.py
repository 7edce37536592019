"""A throw-away S3 on loopback, with everything in memory: moto, with one bucket.

One request after the other: moto looks whether an object is there and then writes it, and between the two another thread
could do the same, which S3 never lets happen.
"""

import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_request(self, *_):
        pass


app = DomainDispatcherApplication(create_backend_app)
s3_backends["123456789012"]["aws"].create_bucket("kulya", "us-east-1")
server = make_server("127.0.0.1", int(sys.argv[1]), app, threaded=False, request_handler=Quiet)
print("ready to serve", flush=True)
server.serve_forever()
