"""Amazon SNS as far as one endpoint sees it, for machines that can't reach it.

    sns.py FOLDER

Makes a certificate authority (FOLDER/authority.pem), a certificate of sns.us-east-1.amazonaws.com for TLS, and a certificate that
signs messages (FOLDER/signer.pem). Prints a port at which it is a proxy: whoever connects through it to SNS's host gets the
signer's certificate at /signer.pem, and every other page is written to FOLDER/visited, one path per line. Then reads lines of
JSON, a message's fields, and prints each as a line of JSON, signed.
"""

import base64
import datetime
import http.server
import json
import pathlib
import ssl
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

HOST = "sns.us-east-1.amazonaws.com"
NOTIFICATION = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
CONFIRMATION = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
DIGESTS = {"1": hashes.SHA1, "2": hashes.SHA256}


def certificate(name, issuer=None, authority=False):
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    issuer_certificate, issuer_key = issuer or (None, key)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_certificate.subject if issuer_certificate else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return made, key


def pem(made):
    return made.public_bytes(serialization.Encoding.PEM)


class Pages(http.server.BaseHTTPRequestHandler):
    folder = None
    tls = None

    def do_CONNECT(self):
        if self.path != f"{HOST}:443":
            self.send_error(502)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self):
        page = (self.folder / "signer.pem").read_bytes() if self.path == "/signer.pem" else b"<ok/>"
        if self.path != "/signer.pem":
            with (self.folder / "visited").open("a") as visited:
                visited.write(self.path + "\n")
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *arguments):
        pass


def signed(message, key):
    message = {"SigningCertURL": f"https://{HOST}/signer.pem", "SignatureVersion": "1", **message}
    names = NOTIFICATION if message["Type"] == "Notification" else CONFIRMATION
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    digest = DIGESTS[message["SignatureVersion"]]()
    signature = key.sign(text.encode(), padding.PKCS1v15(), digest)
    return {**message, "Signature": base64.b64encode(signature).decode()}


def main(folder):
    folder = pathlib.Path(folder)
    authority = certificate("Test authority", authority=True)
    host, host_key = certificate(HOST, issuer=authority)
    signer, signer_key = certificate("sns.amazonaws.com")
    (folder / "authority.pem").write_bytes(pem(authority[0]))
    (folder / "signer.pem").write_bytes(pem(signer))
    secret = host_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "host.pem").write_bytes(pem(host) + secret)
    Pages.folder = folder
    Pages.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    Pages.tls.load_cert_chain(folder / "host.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    for line in sys.stdin:
        print(json.dumps(signed(json.loads(line), signer_key)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
