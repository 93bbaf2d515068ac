"""Run logs, catalogs, secrets and experiment trackers of magnus."""
