"""Makes an access key in a server's database, as whoever runs the server would.

    add_key.py DATABASE NAME ROLE

ROLE is reader, writer or owner. Prints the key; the database keeps its digest alone.
"""

import hashlib
import secrets
import sqlite3
import sys
import time

ID_BYTES = 8


def main(database, name, role):
    key = secrets.token_hex(16)
    digest = hashlib.sha256(key.encode()).digest()
    with sqlite3.connect(database, timeout=10) as connection:
        connection.execute(
            "INSERT INTO access_keys (id, digest, name, role, created_at) VALUES (?, ?, ?, ?, ?)",
            (digest[:ID_BYTES].hex(), digest, name, role, int(time.time() * 1e6)),
        )
    connection.close()
    print(key)


if __name__ == "__main__":
    main(*sys.argv[1:])
