update workers set lease_expires_at = clock_timestamp() where lease_expires_at > clock_timestamp()
