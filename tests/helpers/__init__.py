"""What several tests use: small runs, small pictures, small collections."""
