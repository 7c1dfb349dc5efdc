"""A receiver of webhooks that checks signatures as their specification's own library does.

    receiver.py RECORD

Prints its port, then writes a line of JSON to the file RECORD for every message: its path, event id, data, and whether the
signature fits the secret in the query parameter "secret" of the receiver's own address. The path says how it answers: /taken
with 204, /refused with 500, /gone with 410, /elsewhere with a redirect to /taken, /silent never, /late with 503 twice for
each event before 204.
"""

import collections
import json
import sys
import threading
import urllib.parse

import standardwebhooks
from recording import Recording, serve

ANSWERS = {"/taken": 204, "/refused": 500, "/gone": 410, "/elsewhere": 302}


class Receiver(Recording):
    attempts = collections.Counter()
    ends = threading.Event()

    def do_POST(self):
        address = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        secret = urllib.parse.parse_qs(address.query).get("secret", [""])[0]
        event = json.loads(body)
        with self.lock:
            self.attempts[address.path, event["id"]] += 1
            attempt = self.attempts[address.path, event["id"]]
            line = {
                "path": address.path,
                "type": self.headers["Content-Type"],
                "webhookId": self.headers["webhook-id"],
                "signed": self.is_signed(secret, body),
                "event": event,
            }
            with open(self.record, "a") as record:
                record.write(json.dumps(line) + "\n")
        if address.path == "/silent":
            self.ends.wait()
            return
        status = ANSWERS.get(address.path)
        if address.path == "/late":
            status = 204 if attempt > 2 else 503
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/taken")
        self.send_header("Content-Length", "0")
        self.end_headers()

    # A redirect that was followed would arrive as one of these.
    do_GET = do_POST

    def is_signed(self, secret, body):
        try:
            standardwebhooks.Webhook(secret).verify(body, dict(self.headers.items()))
            return True
        except Exception:
            return False

if __name__ == "__main__":
    serve(Receiver, *sys.argv[1:])
