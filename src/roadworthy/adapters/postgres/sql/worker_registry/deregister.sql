update workers set lease_expires_at = clock_timestamp() where id = $1 and lease_expires_at > clock_timestamp()
