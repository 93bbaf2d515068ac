"""The types of tasks that come with the core; each module is imported when a pipeline uses its type."""
