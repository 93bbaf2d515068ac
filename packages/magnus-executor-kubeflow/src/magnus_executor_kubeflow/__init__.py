"""The executor of magnus for Kubeflow Pipelines: a dag as a compiled pipeline, its steps as pods."""
