"""Certificates, and a caller who looks at them.

    tls.py make CERTIFICATE KEY     writes a certificate of its own authority for 127.0.0.1, and its key; prints its number
    tls.py ask PORT CERTIFICATE METHOD PATH KEY [BODY]
                                    asks over TLS, trusting CERTIFICATE alone; prints {"number", "status", "headers"}
"""

import datetime
import http.client
import ipaddress
import json
import pathlib
import ssl
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def make(certificate, key):
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = builder.add_extension(address, critical=False)
    made = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(private, hashes.SHA256())
    pathlib.Path(certificate).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pathlib.Path(key).write_bytes(private.private_bytes(*form))
    print(made.serial_number)


def ask(port, certificate, method, path, key, body=None):
    context = ssl.create_default_context(cafile=certificate)
    connection = http.client.HTTPSConnection("127.0.0.1", int(port), context=context, timeout=60)
    connection.connect()
    shown = x509.load_der_x509_certificate(connection.sock.getpeercert(binary_form=True))
    headers = {"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/merge-patch+json"}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    answer.read()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    print(json.dumps({"number": str(shown.serial_number), "status": answer.status, "headers": headers}))


{"make": make, "ask": ask}[sys.argv[1]](*sys.argv[2:])
