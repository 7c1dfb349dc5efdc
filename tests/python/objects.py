"""Writes in parts, copies and deletes objects in a new bucket, as any user of S3 would; an upload that was broken off leaves none.

    objects.py ACCESS_JSON BUCKET

Prints the sizes of what is left, as JSON.
"""

import io
import json
import sys

from boto3.s3.transfer import TransferConfig

import bucket as bucket_script

PART_BYTES = 5 << 20


def main(access_file, bucket):
    s3 = bucket_script.connect(access_file)
    s3.create_bucket(Bucket=bucket)
    in_parts = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)
    text = b"a" * (2 * PART_BYTES + 17)
    s3.upload_fileobj(io.BytesIO(text), bucket, "in parts.txt", Config=in_parts)
    broken = s3.create_multipart_upload(Bucket=bucket, Key="broken.txt")
    s3.upload_part(Bucket=bucket, Key="broken.txt", UploadId=broken["UploadId"], PartNumber=1, Body=b"a")
    s3.abort_multipart_upload(Bucket=bucket, Key="broken.txt", UploadId=broken["UploadId"])
    s3.copy_object(Bucket=bucket, Key="copy.txt", CopySource={"Bucket": bucket, "Key": "in parts.txt"})
    s3.copy({"Bucket": bucket, "Key": "in parts.txt"}, bucket, "copy in parts.txt", Config=in_parts)
    s3.delete_object(Bucket=bucket, Key="copy.txt")
    for key in ["first.txt", "second.txt"]:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "first.txt"}, {"Key": "second.txt"}]})
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    print(json.dumps({entry["Key"]: entry["Size"] for entry in listed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
