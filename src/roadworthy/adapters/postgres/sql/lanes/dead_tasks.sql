select count(*) from tasks where status = 'dead'
