"""What a job is, and where results are kept: records, manifests and the store that publishes them by one rename."""
