update workers set lease_expires_at = '-infinity' where id = $1
