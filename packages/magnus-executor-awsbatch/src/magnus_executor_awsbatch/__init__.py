"""The executor of magnus for AWS Batch."""
