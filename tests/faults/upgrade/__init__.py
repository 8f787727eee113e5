"""Open runs that are taken from one version of the workers to the next and back, under load."""
