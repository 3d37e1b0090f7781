insert into similarity_drops (mark, at) values ($1, clock_timestamp())
on conflict (mark) do update set at = greatest(similarity_drops.at, excluded.at)
