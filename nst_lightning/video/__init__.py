"""Films: frames that are painted one after another, each beginning with what is known of it."""
