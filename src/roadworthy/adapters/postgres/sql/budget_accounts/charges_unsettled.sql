-- The states are named for the index that has only these.
select {charge} from charges c
where c.state = $3 and c.state in ('open', 'uncertain') and c.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by c.id desc
limit $2
