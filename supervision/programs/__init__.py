"""What programs say through their node's gateway: durable events, and questions that want an answer."""
