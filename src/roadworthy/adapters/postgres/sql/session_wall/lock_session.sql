select tenant, owner from sessions where id = $1 for no key update
