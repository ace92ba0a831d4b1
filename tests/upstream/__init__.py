"""What is fetched from the upstream and believed."""
