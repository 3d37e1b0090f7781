update workers set lease_expires_at = '-infinity' where lease_expires_at > '-infinity'
