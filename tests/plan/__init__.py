"""From a file and a release to a plan."""
