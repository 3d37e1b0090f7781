-- Budgets, what workers hold of them, and the ledger: a line for each call of a provider.

-- A budget in one window. `given` and `spent` are sums over its slices, `limit` and what follows is hints. Updated often,
-- by few columns that no index has (HOT).
create table budgets (
    window_start date not null,
    scope text not null check (scope in ('user_day', 'tenant_month', 'global_month')),
    tenant text not null,
    owner text not null,
    given bigint not null default 0,
    spent bigint not null default 0,
    -- As the last draw named it, with what it asked for and got: lets one upsert decide.
    "limit" bigint,
    at_least bigint,
    at_most bigint,
    granted bigint,
    wanted_until timestamptz,
    -- The highest limit at which there was not enough for a call.
    refused_limit bigint,
    primary key (window_start, scope, tenant, owner)
) with (fillfactor = 40);
create index budgets_wanted on budgets (wanted_until) where wanted_until is not null;
create index budgets_refused on budgets (window_start, scope) where refused_limit is not null;

-- A worker's part of a budget on one day. Its amount, spent and corrected money counts in the budget.
create table budget_slices (
    holder uuid not null,
    day date not null,
    scope text not null,
    tenant text not null,
    owner text not null,
    amount bigint not null default 0,
    spent bigint not null default 0 check (spent <= amount),
    -- What operators put right since: the holder does not know of it.
    corrected bigint not null default 0,
    -- Of the holder's last call that changed it: what was sent before and arrives later changes nothing.
    number bigint not null,
    closed_at timestamptz,
    primary key (holder, day, scope, tenant, owner)
) with (fillfactor = 50);
create index budget_slices_open on budget_slices (holder, day) where closed_at is null;

create table charges (
    id uuid primary key,
    task_id uuid not null,
    attempt integer not null,
    generation integer not null,
    key text not null,
    tenant text not null,
    owner text not null,
    agent text not null,
    version text not null,
    model text not null,
    holder uuid not null,
    day date not null,
    -- False where no budget covers the call: it was taken from no slice.
    budgeted boolean not null,
    estimate bigint not null,
    cost bigint,
    state text not null check (state in ('open', 'settled', 'uncertain')),
    -- A journal entry tells of its cost.
    journaled boolean not null default false,
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    cache_read_tokens bigint not null default 0,
    at timestamptz not null,
    settled_at timestamptz
);
create index charges_of_task on charges (task_id, id);
create index charges_of_owner on charges (tenant, owner, day);
create index charges_of_holder on charges (holder, day);
create index charges_unsettled on charges (state, id) where state in ('open', 'uncertain');
create index charges_uncertain on charges (day, tenant, owner) where state = 'uncertain';

create table budget_alerts (
    window_start date not null,
    scope text not null,
    tenant text not null,
    owner text not null,
    percent smallint not null,
    "limit" bigint not null,
    spent bigint not null,
    at timestamptz not null,
    primary key (window_start, scope, tenant, owner, percent)
);
create index budget_alerts_newest on budget_alerts (at);

-- What a draw gets where so much is left: an eighth of it, but no less than `at_least`, or nothing.
create function budget_grant(remaining bigint, at_least bigint, at_most bigint) returns bigint
    language sql immutable parallel safe
    return case when remaining < at_least then 0 else greatest(least(at_most, greatest(at_least, remaining / 8)), 0) end;

-- The first day of the window that a day is in.
create function budget_window(scope text, day date) returns date
    language sql immutable parallel safe
    return case scope when 'user_day' then day else date_trunc('month', day::timestamp)::date end;

-- `refused_limit` after something was spent.
create function budget_refused(refused_limit bigint, "limit" bigint, spent bigint) returns bigint
    language sql immutable parallel safe
    return case when spent >= "limit" then greatest(refused_limit, "limit") else refused_limit end;

-- The budgets that can cover what a user spends on a day.
create function budgets_of(tenant text, owner text, day date)
    returns table (scope text, budget_tenant text, budget_owner text, window_start date)
    language sql immutable parallel safe
    begin atomic
        select covering.scope, of_tenant, of_owner, budget_window(covering.scope, day)
        from (
            values ('user_day', tenant, owner), ('tenant_month', tenant, ''), ('global_month', '', '')
        ) as covering (scope, of_tenant, of_owner);
    end;

create function today_utc() returns date
    language sql stable parallel safe
    return (statement_timestamp() at time zone 'UTC')::date;

-- Until the present window of such a budget ends.
create function budget_seconds_left(scope text) returns double precision
    language sql stable parallel safe
    return extract(epoch from (
        case scope
            when 'user_day' then today_utc() + 1
            else (date_trunc('month', today_utc()::timestamp) + interval '1 month')::date
        end
    )::timestamp at time zone 'UTC' - statement_timestamp())::double precision;
