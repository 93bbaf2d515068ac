"""The executor of magnus for AWS Step Functions: a dag as a state machine, its steps as jobs of AWS Batch."""
