"""The steps of a small pipeline that meets a flaky service and a file with a hole in it."""
