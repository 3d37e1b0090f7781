insert into duties as d (name, next_run, last_run, resumed_at)
select $1::text, moment + $2::double precision * interval '1 second', moment, moment from clock_timestamp() as moment
on conflict (name) do update set
    next_run = excluded.next_run,
    last_run = excluded.last_run,
    resumed_at = case
        when d.last_run < excluded.last_run - $3::double precision * interval '1 second' then excluded.last_run
        else d.resumed_at
    end
    where d.next_run <= excluded.last_run
returning date_part('epoch', d.last_run - d.resumed_at)
