-- Ids only: names, numbers and texts stay sealed in the journal. Times are milliseconds since 1970, amounts minor units,
-- dates days since 1970 in the operator's calendar. Nothing here is original: all of it follows from the journal.
CREATE TABLE progress (
    id INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    -- Of the journal's row there: views of another journal are known by it.
    hash BLOB NOT NULL
);
CREATE TABLE settings (
    id INTEGER PRIMARY KEY,
    currency TEXT NOT NULL,
    currency_digits INTEGER NOT NULL,
    zone TEXT NOT NULL,
    cut_off_minutes INTEGER NOT NULL
);
CREATE TABLE payments (
    id INTEGER PRIMARY KEY,
    merchant INTEGER NOT NULL,
    payer INTEGER,
    amount INTEGER NOT NULL,
    whose TEXT NOT NULL,
    capture TEXT NOT NULL,
    reference_hash INTEGER,
    mandate INTEGER,
    prompted INTEGER NOT NULL,
    date INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    status TEXT NOT NULL,
    internal_status TEXT NOT NULL,
    veto TEXT,
    decline TEXT,
    rules_version INTEGER NOT NULL,
    funding TEXT NOT NULL,
    approved_at INTEGER,
    capture_deadline INTEGER,
    captured INTEGER NOT NULL,
    captured_at INTEGER,
    refunded INTEGER NOT NULL,
    fee INTEGER NOT NULL,
    tax INTEGER NOT NULL,
    ending TEXT,
    ended_at INTEGER
);
CREATE INDEX payments_of_merchant ON payments (merchant, id);
CREATE INDEX payments_by_status ON payments (merchant, status, id);
CREATE INDEX payments_by_reference ON payments (merchant, reference_hash, id) WHERE reference_hash IS NOT NULL;
CREATE TABLE refunds (
    id INTEGER PRIMARY KEY,
    payment INTEGER NOT NULL,
    merchant INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    completed_at INTEGER
);
CREATE INDEX refunds_of_payment ON refunds (payment, id);
CREATE TABLE mandates (
    id INTEGER PRIMARY KEY,
    merchant INTEGER NOT NULL,
    payer INTEGER,
    payment_limit INTEGER NOT NULL,
    monthly_limit INTEGER NOT NULL,
    ends_on INTEGER NOT NULL,
    prompted INTEGER NOT NULL,
    status TEXT NOT NULL,
    veto TEXT,
    created_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    approved_at INTEGER,
    ended_by TEXT
);
CREATE INDEX mandates_of_merchant ON mandates (merchant, id);
CREATE TABLE effects (
    id INTEGER PRIMARY KEY,
    payment INTEGER NOT NULL,
    payer INTEGER NOT NULL,
    direction TEXT NOT NULL,
    original INTEGER,
    refund INTEGER,
    amount INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    wanted_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
);
CREATE INDEX effects_stuck ON effects (id) WHERE state = 'stuck';
CREATE INDEX effects_of_payment ON effects (payment, id);
CREATE TABLE devices (
    id INTEGER PRIMARY KEY,
    subscriber INTEGER NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    active_from INTEGER,
    removed_at INTEGER
);
CREATE INDEX devices_of_subscriber ON devices (subscriber, id);
CREATE TABLE subscribers (
    id INTEGER PRIMARY KEY,
    status TEXT NOT NULL,
    generation INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    has_bank INTEGER NOT NULL,
    line_kind TEXT NOT NULL,
    line_status TEXT NOT NULL,
    activated INTEGER NOT NULL,
    sim_changed INTEGER,
    device_changed INTEGER,
    bill_limit INTEGER NOT NULL,
    facts_as_of INTEGER NOT NULL,
    added_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
);
CREATE TABLE merchants (
    id INTEGER PRIMARY KEY,
    subject INTEGER NOT NULL,
    category INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    payment_limit INTEGER NOT NULL,
    daily_limit INTEGER NOT NULL,
    plan_version INTEGER NOT NULL,
    fee_basis_points INTEGER NOT NULL,
    fee_fixed INTEGER NOT NULL,
    tax_basis_points INTEGER NOT NULL,
    added_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
);
CREATE TABLE proposals (
    id INTEGER PRIMARY KEY,
    proposed_by INTEGER NOT NULL,
    operation TEXT NOT NULL,
    proposed_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    decided_by INTEGER,
    decided_at INTEGER
);
CREATE INDEX proposals_waiting ON proposals (id) WHERE status = 'waiting';
CREATE TABLE entries (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    date INTEGER NOT NULL,
    what TEXT NOT NULL,
    payment INTEGER
);
CREATE TABLE legs (
    entry INTEGER NOT NULL,
    place INTEGER NOT NULL,
    account TEXT NOT NULL,
    owner INTEGER NOT NULL,
    minor INTEGER NOT NULL,
    PRIMARY KEY (entry, place)
) WITHOUT ROWID;
CREATE TABLE balances (
    account TEXT NOT NULL,
    owner INTEGER NOT NULL,
    posted INTEGER NOT NULL,
    held INTEGER NOT NULL,
    PRIMARY KEY (account, owner)
) WITHOUT ROWID;
CREATE TABLE daily (
    date INTEGER NOT NULL,
    what TEXT NOT NULL,
    name TEXT NOT NULL,
    hour INTEGER NOT NULL,
    payments INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (date, what, name, hour)
) WITHOUT ROWID;
CREATE TABLE timeline (
    payment INTEGER NOT NULL,
    n INTEGER NOT NULL,
    at INTEGER NOT NULL,
    what TEXT NOT NULL,
    actor TEXT NOT NULL,
    actor_id INTEGER,
    cause INTEGER NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (payment, n)
) WITHOUT ROWID;
CREATE TABLE merchant_events (
    n INTEGER PRIMARY KEY,
    merchant INTEGER NOT NULL,
    kind TEXT NOT NULL,
    object INTEGER NOT NULL,
    at INTEGER NOT NULL,
    captured INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    fee INTEGER NOT NULL,
    tax INTEGER NOT NULL,
    capture_deadline INTEGER,
    decline TEXT
);
CREATE INDEX merchant_events_of_merchant ON merchant_events (merchant, n);
CREATE TABLE history (
    subscriber INTEGER NOT NULL,
    n INTEGER NOT NULL,
    kind TEXT NOT NULL,
    object INTEGER NOT NULL,
    at INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (subscriber, n)
) WITHOUT ROWID;
CREATE TABLE operator_actions (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    operator INTEGER,
    what TEXT NOT NULL,
    subscriber INTEGER,
    merchant INTEGER,
    object INTEGER
);
-- What tills paid or gave back, by what names their messages: hashes, as reversals and refunds name them long after.
CREATE TABLE till_messages (
    n INTEGER PRIMARY KEY,
    key_hash INTEGER NOT NULL,
    original_hash INTEGER NOT NULL,
    terminal INTEGER NOT NULL,
    payment INTEGER NOT NULL,
    refunded INTEGER NOT NULL
);
CREATE INDEX till_messages_by_key ON till_messages (key_hash);
CREATE INDEX till_messages_by_original ON till_messages (original_hash);
CREATE TABLE approvals_rejected (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    subscriber INTEGER NOT NULL,
    device INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    object INTEGER NOT NULL,
    why TEXT NOT NULL
);
CREATE INDEX approvals_rejected_of_subscriber ON approvals_rejected (subscriber, n);
-- Everything that reached a payer's phone and what became of it.
CREATE VIEW prompts AS
    SELECT 'payment' AS kind, id, merchant, payer, amount, created_at, deadline, internal_status AS status, veto
    FROM payments WHERE prompted = 1
    UNION ALL
    SELECT 'mandate', id, merchant, payer, payment_limit, created_at, deadline, status, veto
    FROM mandates WHERE prompted = 1;
