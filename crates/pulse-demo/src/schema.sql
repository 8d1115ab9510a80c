-- The demo's tables. There is no index beyond the primary keys on purpose: the scans that this causes are what a
-- database optimizer is meant to find.
CREATE TABLE positions (
    id INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity REAL NOT NULL,
    entry_price_cents INTEGER NOT NULL,
    cost_cents INTEGER NOT NULL,
    tool_id INTEGER,
    status TEXT NOT NULL CHECK (status IN ('open', 'closed')),
    opened_at TEXT NOT NULL,
    closed_at TEXT,
    exit_price_cents INTEGER,
    pnl_cents INTEGER
);
CREATE TABLE trades (
    id INTEGER PRIMARY KEY,
    position_id INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity REAL NOT NULL,
    price_cents INTEGER NOT NULL,
    executed_at TEXT NOT NULL
);
CREATE TABLE account_state (
    user_id TEXT PRIMARY KEY,
    cash_cents INTEGER NOT NULL,
    realized_pnl_cents INTEGER NOT NULL,
    updated_at TEXT NOT NULL
);
CREATE TABLE tool_performance (
    id INTEGER PRIMARY KEY,
    tool_id INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    position_id INTEGER NOT NULL,
    profit_cents INTEGER NOT NULL,
    recorded_at TEXT NOT NULL
);
