"""The executor of magnus for Argo Workflows: a dag as a Workflow, its steps as pods."""
