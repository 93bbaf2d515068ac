"""The processes in which tasks run: a keeper, and for each worker a guard and the worker itself.

The keeper and the guards run no code of the user.
"""
