update workers set last_seen = clock_timestamp(), lease_expires_at = '-infinity' where id = $1
