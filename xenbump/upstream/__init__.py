"""What the Xen Project publishes, fetched and verified: release tags, their commits and trees."""
