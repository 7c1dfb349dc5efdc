"""Puts a folder's files into a bucket, lists a bucket or shows an object, as any user of S3 would.

    bucket.py ACCESS_JSON upload BUCKET FOLDER [SUFFIX]
    bucket.py ACCESS_JSON list BUCKET
    bucket.py ACCESS_JSON show BUCKET KEY

`upload` makes the bucket when there is none, and prints how many objects it wrote. `list` prints one key per line, `show` a text.
"""

import json
import pathlib
import sys

import boto3
from botocore.config import Config


def connect(access_file):
    access = json.loads(pathlib.Path(access_file).read_text())["s3"]
    return boto3.client(
        "s3",
        endpoint_url=access["endpoint"],
        aws_access_key_id=access["accessKeyId"],
        aws_secret_access_key=access["secretAccessKey"],
        region_name=access["region"],
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )


def upload(s3, bucket, folder, suffix=".txt"):
    if bucket not in {entry["Name"] for entry in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=bucket)
    files = sorted(path for path in pathlib.Path(folder).iterdir() if path.suffix == suffix)
    for path in files:
        s3.put_object(Bucket=bucket, Key=path.name, Body=path.read_bytes())
    print(len(files))


def list_keys(s3, bucket):
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            print(entry["Key"])


def show(s3, bucket, key):
    sys.stdout.write(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8"))


def main(access_file, command, *arguments):
    commands = {"upload": upload, "list": list_keys, "show": show}
    commands[command](connect(access_file), *arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
