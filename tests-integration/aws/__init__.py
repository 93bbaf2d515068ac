"""AWS for tests: an emulator whose Batch runs real containers, and a fake of the clients for what it lacks."""
