"""What children used: minutes as their nodes' couriers bring them, hours made of minutes. Seconds stay with the sampler."""
