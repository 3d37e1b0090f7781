insert into similarity_lessons as known (family, counts) values ($1, $2)
on conflict (family) do update set counts = (
    select array_agg((one + more) / case when known.counts[1] + excluded.counts[1] > $3 then 2 else 1 end order by place)
    from unnest(
        case when cardinality(known.counts) = cardinality(excluded.counts) then known.counts end,
        excluded.counts
    ) with ordinality as counted (had, more, place), coalesce(had, 0) as one
)
returning counts
