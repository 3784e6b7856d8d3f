"""A stand-in for AWS on this machine: moto with a life cycle, and AWS's own training toolkit."""
