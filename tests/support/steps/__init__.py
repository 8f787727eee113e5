"""Activities called as a worker calls them, one file a process."""
