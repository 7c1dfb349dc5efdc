"""What the servers have in common that record what tests send them."""

import http.server
import threading


class Recording(http.server.BaseHTTPRequestHandler):
    """A handler whose class knows the file to write to; whoever writes holds the lock."""

    record = None
    lock = threading.Lock()

    def log_message(self, *arguments):
        pass


def serve(handler, record):
    """Prints the port of a server of this handler, then answers until it is killed."""
    handler.record = record
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()
