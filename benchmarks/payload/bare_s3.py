"""usage: bare_s3.py BUCKET FILE COPY. Uploads a file and downloads it again, as boto3 does by itself."""

from __future__ import annotations

import sys

import boto3

if __name__ == "__main__":
    bucket, file, copy = sys.argv[1:]
    client = boto3.client("s3")
    client.upload_file(file, bucket, "file")
    client.download_file(bucket, "file", copy)
