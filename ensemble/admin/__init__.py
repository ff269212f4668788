"""What operators' tools and servers say to each other: schema and client. HTTP and JSON, nothing else."""
